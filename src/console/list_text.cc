#include "list_text.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include <meterhub/base/csv.h>
#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>
#include <meterhub/meter/reading.h>

namespace meterhub::console {
namespace {

constexpr std::uint8_t kLitresOfCubicMetre = 3;  // decimals
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// = + - @ of Chinese and Japanese keyboards: some spreadsheets read them as the others.
constexpr std::array<std::string_view, 4> kFullWidth{"\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0"};

void append_integer(std::string& out, ValueType type, std::int64_t value) {
  if (type == ValueType::kVolume) return meter::append_decimal(out, value, kLitresOfCubicMetre);
  out += std::to_string(value);
}

void append_json_value(std::string& out, ValueType type, const Value& value) {
  struct Write {
    std::string& out;
    ValueType type;
    void operator()(std::monostate) const { out += "null"; }
    void operator()(std::int64_t number) const { append_integer(out, type, number); }
    void operator()(double number) const { base::append_json_number(out, number); }
    void operator()(const std::string& text) const { base::append_json_string(out, text); }
    void operator()(base::Timestamp time) const { out += '"' + base::rfc3339(time) + '"'; }
    void operator()(bool flag) const { out += flag ? "true" : "false"; }
  };
  std::visit(Write{out, type}, value);
}

std::string csv_text(ValueType type, const Value& value) {
  struct Write {
    ValueType type;
    std::string operator()(std::monostate) const { return {}; }
    std::string operator()(std::int64_t number) const {
      std::string out;
      append_integer(out, type, number);
      return out;
    }
    std::string operator()(double number) const { return fmt::format("{}", number); }
    std::string operator()(const std::string& text) const { return is_formula(text) ? "'" + text : text; }
    std::string operator()(base::Timestamp time) const { return base::rfc3339(time); }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  };
  return std::visit(Write{type}, value);
}

bool is_number(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  // "-inf", "-nan" and "+-1" are none.
  if (text.empty() || text.find_first_not_of(".0123456789eE+-") != text.npos || text.front() == '+' ||
      text.front() == '-')
    return false;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

void append_fields(std::string& out, const std::vector<std::string>& fields) {
  for (const auto& field : fields) base::append_csv(out, field);
  out.pop_back();
  out += "\r\n";
}

}  // namespace

void append_json_row(std::string& out, const ListForm& form, const ListRow& row) {
  out += '{';
  for (std::size_t c = 0; c < form.columns.size(); ++c) {
    if (c > 0) out += ',';
    base::append_json_string(out, form.columns[c].name);
    out += ':';
    append_json_value(out, form.columns[c].type, row[c]);
  }
  out += '}';
}

const std::string& header_of(const ListColumn& column, Language language) {
  return language == Language::kChinese ? column.chinese : column.english;
}

std::string csv_head(const ListForm& form, Language language) {
  std::string out(kByteOrderMark);
  std::vector<std::string> fields;
  for (const auto& column : form.columns) fields.push_back(header_of(column, language));
  append_fields(out, fields);
  return out;
}

void append_csv_row(std::string& out, const ListForm& form, const ListRow& row) {
  std::vector<std::string> fields;
  fields.reserve(row.size());
  for (std::size_t c = 0; c < form.columns.size(); ++c) fields.push_back(csv_text(form.columns[c].type, row[c]));
  append_fields(out, fields);
}

bool is_formula(std::string_view text) {
  if (text.empty()) return false;
  if (std::string_view("=+-@\t\r\n").contains(text.front())) return !is_number(text);
  for (const auto wide : kFullWidth) {
    if (text.starts_with(wide)) return true;
  }
  return false;
}

}  // namespace meterhub::console
