#include "json_reader.h"

#include <algorithm>
#include <charconv>

namespace meterhub::engine {
namespace {

namespace ondemand = simdjson::ondemand;

// Deeper values than this are refused before anything recurses.
constexpr std::size_t kDepthMax = 64;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

simdjson::error_code number_value(std::string_view digits, Value& out) {
  digits = trimmed(digits);
  const char* const end = digits.data() + digits.size();
  if (digits.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t value = 0;
    const auto read = std::from_chars(digits.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end) return simdjson::NUMBER_ERROR;
    out = Value::bigint(value);
    return simdjson::SUCCESS;
  }
  double value = 0;
  const auto read = std::from_chars(digits.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return simdjson::NUMBER_ERROR;
  out = Value::real(value, digits);
  return simdjson::SUCCESS;
}

simdjson::error_code raw_object(ondemand::object object, Value& out) {
  std::string_view raw;
  if (const auto error = object.raw_json().get(raw)) return error;
  out = Value::record(trimmed(raw));
  return simdjson::SUCCESS;
}

simdjson::error_code raw_array(ondemand::array array, Value& out) {
  std::string_view raw;
  if (const auto error = array.raw_json().get(raw)) return error;
  out = Value::array(trimmed(raw));
  return simdjson::SUCCESS;
}

simdjson::error_code string_value(ondemand::value& value, Value& out) {
  std::string_view text;
  if (const auto error = value.get_string().get(text)) return error;
  out = Value::characters(text);
  return simdjson::SUCCESS;
}

simdjson::error_code bool_value(ondemand::value& value, Value& out) {
  bool on = false;
  if (const auto error = value.get_bool().get(on)) return error;
  out = Value::bit(on);
  return simdjson::SUCCESS;
}

simdjson::error_code null_value(ondemand::value& value, Value& out) {
  out = Value::null();
  return value.is_null() ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
}

simdjson::error_code read_value(ondemand::value value, Value& out) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return error;
  switch (type) {
    case ondemand::json_type::object: {
      ondemand::object object;
      if (const auto error = value.get_object().get(object)) return error;
      return raw_object(object, out);
    }
    case ondemand::json_type::array: {
      ondemand::array array;
      if (const auto error = value.get_array().get(array)) return error;
      return raw_array(array, out);
    }
    case ondemand::json_type::number: return number_value(value.raw_json_token(), out);
    case ondemand::json_type::string: return string_value(value, out);
    case ondemand::json_type::boolean: return bool_value(value, out);
    case ondemand::json_type::null: return null_value(value, out);
  }
  return simdjson::INCORRECT_TYPE;
}

simdjson::error_code read_object(ondemand::object object, const PathTree::Node& node, std::vector<Value>& values);

simdjson::error_code read_field(ondemand::value value, const PathTree::Node& node, std::vector<Value>& values) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return error;
  if (type == ondemand::json_type::object && !node.children.empty()) {
    ondemand::object object;
    if (const auto error = value.get_object().get(object)) return error;
    if (!node.slots.empty()) {
      Value whole;
      if (const auto error = raw_object(object, whole)) return error;
      for (const auto slot : node.slots) values[slot] = whole;
      bool rewound = false;
      if (const auto error = object.reset().get(rewound)) return error;
    }
    return read_object(object, node, values);
  }
  Value read;
  if (const auto error = read_value(value, read)) return error;
  for (const auto slot : node.slots) values[slot] = read;
  return simdjson::SUCCESS;
}

simdjson::error_code read_object(ondemand::object object, const PathTree::Node& node, std::vector<Value>& values) {
  for (auto entry : object) {
    ondemand::field field;
    if (const auto error = std::move(entry).get(field)) return error;
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return error;
    const auto* const child = node.child(key);
    if (child == nullptr) continue;
    if (const auto error = read_field(field.value(), *child, values)) return error;
  }
  return simdjson::SUCCESS;
}

base::Error bad_json(simdjson::error_code error) {
  return base::Error(base::Errc::kInvalidArgument, std::string("not readable as JSON: ") + simdjson::error_message(error));
}

// Nesting outside of strings; unbalanced text is left to the parser.
bool too_deep(std::string_view json) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDepthMax) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

PathTree::PathTree(std::span<const sql::NeededPath> paths) {
  for (std::uint32_t slot = 0; slot < paths.size(); ++slot) {
    if (paths[slot].metadata) continue;
    Node* node = &root_;
    for (const auto& name : paths[slot].path) {
      const auto key = lower_case(name);
      auto it = std::ranges::find(node->children, key, &Node::name);
      if (it == node->children.end()) it = node->children.insert(it, Node{key, {}, {}});
      node = &*it;
    }
    node->slots.push_back(slot);
  }
}

const PathTree::Node* PathTree::Node::child(std::string_view key) const {
  for (const auto& candidate : children) {
    if (equal_without_case(candidate.name, key)) return &candidate;
  }
  return nullptr;
}

std::string_view JsonReader::padded(std::string_view json) {
  buffer_.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  buffer_.assign(json);
  return buffer_;
}

base::Result<void> JsonReader::read(std::string_view json, const PathTree& tree, std::vector<Value>& values) {
  if (too_deep(json)) return base::fail(base::Errc::kInvalidArgument, "nested too deeply");
  const auto text = padded(json);
  ondemand::document document;
  ondemand::object object;
  if (const auto error = parser_.iterate(text.data(), text.size(), buffer_.capacity()).get(document)) {
    return std::unexpected(bad_json(error));
  }
  if (const auto error = document.get_object().get(object)) return std::unexpected(bad_json(error));
  if (const auto error = read_object(object, tree.root(), values)) return std::unexpected(bad_json(error));
  const char* behind = nullptr;  // an error here means that nothing is left
  if (!document.current_location().get(behind)) {
    return base::fail(base::Errc::kInvalidArgument, "something stands behind the JSON object");
  }
  return {};
}

base::Result<std::vector<JsonReader::Field>> JsonReader::fields(std::string_view json) {
  const auto text = padded(json);
  ondemand::document document;
  ondemand::object object;
  if (const auto error = parser_.iterate(text.data(), text.size(), buffer_.capacity()).get(document)) {
    return std::unexpected(bad_json(error));
  }
  if (const auto error = document.get_object().get(object)) return std::unexpected(bad_json(error));
  std::vector<Field> out;
  for (auto entry : object) {
    ondemand::field field;
    std::string_view key;
    Value value;
    auto error = std::move(entry).get(field);
    if (!error) error = field.unescaped_key().get(key);
    if (!error) error = read_value(field.value(), value);
    if (error) return std::unexpected(bad_json(error));
    out.push_back({std::string(key), value});
  }
  return out;
}

base::Result<std::vector<Value>> JsonReader::elements(std::string_view json) {
  const auto text = padded(json);
  ondemand::document document;
  ondemand::array array;
  if (const auto error = parser_.iterate(text.data(), text.size(), buffer_.capacity()).get(document)) {
    return std::unexpected(bad_json(error));
  }
  if (const auto error = document.get_array().get(array)) return std::unexpected(bad_json(error));
  std::vector<Value> out;
  for (auto entry : array) {
    ondemand::value element;
    Value value;
    auto error = std::move(entry).get(element);
    if (!error) error = read_value(element, value);
    if (error) return std::unexpected(bad_json(error));
    out.push_back(value);
  }
  return out;
}

Value keep(const Value& value, Arena& arena) {
  Value kept = value;
  if (!value.text.empty()) kept.text = arena.keep(std::string(value.text));
  return kept;
}

Value field_of(const Value& record, std::span<const std::string> path, JsonReader& reader, Arena& arena) {
  if (path.empty()) return record;
  if (record.kind != Kind::kRecord) return Value::null();
  sql::NeededPath needed;
  needed.path.assign(path.begin(), path.end());
  const PathTree tree(std::span(&needed, 1));
  std::vector<Value> found(1);
  if (!reader.read(record.text, tree, found)) return Value::null();
  return keep(found[0], arena);
}

}  // namespace meterhub::engine
