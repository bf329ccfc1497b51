#include "json_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <unordered_map>

#include <simdjson.h>

#include <meterhub/base/plain_json.h>

#include "json_check.h"

namespace meterhub::engine {
namespace {

namespace ondemand = simdjson::ondemand;
using base::PlainJson;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// What a double cannot tell from zero is zero; what is too large for it is no value.
bool too_small_or_read(std::string_view digits, double& out) {
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, out);
  if (read.ec != std::errc::result_out_of_range) return read.ec == std::errc();
  out = std::strtod(std::string(digits).c_str(), nullptr);
  return std::abs(out) < 1;
}

simdjson::error_code number_value(std::string_view digits, Value& out) {
  digits = trimmed(digits);
  if (!is_json_number(digits)) return simdjson::NUMBER_ERROR;
  if (digits.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) return simdjson::NUMBER_OUT_OF_RANGE;
    out = Value::bigint(value);
    return simdjson::SUCCESS;
  }
  double value = 0;
  if (!too_small_or_read(digits, value)) return simdjson::NUMBER_ERROR;
  out = Value::real(value, digits);
  return simdjson::SUCCESS;
}

simdjson::error_code fault_code(std::string_view raw) {
  const auto fault = json_fault(raw);
  if (fault.empty()) return simdjson::SUCCESS;
  return fault.starts_with("a whole") ? simdjson::NUMBER_OUT_OF_RANGE : simdjson::TAPE_ERROR;
}

// A value that is passed on as it stands is checked here: the parser only finds its end.
template <class Container>
simdjson::error_code raw_value(simdjson::simdjson_result<Container> found, Value (*make)(std::string_view), Value& out) {
  Container container;
  std::string_view raw;
  if (const auto error = std::move(found).get(container)) return error;
  if (const auto error = container.raw_json().get(raw)) return error;
  raw = trimmed(raw);
  if (const auto error = fault_code(raw)) return error;
  out = make(raw);
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
  bool is_null = false;  // the short form would throw
  if (const auto error = value.is_null().get(is_null)) return error;
  return is_null ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
}

simdjson::error_code read_value(ondemand::value value, Value& out) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return error;
  switch (type) {
    case ondemand::json_type::object: return raw_value<ondemand::object>(value.get_object(), &Value::record, out);
    case ondemand::json_type::array: return raw_value<ondemand::array>(value.get_array(), &Value::array, out);
    case ondemand::json_type::number: return number_value(value.raw_json_token(), out);
    case ondemand::json_type::string: return string_value(value, out);
    case ondemand::json_type::boolean: return bool_value(value, out);
    case ondemand::json_type::null: return null_value(value, out);
  }
  return simdjson::INCORRECT_TYPE;
}

simdjson::error_code read_object(ondemand::object object, const PathTree::Node& node, std::vector<Value>& values);

// A name that stands twice in an object: the later value counts, nothing of the earlier stays.
void forget(const PathTree::Node& node, std::vector<Value>& values) {
  for (const auto slot : node.slots) values[slot] = Value::null();
  for (const auto& child : node.children) forget(child, values);
}

simdjson::error_code read_record(ondemand::value value, const PathTree::Node& node, std::vector<Value>& values) {
  forget(node, values);
  ondemand::object object;
  if (const auto error = value.get_object().get(object)) return error;
  if (node.slots.empty()) return read_object(object, node, values);
  std::string_view raw;
  if (const auto error = object.raw_json().get(raw)) return error;
  if (const auto error = fault_code(raw)) return error;
  bool filled = false;
  if (const auto error = object.reset().get(filled)) return error;
  if (const auto error = read_object(object, node, values)) return error;
  for (const auto slot : node.slots) values[slot] = Value::record(trimmed(raw));
  return simdjson::SUCCESS;
}

simdjson::error_code read_field(ondemand::value value, const PathTree::Node& node, std::vector<Value>& values) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return error;
  if (type == ondemand::json_type::object && !node.children.empty()) return read_record(value, node, values);
  if (!node.children.empty()) forget(node, values);
  Value read;
  if (const auto error = read_value(value, read)) return error;
  for (const auto slot : node.slots) values[slot] = read;
  return simdjson::SUCCESS;
}

simdjson::error_code read_object(ondemand::object object, const PathTree::Node& node, std::vector<Value>& values) {
  std::size_t hint = 0;
  for (auto entry : object) {
    ondemand::field field;
    if (const auto error = std::move(entry).get(field)) return error;
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return error;
    const auto* const child = node.child(key, hint);
    if (child == nullptr) continue;
    if (const auto error = read_field(field.value(), *child, values)) return error;
  }
  return simdjson::SUCCESS;
}

// ---- the same for plain JSON, which nearly every event is; false: ask the parser

bool plain_object(PlainJson& json, const PathTree::Node& node, std::vector<Value>& values);

bool plain_value(PlainJson& json, Value& out) {
  std::string_view text;
  PlainJson::Number number;
  bool on = false;
  switch (json.peek()) {
    case '{': return json.skip(text) && (out = Value::record(text), true);
    case '[': return json.skip(text) && (out = Value::array(text), true);
    case '"': return json.string(text) && (out = Value::characters(text), true);
    case 't':
    case 'f': return json.boolean(on) && (out = Value::bit(on), true);
    case 'n': return json.null() && (out = Value::null(), true);
    default: break;
  }
  if (!json.number(number)) return false;
  out = number.whole() ? Value::bigint(number.digits) : Value::real(number.real(), number.text);
  return true;
}

bool plain_field(PlainJson& json, const PathTree::Node& node, std::vector<Value>& values) {
  if (!node.children.empty()) {
    if (!node.slots.empty()) return false;  // a record that is passed on and looked into: rare
    forget(node, values);
    return json.peek() == '{' ? plain_object(json, node, values) : json.skip();
  }
  Value& first = values[node.slots.front()];
  if (!plain_value(json, first)) return false;
  for (const auto slot : std::span(node.slots).subspan(1)) values[slot] = first;
  return true;
}

bool plain_object(PlainJson& json, const PathTree::Node& node, std::vector<Value>& values) {
  std::size_t hint = 0;
  return json.object([&](std::string_view key) {
    const auto* const child = node.child(key, hint);
    return child == nullptr ? json.skip() : plain_field(json, *child, values);
  });
}

base::Error bad_json(simdjson::error_code error) {
  if (error == simdjson::NUMBER_OUT_OF_RANGE) return base::Error(base::Errc::kInvalidArgument, "a whole number beyond 64 bits");
  return base::Error(base::Errc::kInvalidArgument, std::string("not readable as JSON: ") + simdjson::error_message(error));
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

bool equal_without_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

PathTree::PathTree(std::span<const sql::NeededPath> paths) {
  for (std::uint32_t slot = 0; slot < paths.size(); ++slot) {
    if (paths[slot].metadata) continue;
    Node* node = &root_;
    for (const auto& name : paths[slot].path) {
      auto it = std::ranges::find_if(node->children, [&](const Node& child) { return equal_without_case(child.name, name); });
      if (it == node->children.end()) it = node->children.insert(it, Node{name, {}, {}});
      node = &*it;
    }
    node->slots.push_back(slot);
  }
}

const PathTree::Node* PathTree::Node::child(std::string_view key, std::size_t& hint) const {
  for (std::size_t tried = 0; tried < children.size(); ++tried) {
    const std::size_t at = hint + tried < children.size() ? hint + tried : hint + tried - children.size();
    if (!equal_without_case(children[at].name, key)) continue;
    hint = at + 1 == children.size() ? 0 : at + 1;
    return &children[at];
  }
  return nullptr;
}

struct JsonReader::Parser {
  ondemand::parser ondemand;
};

JsonReader::JsonReader() : parser_(std::make_unique<Parser>()) {}
JsonReader::~JsonReader() = default;

std::string_view JsonReader::padded(std::string_view json) {
  buffer_.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  buffer_.assign(json);
  return buffer_;
}

base::Result<void> JsonReader::read(std::string_view json, const PathTree& tree, std::vector<Value>& values) {
  PlainJson plain(json);
  if (plain_object(plain, tree.root(), values) && plain.at_end()) return {};
  forget(tree.root(), values);
  if (too_deep(json)) return base::fail(base::Errc::kInvalidArgument, "nested too deeply");
  const auto text = padded(json);
  ondemand::document document;
  ondemand::object object;
  if (const auto error = parser_->ondemand.iterate(text.data(), text.size(), buffer_.capacity()).get(document)) {
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
  if (const auto error = parser_->ondemand.iterate(text.data(), text.size(), buffer_.capacity()).get(document)) {
    return std::unexpected(bad_json(error));
  }
  if (const auto error = document.get_object().get(object)) return std::unexpected(bad_json(error));
  std::vector<Field> out;
  std::unordered_map<std::string, std::size_t> places;  // a name that stands twice: the later value
  for (auto entry : object) {
    ondemand::field field;
    std::string_view key;
    Value value;
    auto error = std::move(entry).get(field);
    if (!error) error = field.unescaped_key().get(key);
    if (!error) error = read_value(field.value(), value);
    if (error) return std::unexpected(bad_json(error));
    const auto [place, fresh] = places.try_emplace(std::string(key), out.size());
    if (fresh) out.push_back({place->first, value});
    else out[place->second].value = value;
  }
  return out;
}

base::Result<std::vector<Value>> JsonReader::elements(std::string_view json) {
  const auto text = padded(json);
  ondemand::document document;
  ondemand::array array;
  if (const auto error = parser_->ondemand.iterate(text.data(), text.size(), buffer_.capacity()).get(document)) {
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
  if (!value.text.empty()) kept.text = arena.keep(value.text);
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
