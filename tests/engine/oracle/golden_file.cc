#include "golden_file.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include <meterhub/base/settings.h>
#include <meterhub/engine/value.h>

#include "json_reader.h"

namespace meterhub::engine::oracle {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

std::optional<Ticks> arrival_of(const std::string& body) {
  sql::NeededPath path;
  path.path = {"EventEnqueuedUtcTime"};
  JsonReader reader;
  std::vector<Value> values(1);
  if (!reader.read(body, PathTree(std::span(&path, 1)), values) || values[0].kind != Kind::kText) return std::nullopt;
  return parse_datetime(values[0].text);
}

// Fields of a CSV line; a quoted one may hold commas and doubled quotes.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') fields.back() += line[i++];
    else if (line[i] == '"') quoted = !quoted;
    else if (line[i] == ',' && !quoted) fields.emplace_back();
    else fields.back() += line[i];
  }
  return fields;
}

void add_reference(GoldenFile& golden, const std::string& name, Ticks start, std::vector<std::string> rows) {
  auto table = std::ranges::find(golden.references, name, &ReferenceTable::name);
  if (table == golden.references.end()) table = golden.references.insert(table, {name, {}});
  table->versions.push_back({start, std::move(rows)});
}

void mark(GoldenFile& golden, const std::string& numbers, bool InputEvent::* as) {
  std::istringstream stream(numbers);
  for (std::string number; std::getline(stream, number, ',');) {
    const auto index = std::stoul(number) - 1;
    for (auto& input : golden.inputs) {
      if (index < input.events.size()) input.events[index].*as = true;
    }
  }
}

void deal_out(GoldenFile& golden, std::uint32_t partitions) {
  for (auto& input : golden.inputs) {
    for (std::uint32_t i = 0; i < input.events.size(); ++i) input.events[i].partition = i % partitions;
  }
}

void add_section(GoldenFile& golden, const std::string& title, const std::string& body) {
  std::istringstream words(title);
  std::string kind;
  std::string word;
  words >> kind;
  if (kind == "query") golden.query = body;
  if (kind == "results") golden.results = lines_of(body);
  if (kind == "input" && words >> word) golden.inputs.push_back(read_events(word, body));
  if (kind == "reference" && words >> word) {
    std::string start;
    words >> start >> start;  // "from", the time
    add_reference(golden, word, start.empty() ? 0 : parse_datetime(start).value(), read_table(body));
  }
  while (kind == "options" && words >> word) {
    const auto equals = word.find('=');
    golden.options[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
  }
}

Ticks duration(const GoldenFile& golden, const std::string& name, Ticks otherwise) {
  const auto it = golden.options.find(name);
  return it == golden.options.end() ? otherwise
                                    : base::parse_duration(it->second).value().count() * sql::kTicksPerMillisecond;
}

bool by_arrival(const GoldenFile& golden) {
  return golden.options.contains("late") || golden.options.contains("out_of_order") ||
         golden.options.contains("drop_disorder");
}

}  // namespace

InputEvents read_events(std::string name, const std::string& json_lines) {
  InputEvents input;
  input.name = std::move(name);
  JsonReader reader;
  for (const auto& line : lines_of(json_lines)) {
    const auto elements = line.starts_with('[') ? reader.elements(line) : std::vector<Value>();
    if (!elements || !line.starts_with('[')) {
      input.events.push_back({line, arrival_of(line), 0});
      continue;
    }
    std::vector<std::string> bodies;
    for (const auto& element : *elements) append_json(bodies.emplace_back(), element);
    for (auto& body : bodies) input.events.push_back({body, arrival_of(body), 0});
  }
  return input;
}

std::vector<std::string> read_table(const std::string& text) {
  auto lines = lines_of(text);
  if (lines.empty() || lines.front().starts_with('{')) return lines;
  const auto names = fields_of(lines.front());
  std::vector<std::string> rows;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = fields_of(lines[i]);
    std::string json = "{";
    for (std::size_t k = 0; k < std::min(names.size(), fields.size()); ++k) {
      if (k > 0) json += ',';
      append_json_string(json, names[k]);
      json += ':';
      append_json_string(json, fields[k]);
    }
    rows.push_back(json + '}');
  }
  return rows;
}

GoldenFile read_golden(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return parse_golden({std::istreambuf_iterator<char>(file), {}});
}

GoldenFile parse_golden(const std::string& text) {
  GoldenFile golden;
  std::istringstream lines(text);
  std::string title;
  std::string body;
  for (std::string line; std::getline(lines, line);) {
    if (title != "results") golden.head += line + '\n';
    if (line.starts_with("==== ")) {
      add_section(golden, title, body);
      title = line.substr(5);
      body.clear();
    } else {
      body += line + '\n';
    }
  }
  add_section(golden, title, body);
  const auto& options = golden.options;
  for (auto& input : golden.inputs) input.device = options.contains("device") ? options.at("device") : "";
  if (options.contains("partitions"))
    deal_out(golden, static_cast<std::uint32_t>(std::stoul(options.at("partitions"))));
  if (options.contains("marked_late")) mark(golden, options.at("marked_late"), &InputEvent::late);
  if (options.contains("marked_stale")) mark(golden, options.at("marked_stale"), &InputEvent::stale);
  return golden;
}

sql::CompileOptions compile_options(const GoldenFile& golden) {
  sql::CompileOptions options;
  const auto has = [&](const char* name) { return golden.options.contains(name); };
  for (const auto& input : golden.inputs) {
    options.inputs.push_back({input.name,
                              sql::InputKind::kStream,
                              {},
                              has("iothub") ? sql::InputMetadata::kIotHub : sql::InputMetadata::kEventHub,
                              has("metadata_in_star")});
  }
  for (const auto& table : golden.references) {
    options.inputs.push_back({table.name, sql::InputKind::kReference, {}, sql::InputMetadata::kNone, false});
  }
  options.policy.late_arrival = duration(golden, "late", options.policy.late_arrival);
  options.policy.out_of_order = duration(golden, "out_of_order", 0);
  if (has("drop_disorder")) options.policy.action = sql::DisorderAction::kDrop;
  if (has("strict_aliases")) options.alias_scope = sql::AliasScope::kStrict;
  if (has("ignore_case")) options.string_comparison = sql::StringComparison::kIgnoreCase;
  return options;
}

Options run_options(const GoldenFile& golden) {
  Options options;
  options.policies = by_arrival(golden);
  options.start = *parse_datetime("2026-01-01");
  options.on_error = OnRuntimeError::kFail;
  const auto it = golden.options.find("on_error");
  if (it != golden.options.end() && it->second == "drop") options.on_error = OnRuntimeError::kDropEvent;
  if (it != golden.options.end() && it->second == "null") options.on_error = OnRuntimeError::kNull;
  return options;
}

}  // namespace meterhub::engine::oracle
