// The JSON of events: our checker and reader beside a parser that is not ours.
#include "engine/json_reader.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>

#include "engine/json_check.h"
#include "input.h"

namespace meterhub::engine {
namespace {

using fuzz::require;

// Where the two differ on purpose: ours refuses depth and whole numbers beyond 64 bits, and
// leaves UTF-8, the pairing of surrogates and the size of floats to the reader of the value.
bool comparable(std::string_view text) {
  return text.find("\\u") == std::string_view::npos && text.find_first_of("eE") == std::string_view::npos &&
         text.find('\0') == std::string_view::npos && !text.starts_with("\xEF") && simdjson::validate_utf8(text.data(), text.size());
}

void check(std::string_view text) {
  const auto fault = json_fault(text);
  const bool other = nlohmann::json::accept(text);
  if (fault.empty()) require(!too_deep(text));
  if (fault.empty() && comparable(text)) require(other);
  if (other && comparable(text)) require(fault.empty() || fault != "not readable as JSON");
}

std::string json_of(const Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

// All of an object, its fields one by one, and the same fields by name.
void read_object(std::string_view text) {
  JsonReader reader;
  const auto fields = reader.fields(text);
  if (!fields || !json_fault(text).empty()) return;  // what stands behind an object is not its business
  std::vector<sql::NeededPath> paths;
  std::vector<std::string> expected;
  for (const auto& field : *fields) {
    require(json_fault(json_of(field.value)).empty());
    const auto twice = std::ranges::count_if(*fields, [&](const auto& f) { return equal_without_case(f.name, field.name); });
    if (twice > 1) continue;
    paths.push_back({{field.name}, 0, sql::Type::kAny, false});
    expected.push_back(json_of(field.value));
  }
  std::vector<Value> values(paths.size());
  JsonReader second;
  require(second.read(text, PathTree(paths), values).has_value());
  for (std::size_t i = 0; i < values.size(); ++i) require(json_of(values[i]) == expected[i]);
}

void read_array(std::string_view text) {
  JsonReader reader;
  const auto elements = reader.elements(text);
  if (!elements) return;
  for (const auto& element : *elements) require(json_fault(json_of(element)).empty());
}

// Paths that reach into each other.
void read_paths(std::string_view text) {
  std::vector<sql::NeededPath> paths;
  for (const auto& path : std::vector<std::vector<std::string>>{{"a"}, {"a", "b"}, {"a", "b", "c"}, {"userData", "time"}, {"B"}, {"b", "a"}}) {
    paths.push_back({path, 0, sql::Type::kAny, false});
  }
  std::vector<Value> values(paths.size());
  JsonReader reader;
  if (!reader.read(text, PathTree(paths), values)) return;
  for (const auto& value : values) require(json_fault(json_of(value)).empty());
  if (values[0].kind != Kind::kRecord) return;
  Arena arena;
  JsonReader inner;
  const std::string path[] = {"b"};
  require(json_of(field_of(values[0], path, inner, arena)) == json_of(values[1]));
}

}  // namespace
}  // namespace meterhub::engine

MH_FUZZER(event_json, input) {
  using namespace meterhub::engine;
  check(input.text());
  read_object(input.text());
  read_array(input.text());
  read_paths(input.text());
}
