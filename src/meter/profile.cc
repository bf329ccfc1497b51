#include <meterhub/meter/profile.h>

#include <algorithm>
#include <cmath>

#include <toml++/toml.h>

#include <meterhub/base/assert.h>

#include "builtin_profiles.h"

namespace meterhub::meter {
namespace {

using base::Errc;
using base::Result;

constexpr std::int64_t kLengthMax = 255;

// With the line where `at` stands in the file.
std::unexpected<base::Error> refuse(const toml::node& at, const std::string& why) {
  return base::fail(Errc::kInvalidArgument, "line " + std::to_string(at.source().begin.line) + ": " + why);
}

// One table being read: remembers which keys were asked for, so that unknown ones are refused.
class Table {
 public:
  Table(const toml::table& table, std::string place) : table_(table), place_(std::move(place)) {}

  Result<std::string> text(std::string_view key, std::string_view otherwise) {
    const toml::node* node = get(key);
    if (node == nullptr) return std::string(otherwise);
    if (!node->is_string()) return wrong(key, "a text");
    return node->value<std::string>().value_or("");
  }
  Result<std::int64_t> integer(std::string_view key, std::int64_t otherwise, std::int64_t low, std::int64_t high) {
    const toml::node* node = get(key);
    if (node == nullptr) return otherwise;
    const auto value = node->is_integer() ? node->value<std::int64_t>() : std::nullopt;
    if (!value || *value < low || *value > high) return wrong(key, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
    return *value;
  }
  Result<bool> boolean(std::string_view key) {
    const toml::node* node = get(key);
    if (node == nullptr) return false;
    if (!node->is_boolean()) return wrong(key, "true or false");
    return node->value<bool>().value_or(false);
  }
  // A limit in the field's unit, as an integer of 1/10^decimals.
  Result<std::optional<std::int64_t>> limit(std::string_view key, std::uint8_t decimals) {
    const toml::node* node = get(key);
    if (node == nullptr) return std::optional<std::int64_t>();
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    const double scaled = value.value_or(NAN) * std::pow(10.0, decimals);
    if (!(std::abs(scaled) < 9e18)) return wrong(key, "a number");
    return std::optional(static_cast<std::int64_t>(std::llround(scaled)));
  }
  const toml::node* get(std::string_view key) {
    asked_.emplace_back(key);
    return table_.get(key);
  }
  bool has(std::string_view key) const { return table_.contains(key); }
  Result<void> nothing_else() const {
    for (const auto& [key, value] : table_) {
      if (std::ranges::find(asked_, key.str()) != asked_.end()) continue;
      std::string known;
      for (const auto& each : asked_) known += " " + each;
      return refuse(value, place_ + ": unknown key '" + std::string(key.str()) + "'; there are" + known);
    }
    return {};
  }
  // A key that is missing has no line: the table's then.
  std::unexpected<base::Error> wrong(std::string_view key, const std::string& wanted) const {
    const toml::node* node = table_.get(key);
    return refuse(node != nullptr ? *node : table_, place_ + ": " + std::string(key) + " must be " + wanted);
  }

 private:
  const toml::table& table_;
  std::string place_;
  std::vector<std::string> asked_;
};

// The index of one of some words.
template <std::size_t N>
Result<std::size_t> choice(Table& table, std::string_view key, const std::array<std::string_view, N>& words) {
  const std::string word = MH_TRY(table.text(key, words[0]));
  const auto found = std::ranges::find(words, word);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string wanted = "one of";
  for (const std::string_view each : words) wanted += " " + std::string(each);
  return table.wrong(key, wanted);
}

Role role_of(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames{"type", "code", "bought", "left", "used", "status", "version"};
  return static_cast<Role>(std::ranges::find(kNames, name) - kNames.begin());  // behind the last: kNone
}

bool is_member_name(std::string_view name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= 40 && std::ranges::all_of(name, fits) && name != "time";
}

// It is a file's name when profiles are exported.
bool is_profile_name(std::string_view name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  const auto fits = [&](char c) { return is_plain(c) || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && name.size() <= 40 && is_plain(name.front()) && std::ranges::all_of(name, fits);
}

Result<Field> read_field(const toml::table& from, std::size_t position) {
  Table table(from, "field " + std::to_string(position + 1));
  Field out;
  out.name = MH_TRY(table.text("name", ""));
  if (!is_member_name(out.name)) return table.wrong("name", "lower-case letters, digits and '_', and not 'time'");
  out.role = role_of(out.name);
  out.type = static_cast<FieldType>(MH_TRY(choice<4>(table, "type", {"unsigned", "signed", "bcd", "text"})));
  out.order = static_cast<ByteOrder>(MH_TRY(choice<2>(table, "order", {"big", "little"})));
  out.text = static_cast<TextRule>(MH_TRY(choice<2>(table, "text", {"printable", "ascii"})));
  const bool is_text = out.type == FieldType::kText;
  if ((out.role == Role::kVersion) != is_text && out.role != Role::kNone) return table.wrong("type", is_text ? "a number" : "text");
  out.offset = static_cast<std::size_t>(MH_TRY(table.integer("offset", 0, 0, kLengthMax)));
  out.size = static_cast<std::size_t>(MH_TRY(table.integer("size", 1, 1, is_text ? 64 : 8)));
  out.factor = MH_TRY(table.integer("factor", 1, 1, 1'000'000'000));
  out.decimals = static_cast<std::uint8_t>(MH_TRY(table.integer("decimals", 0, 0, 9)));
  out.unit = MH_TRY(table.text("unit", ""));
  const bool is_volume = out.role == Role::kBought || out.role == Role::kLeft || out.role == Role::kUsed;
  if (is_volume && out.unit != "m3") return table.wrong("unit", "\"m3\" for " + out.name + ", as the lake and the page read it; other volumes have other names");
  out.min = MH_TRY(table.limit("min", out.decimals));
  out.max = MH_TRY(table.limit("max", out.decimals));
  MH_TRY_VOID(table.nothing_else());
  return out;
}

Result<void> read_fields(Table& table, Profile& out) {
  const toml::node* node = table.get("field");
  const toml::array* fields = node == nullptr ? nullptr : node->as_array();
  if (fields == nullptr || fields->empty() || fields->size() > kFieldsMax) return table.wrong("field", "1 to 32 tables [[field]]");
  for (std::size_t i = 0; i < fields->size(); ++i) {
    const toml::table* field = fields->get(i)->as_table();
    if (field == nullptr) return table.wrong("field", "tables [[field]]");
    out.fields.push_back(MH_TRY(read_field(*field, i)));
    const Field& last = out.fields.back();
    const bool twice = std::ranges::count(out.fields, last.name, &Field::name) > 1;
    if (twice) return refuse(*field, "two fields named " + last.name);
    // Text may be cut short by a short payload, numbers never.
    const bool is_text = last.type == FieldType::kText;
    const std::size_t end = is_text ? last.offset : last.offset + last.size;
    const std::size_t text_end = last.offset + last.size;
    if (end > out.length_min || text_end > out.length_max.value_or(text_end)) {
      return refuse(*field, "field " + last.name + " lies outside the payload: it ends at byte " + std::to_string(text_end) + " of " +
                                std::to_string(is_text ? out.length_max.value_or(out.length_min) : out.length_min));
    }
  }
  return {};
}

Result<void> read_status_bits(Table& table, Profile& out) {
  const toml::node* node = table.get("status");
  if (node == nullptr) return {};
  const toml::table* bits = node->as_table();
  if (bits == nullptr) return table.wrong("status", "a table of names and masks");
  for (const auto& [name, mask] : *bits) {
    const auto value = mask.is_integer() ? mask.value<std::int64_t>() : std::nullopt;
    if (!value || *value <= 0 || !is_member_name(name.str())) return refuse(mask, "status: " + std::string(name.str()) + " needs a mask above 0");
    out.status_bits.push_back({static_cast<std::uint64_t>(*value), std::string(name.str())});
  }
  std::ranges::sort(out.status_bits, {}, &StatusBit::mask);
  return {};
}

Result<void> read_length(Table& table, Profile& out) {
  if (table.has("length")) {
    out.length_min = static_cast<std::size_t>(MH_TRY(table.integer("length", 0, 1, kLengthMax)));
    out.length_max = out.length_min;
    return {};
  }
  out.length_min = static_cast<std::size_t>(MH_TRY(table.integer("length_min", 0, 1, kLengthMax)));
  if (out.length_min == 0) return table.wrong("length", "given, or length_min");
  if (table.has("length_max")) {
    const auto low = static_cast<std::int64_t>(out.length_min);
    out.length_max = static_cast<std::size_t>(MH_TRY(table.integer("length_max", low, low, kLengthMax)));
  }
  return {};
}

Result<toml::table> parse_toml(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return base::fail(Errc::kInvalidArgument, "line " + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
  }
}

std::vector<Profile> read_builtin() {
  std::vector<Profile> out;
  for (const std::string_view text : {kProfileV1, kProfilePoc2016}) {
    auto profile = parse_profile(text);
    MH_ASSERT(profile.has_value());
    out.push_back(std::move(*profile));
  }
  return out;
}

const std::vector<Profile>& builtin() {
  static const std::vector<Profile> profiles = read_builtin();
  return profiles;
}

}  // namespace

const Field* Profile::field(Role role) const {
  const auto found = std::ranges::find(fields, role, &Field::role);
  return found == fields.end() ? nullptr : &*found;
}

Result<Profile> parse_profile(std::string_view text) {
  const toml::table parsed = MH_TRY(parse_toml(text));
  Table table(parsed, "profile");
  Profile out;
  out.name = MH_TRY(table.text("name", ""));
  if (!is_profile_name(out.name)) return table.wrong("name", "given: 1 to 40 letters, digits, '-', '_' and '.', the first a letter or digit");
  out.description = MH_TRY(table.text("description", ""));
  out.numbers = static_cast<NumberText>(MH_TRY(choice<2>(table, "numbers", {"exact", "float32"})));
  out.mode_null = MH_TRY(table.boolean("mode_null"));
  MH_TRY_VOID(read_length(table, out));
  MH_TRY_VOID(read_fields(table, out));
  MH_TRY_VOID(read_status_bits(table, out));
  MH_TRY_VOID(table.nothing_else());
  return out;
}

const Profile* builtin_profile(std::string_view name) {
  const auto found = std::ranges::find(builtin(), name, &Profile::name);
  return found == builtin().end() ? nullptr : &*found;
}

std::vector<std::string_view> builtin_profile_names() {
  std::vector<std::string_view> out;
  for (const Profile& profile : builtin()) out.push_back(profile.name);
  return out;
}

}  // namespace meterhub::meter
