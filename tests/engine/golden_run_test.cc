// Queries with their inputs and results, as text: tests/sql/run/*.txt, README.md there.
// METERHUB_UPDATE_GOLDEN=1 writes the results anew: read the difference.
#include <meterhub/engine/bounded.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include <meterhub/base/settings.h>

#include "oracle/golden_file.h"

namespace meterhub::engine {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(METERHUB_SOURCE_DIR) / "tests/sql/run";

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Golden {
  std::string head;   // everything before the results
  std::string query;
  std::map<std::string, std::string> options;
  std::vector<std::pair<std::string, std::string>> inputs;
  struct Reference {
    std::string name;
    Ticks start = 0;
    std::shared_ptr<const ReferenceTable> table;
  };
  std::vector<Reference> references;  // versions in order of their start
  std::string results;
};

void add_section(Golden& golden, const std::string& title, std::string body) {
  std::istringstream words(title);
  std::string kind;
  words >> kind;
  if (kind == "query") golden.query = std::move(body);
  if (kind == "results") golden.results = std::move(body);
  std::string word;
  if (kind == "input") {
    words >> word;
    golden.inputs.emplace_back(word, std::move(body));
  }
  if (kind == "reference" && words >> word) {
    std::string start;
    words >> start >> start;  // "from", and the time
    auto table = std::make_shared<ReferenceTable>();
    table->rows = oracle::read_table(body);
    golden.references.push_back({word, start.empty() ? 0 : *parse_datetime(start), std::move(table)});
  }
  while (kind == "options" && words >> word) {
    const auto equals = word.find('=');
    golden.options[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
  }
}

Golden parse(const std::string& text) {
  Golden golden;
  std::istringstream lines(text);
  std::string line;
  std::string title;
  std::string body;
  while (std::getline(lines, line)) {
    if (title != "results") golden.head += line + '\n';
    if (line.starts_with("==== ")) {
      add_section(golden, title, std::move(body));
      title = line.substr(5);
      body.clear();
    } else {
      body += line + '\n';
    }
  }
  add_section(golden, title, std::move(body));
  return golden;
}

sql::Ticks duration(const Golden& golden, const std::string& name, sql::Ticks otherwise) {
  const auto it = golden.options.find(name);
  return it == golden.options.end() ? otherwise : base::parse_duration(it->second).value().count() * sql::kTicksPerMillisecond;
}

sql::CompileOptions compile_options(const Golden& golden) {
  sql::CompileOptions options;
  const auto has = [&](const char* name) { return golden.options.contains(name); };
  for (const auto& [name, text] : golden.inputs) {
    options.inputs.push_back({name, sql::InputKind::kStream, {}, has("iothub") ? sql::InputMetadata::kIotHub : sql::InputMetadata::kEventHub,
                              has("metadata_in_star")});
  }
  for (const auto& reference : golden.references) {
    const auto known = [&](const auto& input) { return input.name == reference.name; };
    if (std::ranges::any_of(options.inputs, known)) continue;
    options.inputs.push_back({reference.name, sql::InputKind::kReference, {}, sql::InputMetadata::kNone, false});
  }
  options.policy.late_arrival = duration(golden, "late", options.policy.late_arrival);
  options.policy.out_of_order = duration(golden, "out_of_order", 0);
  if (has("drop_disorder")) options.policy.action = sql::DisorderAction::kDrop;
  if (has("strict_aliases")) options.alias_scope = sql::AliasScope::kStrict;
  if (has("ignore_case")) options.string_comparison = sql::StringComparison::kIgnoreCase;
  return options;
}

bool by_arrival(const Golden& golden) {
  return golden.options.contains("late") || golden.options.contains("out_of_order") || golden.options.contains("drop_disorder");
}

PipelineOptions run_options(const Golden& golden) {
  PipelineOptions options;
  options.policies = by_arrival(golden);
  options.start = to_timestamp(*parse_datetime("2026-01-01"));
  options.on_runtime_error = OnRuntimeError::kFail;
  const auto it = golden.options.find("on_error");
  if (it != golden.options.end() && it->second == "drop") options.on_runtime_error = OnRuntimeError::kDropEvent;
  if (it != golden.options.end() && it->second == "null") options.on_runtime_error = OnRuntimeError::kNull;
  return options;
}

// Results as lines, each with its identity, by which runs of another order are compared.
class Lines final : public RowSink {
 public:
  explicit Lines(const sql::Plan& plan) : plan_(plan) {}

  void row(const OutputRow& row) override {
    std::string line = plan_.outputs[row.output] + ' ';
    append_json(line, row);
    // Rows with state come in the same order in every run.
    if (row.sequence) add(base::PartitionId(~0U), base::Offset(*row.sequence), std::move(line));
    else add(row.partition, row.offset, std::move(line));
  }
  void dropped(const Dropped& dropped) override {
    add(dropped.partition, dropped.offset,
        "! " + std::string(dropped.input) + ' ' + std::to_string(dropped.offset.value + 1) + ' ' +
            std::string(drop_reason_name(dropped.reason)) + ": " + std::string(dropped.text));
  }
  void failed(const std::string& text) { text_ += "!! " + text + '\n'; }

  const std::string& in_order() const { return text_; }
  std::string by_identity() const {
    std::string out;
    for (const auto& [where, text] : of_event_) out += text;
    return out;
  }

 private:
  void add(base::PartitionId partition, base::Offset offset, std::string line) {
    line += '\n';
    of_event_[{partition, offset}] += line;
    text_ += line;
  }

  const sql::Plan& plan_;
  std::string text_;
  std::map<std::pair<base::PartitionId, base::Offset>, std::string> of_event_;
};

class Trial {
 public:
  explicit Trial(const Golden& golden) : golden_(golden) {
    for (const auto& [name, text] : golden.inputs) inputs_.add(name, text);
  }

  // What is wrong with the query; empty: nothing.
  std::string refused() {
    auto compiled = sql::compile(golden_.query, compile_options(golden_));
    std::string out;
    for (const auto& one : compiled.diagnostics) {
      if (one.severity == sql::Severity::kError) out += "? " + one.code + ": " + one.message + '\n';
    }
    return out;
  }

  // In the order of `meterhub sql test`, up to `batch` events of an input at a time.
  std::string batches_of(std::size_t batch) {
    auto pipeline = make(true);
    if (!pipeline) return "? " + pipeline.error().text + '\n';
    for (const auto& [name, text] : golden_.inputs) (*pipeline)->open(name, base::PartitionId(0));
    return run(**pipeline, order(**pipeline), batch).in_order();
  }

  // Three partitions, dealt out in turn; then read in the order that `rank` gives them.
  std::string interleaved(std::size_t batch, bool one_after_the_other) {
    auto pipeline = make();
    if (!pipeline) return "? " + pipeline.error().text + '\n';
    for (std::uint32_t i = 0; i < 3; ++i) {
      for (const auto& [name, text] : golden_.inputs) (*pipeline)->open(name, base::PartitionId(i));
    }
    auto events = order(**pipeline);
    for (std::size_t i = 0; i < events.size(); ++i) events[i].event.partition = base::PartitionId(static_cast<std::uint32_t>(i % 3));
    if (one_after_the_other) std::ranges::stable_sort(events, {}, [](const OrderedEvent& e) { return e.event.partition; });
    return run(**pipeline, events, batch).by_identity();
  }

 private:
  base::Result<std::unique_ptr<Pipeline>> make(bool sorted = false) {
    auto options = run_options(golden_);
    options.sorted = sorted;
    auto pipeline = MH_TRY(Pipeline::create(sql::compile(golden_.query, compile_options(golden_)).plan, options));
    for (const auto& reference : golden_.references) pipeline->set_reference(reference.name, reference.start, reference.table);
    return pipeline;
  }
  std::vector<OrderedEvent> order(Pipeline& pipeline) {
    auto events = by_arrival(golden_) ? inputs_.by_arrival() : inputs_.by_time(pipeline);
    for (auto& event : events) {
      event.event.late = marked("marked_late", event.event.offset);
      event.event.stale = marked("marked_stale", event.event.offset);
    }
    if (golden_.options.contains("device")) {
      for (auto& event : events) event.event.device = golden_.options.at("device");
    }
    return events;
  }
  // Numbers of events, from 1, with commas between them.
  bool marked(const std::string& option, base::Offset offset) const {
    const auto found = golden_.options.find(option);
    if (found == golden_.options.end()) return false;
    std::istringstream numbers(found->second);
    for (std::string number; std::getline(numbers, number, ',');) {
      if (std::stoull(number) == offset.value + 1) return true;
    }
    return false;
  }
  static Lines run(Pipeline& pipeline, const std::vector<OrderedEvent>& events, std::size_t batch) {
    Lines lines(pipeline.plan());
    std::vector<Event> together;
    for (std::size_t i = 0; i < events.size(); ++i) {
      together.push_back(events[i].event);
      const bool goes_on = i + 1 < events.size() && events[i + 1].input == events[i].input && together.size() < batch;
      if (goes_on) continue;
      const auto done = pipeline.run(events[i].input, together, lines);
      together.clear();
      if (done) continue;
      lines.failed(done.error().text);
      return lines;
    }
    const auto end = pipeline.finish(lines);
    if (!end) lines.failed(end.error().text);
    return lines;
  }

  const Golden& golden_;
  BoundedInputs inputs_;
};

class GoldenRun : public testing::TestWithParam<fs::path> {};

TEST_P(GoldenRun, GivesTheWrittenResultsInBatchesOfAnySize) {
  const auto golden = parse(read_file(GetParam()));
  Trial run(golden);
  const auto refused = run.refused();
  const auto shown = refused.empty() ? run.batches_of(1) : refused;
  if (std::getenv("METERHUB_UPDATE_GOLDEN") != nullptr) std::ofstream(GetParam(), std::ios::binary) << golden.head << shown;
  else EXPECT_EQ(shown, golden.results) << GetParam();
  if (!refused.empty()) return;
  EXPECT_EQ(run.batches_of(7), shown);
  EXPECT_EQ(run.batches_of(1000), shown);
}

TEST_P(GoldenRun, GivesTheSameResultsHoweverPartitionsInterleave) {
  const auto golden = parse(read_file(GetParam()));
  Trial run(golden);
  const auto expected = run.refused().empty() ? run.interleaved(1, false) : "";
  if (expected.empty() || expected.contains("!! ") || golden.results.contains("!! ")) return;  // stops at the first failure
  EXPECT_EQ(run.interleaved(1, true), expected);
  EXPECT_EQ(run.interleaved(1000, true), expected);
}

std::vector<fs::path> goldens() {
  std::set<fs::path> found;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".txt") found.insert(entry.path());
  }
  return {found.begin(), found.end()};
}

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name;
  for (const char c : info.param.stem().string()) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenRun, testing::ValuesIn(goldens()), test_name);

}  // namespace
}  // namespace meterhub::engine
