#include <meterhub/engine/value.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

#include <meterhub/base/json_text.h>

namespace meterhub::engine {
namespace {

// Days from 0001-01-01 to 1970-01-01.
constexpr std::int64_t kDaysTo1970 = 719'162;
constexpr std::int64_t kTicksPerMicrosecond = 10;

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Reads exactly `count` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Ticks> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || *year < 1 || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count() + kDaysTo1970;
  return days * sql::kTicksPerDay;
}

std::optional<Ticks> take_fraction(std::string_view& text) {
  Ticks ticks = 0;
  int digits = 0;
  while (!text.empty() && is_digit(text.front()) && digits < 7) {
    ticks = ticks * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 7; ++digits) ticks *= 10;
  return ticks;
}

std::optional<Ticks> take_clock(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  Ticks ticks = Ticks{*hour * 60 + *minute} * 60 * sql::kTicksPerSecond;
  if (!take(text, ':')) return ticks;
  const auto second = take_digits(text, 2);
  if (!second || *second > 59) return std::nullopt;
  ticks += *second * sql::kTicksPerSecond;
  if (!take(text, '.')) return ticks;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  return ticks + *fraction;
}

// What to subtract to come to UTC.
std::optional<Ticks> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return 0;
  const bool east = text.front() == '+';
  if (!east && text.front() != '-') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 14) return std::nullopt;
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const Ticks offset = Ticks{*hours * 60 + *minutes} * 60 * sql::kTicksPerSecond;
  return east ? offset : -offset;
}

void append_padded(std::string& out, std::int64_t value, std::size_t width) {
  const auto digits = std::to_string(value);
  out.append(width > digits.size() ? width - digits.size() : 0, '0');
  out += digits;
}

}  // namespace

Value Value::of(Kind kind, std::int64_t v) {
  Value value;
  value.kind = kind;
  value.integer = v;
  return value;
}

Value Value::view(Kind kind, std::string_view text) {
  Value value;
  value.kind = kind;
  value.text = text;
  return value;
}

Value Value::real(double v, std::string_view digits) {
  Value value;
  value.kind = Kind::kFloat;
  value.number = v;
  value.text = digits;
  return value;
}

std::string_view kind_name(Kind kind) {
  constexpr std::array<std::string_view, 8> kNames{"null",     "bigint", "float",  "nvarchar(max)",
                                                   "datetime", "bit",    "record", "array"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view Arena::keep(std::string_view text) {
  if (text.size() > kBlock / 4) return full_.emplace_back(text);
  // A block is always on the heap: a short string's own buffer would move with it.
  if (block_.capacity() < kBlock || block_.capacity() - block_.size() < text.size()) {
    if (!block_.empty()) full_.push_back(std::move(block_));
    block_.clear();
    block_.reserve(kBlock);
  }
  const auto at = block_.size();
  block_ += text;
  return std::string_view(block_).substr(at);
}

void Arena::clear() {
  full_.clear();
  block_.clear();
}

std::string float_text(double number) {
  // Plain digits where people write them so; the shortest digits in either form.
  const double size = std::fabs(number);
  const bool plain = size == 0 || (size >= 1e-5 && size < 1e15);
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(buffer.data(), end);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string datetime_text(Ticks ticks) {
  const std::chrono::sys_days day{std::chrono::days(ticks / sql::kTicksPerDay - kDaysTo1970)};
  const std::chrono::year_month_day date(day);
  const Ticks rest = ticks % sql::kTicksPerDay;
  const std::int64_t seconds = rest / sql::kTicksPerSecond;
  std::string out;
  append_padded(out, int(date.year()), 4);
  out += '-';
  append_padded(out, unsigned(date.month()), 2);
  out += '-';
  append_padded(out, unsigned(date.day()), 2);
  out += 'T';
  append_padded(out, seconds / 3600, 2);
  out += ':';
  append_padded(out, seconds / 60 % 60, 2);
  out += ':';
  append_padded(out, seconds % 60, 2);
  out += '.';
  append_padded(out, rest % sql::kTicksPerSecond, 7);
  out += 'Z';
  return out;
}

std::optional<std::int64_t> parse_bigint(std::string_view text) {
  text = trim(text);
  if (text.size() > 1 && text.front() == '+' && is_digit(text[1])) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<double> parse_float(std::string_view text) {
  text = trim(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  if (text.empty() || !(is_digit(text.front()) || text.front() == '-' || text.front() == '.')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<Ticks> parse_datetime(std::string_view text) {
  text = trim(text);
  const auto date = take_date(text);
  if (!date) return std::nullopt;
  if (text.empty()) return date;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  const auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  const Ticks ticks = *date + *clock - *zone;
  if (ticks < 0) return std::nullopt;
  return ticks;
}

Ticks to_ticks(base::Timestamp time) {
  return time.time_since_epoch().count() * kTicksPerMicrosecond + kDaysTo1970 * sql::kTicksPerDay;
}

base::Timestamp to_timestamp(Ticks ticks) {
  return base::Timestamp(base::Duration((ticks - kDaysTo1970 * sql::kTicksPerDay) / kTicksPerMicrosecond));
}

namespace {

bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  if (c == '"' || c == '\\') {
    out += '\\';
    out += c;
  } else if (c == '\n') {
    out += "\\n";
  } else {
    out += "\\u00";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xF];
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (;;) {
    const auto end = std::ranges::find_if_not(text, is_plain);
    out.append(text.begin(), end);
    if (end == text.end()) break;
    append_escaped(out, *end);
    text = std::string_view(end + 1, text.end());
  }
  out += '"';
}

void append_json(std::string& out, const Value& value) {
  switch (value.kind) {
    case Kind::kNull: out += "null"; return;
    case Kind::kBigint: base::append_json_number(out, value.integer); return;
    case Kind::kFloat:
      if (value.text.empty()) out += float_text(value.number);
      else out += value.text;
      return;
    case Kind::kText: append_json_string(out, value.text); return;
    case Kind::kDatetime: append_json_string(out, datetime_text(value.integer)); return;
    case Kind::kBit: out += value.integer != 0 ? "true" : "false"; return;
    case Kind::kRecord:
    case Kind::kArray: out += value.text; return;
  }
}

}  // namespace meterhub::engine
