#include "tight.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

namespace meterhub::engine {
namespace {

// First bytes beyond those of pack(). Written to disk: never renumber.
constexpr std::uint8_t kDigits = 128;       // and the number of decimals, 0 to 15: plain digits as a whole number
constexpr std::uint8_t kSteps = 144;        // and 0 to 9: a difference of decimals
constexpr std::uint8_t kSecondsText = 154;  // "2016-12-21T03:24:34Z", as seconds since 1970

constexpr std::uint8_t kEuiText = 155;      // 16 lower-case hexadecimal digits, as eight bytes

constexpr std::size_t kDigitsMax = 15;  // below 2^53
constexpr std::array<double, 16> kTens{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

struct Digits {
  std::uint64_t whole = 0;
  std::size_t decimals = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "979.171" as 979171 and 3; nothing when these would not give back the same text.
std::optional<Digits> digits_of(std::string_view text) {
  const auto point = text.find('.');
  const auto before = std::min(point, text.size());
  const bool leading = before > 1 && text.front() == '0';
  if (before == 0 || leading || text.ends_with('.') || text.size() > kDigitsMax) return std::nullopt;
  Digits out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == point) continue;
    if (!is_digit(text[i])) return std::nullopt;
    out.whole = out.whole * 10 + static_cast<std::uint64_t>(text[i] - '0');
  }
  out.decimals = point == std::string_view::npos ? 0 : text.size() - point - 1;
  return out;
}

double number_of(Digits digits) { return static_cast<double>(digits.whole) / kTens[digits.decimals]; }

std::string_view text_of(Digits digits, Arena& arena) {
  std::array<char, 24> buffer;
  auto* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), digits.whole).ptr;
  std::string_view plain(buffer.data(), end);
  if (digits.decimals == 0) return arena.keep(plain);
  std::string text;
  if (plain.size() <= digits.decimals) text.append(digits.decimals + 1 - plain.size(), '0');
  text += plain;
  text.insert(text.size() - digits.decimals, 1, '.');
  return arena.keep(text);
}

// A double as (d / 1000, rounded to units of 2^-unit, and `off` such units) with a sign: what one
// double less another gives, both read from three decimals, is a unit or two beside its decimals.
struct Step {
  std::uint64_t thousandths = 0;
  unsigned unit = 0;
  int off = 0;
  bool negative = false;
};
constexpr int kOffMax = 2;
constexpr unsigned kUnitMax = 255;
constexpr std::uint64_t kThousandthsEnd = 1U << 21;  // three bytes

double power_of_two(int exponent) { return std::bit_cast<double>(static_cast<std::uint64_t>(1023 + exponent) << 52); }

double units_of(std::uint64_t thousandths, unsigned unit) {
  return std::nearbyint(static_cast<double>(thousandths) / 1000 * power_of_two(static_cast<int>(unit)));
}

std::optional<Step> step_of(double number) {
  const double size = std::fabs(number);
  if (!(size >= 1e-4 && size < static_cast<double>(kThousandthsEnd) / 1000)) return std::nullopt;
  const auto bits = std::bit_cast<std::uint64_t>(size);
  const auto mantissa = (bits & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1} << 52;
  const int unit = 1075 - static_cast<int>(bits >> 52) - std::countr_zero(mantissa);
  if (unit < 0 || unit > static_cast<int>(kUnitMax)) return std::nullopt;
  Step out;
  out.negative = number < 0;
  out.unit = static_cast<unsigned>(unit);
  out.thousandths = static_cast<std::uint64_t>(std::nearbyint(size * 1000));
  const double off = size * power_of_two(unit) - units_of(out.thousandths, out.unit);
  if (out.thousandths == 0 || out.thousandths >= kThousandthsEnd || std::fabs(off) > kOffMax) return std::nullopt;
  out.off = static_cast<int>(off);
  return out;
}

double number_of(const Step& step) {
  const double size = (units_of(step.thousandths, step.unit) + step.off) * power_of_two(-static_cast<int>(step.unit));
  return step.negative ? -size : size;
}

constexpr std::size_t kSecondsTextSize = 20;

void put_two(char* at, unsigned number) {
  at[0] = static_cast<char>('0' + number / 10);
  at[1] = static_cast<char>('0' + number % 10);
}

std::array<char, kSecondsTextSize> seconds_text(std::uint64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  std::array<char, kSecondsTextSize> out{'0', '0', '0', '0', '-', '0', '0', '-', '0', '0', 'T', '0', '0', ':', '0', '0', ':', '0', '0', 'Z'};
  put_two(&out[0], year / 100);
  put_two(&out[2], year % 100);
  put_two(&out[5], static_cast<unsigned>(date.month()));
  put_two(&out[8], static_cast<unsigned>(date.day()));
  put_two(&out[11], static_cast<unsigned>(clock.hours().count()));
  put_two(&out[14], static_cast<unsigned>(clock.minutes().count()));
  put_two(&out[17], static_cast<unsigned>(clock.seconds().count()));
  return out;
}

constexpr std::size_t kEuiBytes = 8;
constexpr std::string_view kHexDigits = "0123456789abcdef";

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::array<char, kEuiBytes>> eui_of(std::string_view text) {
  if (text.size() != kEuiBytes * 2) return std::nullopt;
  std::array<char, kEuiBytes> out;
  for (std::size_t i = 0; i < kEuiBytes; ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string_view eui_text(std::string_view bytes, Arena& arena) {
  std::array<char, kEuiBytes * 2> out;
  for (std::size_t i = 0; i < kEuiBytes; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out[2 * i] = kHexDigits[byte >> 4];
    out[2 * i + 1] = kHexDigits[byte & 15];
  }
  return arena.keep({out.data(), out.size()});
}

constexpr std::uint64_t kSecondsEnd = 253'402'300'800;  // the year 10000

std::optional<std::uint64_t> seconds_of(std::string_view text) {
  if (text.size() != kSecondsTextSize || text[10] != 'T' || text.back() != 'Z') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t size) {
    unsigned out = 0;
    for (const char c : text.substr(at, size)) out = out * 10 + static_cast<unsigned>(c - '0');
    return out;
  };
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(number(0, 4) % 10'000)), std::chrono::month(number(5, 2) % 13),
                                         std::chrono::day(number(8, 2) % 32));
  if (!date.ok() || date.year() < std::chrono::year(1970)) return std::nullopt;
  const auto days = static_cast<std::uint64_t>(std::chrono::sys_days(date).time_since_epoch().count());
  const auto seconds = days * 86'400 + number(11, 2) * 3'600ULL + number(14, 2) * 60ULL + number(17, 2);
  if (seconds >= kSecondsEnd) return std::nullopt;
  const auto again = seconds_text(seconds);  // whatever else was wrong shows here
  return text == std::string_view(again.data(), again.size()) ? std::optional(seconds) : std::nullopt;
}

// So that 30 s take a byte.
constexpr std::array<Ticks, 3> kUnits{1, sql::kTicksPerSecond / 1000, sql::kTicksPerSecond};

constexpr Ticks k1970 = 719'162 * sql::kTicksPerDay;
constexpr std::uint64_t kOtherTime = 3;  // a unit that no step has

// What the upper six bits of a same step's byte say, in this order: the float 0, tight values, NULL,
// bigints from 0 on.
constexpr std::uint8_t kZeroTag = 16, kNullTag = 0, kSmallTags = 32;
constexpr int kTightCodes = 1;
constexpr int kNullCode = kTightCodes + kEuiText - kDigits + 1;
constexpr int kSmallCodes = kNullCode + 1;
constexpr int kCodesEnd = 64;
static_assert(kNullCode == 29);  // written to disk

bool pack_float(std::string& out, const Value& value) {
  if (value.text.empty()) {
    const auto step = step_of(value.number);
    if (!step || std::bit_cast<std::uint64_t>(number_of(*step)) != std::bit_cast<std::uint64_t>(value.number)) return false;
    out.push_back(static_cast<char>(kSteps + (step->negative ? kOffMax * 2 + 1 : 0) + step->off + kOffMax));
    out.push_back(static_cast<char>(step->unit));
    pack_number(out, step->thousandths);
    return true;
  }
  const auto digits = digits_of(value.text);
  if (!digits || std::bit_cast<std::uint64_t>(number_of(*digits)) != std::bit_cast<std::uint64_t>(value.number)) return false;
  out.push_back(static_cast<char>(kDigits + digits->decimals));
  pack_number(out, digits->whole);
  return true;
}

}  // namespace

void pack_step(std::string& out, Ticks step) {
  std::size_t unit = kUnits.size() - 1;
  while (step % kUnits[unit] != 0) --unit;
  pack_number(out, static_cast<std::uint64_t>(step / kUnits[unit]) << 2 | unit);
}

Ticks take_step(Unpacker& from) {
  const auto packed = from.number();
  return static_cast<Ticks>(packed >> 2) * kUnits[std::min<std::size_t>(packed & 3, kUnits.size() - 1)];
}

void pack_time(std::string& out, Ticks time) {
  if (time >= k1970) return pack_step(out, time - k1970);
  pack_number(out, kOtherTime);
  pack_signed(out, time);
}

Ticks take_time(Unpacker& from) {
  auto ahead = from;
  if (ahead.number() != kOtherTime) return k1970 + take_step(from);
  from.skip(1);
  return from.signed_number();
}

void pack_tight(std::string& out, const Value& value) {
  if (value.kind == Kind::kFloat && pack_float(out, value)) return;
  if (value.kind == Kind::kText) {
    if (const auto eui = eui_of(value.text)) {
      out.push_back(static_cast<char>(kEuiText));
      out.append(eui->data(), eui->size());
      return;
    }
    if (const auto seconds = seconds_of(value.text)) {
      out.push_back(static_cast<char>(kSecondsText));
      return pack_number(out, *seconds);
    }
  }
  pack(out, value);
}

std::optional<std::uint8_t> same_step_byte(std::uint8_t tag) {
  std::uint8_t code = 0;
  if (tag >= kDigits && tag <= kEuiText) code = static_cast<std::uint8_t>(tag - kDigits + kTightCodes);
  else if (tag == kNullTag) code = kNullCode;
  else if (tag >= kSmallTags && tag - kSmallTags < kCodesEnd - kSmallCodes) code = static_cast<std::uint8_t>(tag - kSmallTags + kSmallCodes);
  else if (tag != kZeroTag) return std::nullopt;
  return static_cast<std::uint8_t>(code << 2 | kOtherTime);
}

std::optional<std::uint8_t> tag_of_same_step(std::uint8_t byte) {
  if ((byte & 3) != kOtherTime) return std::nullopt;
  const int code = byte >> 2;
  if (code >= kSmallCodes) return static_cast<std::uint8_t>(code - kSmallCodes + kSmallTags);
  if (code == kNullCode) return kNullTag;
  return code >= kTightCodes ? static_cast<std::uint8_t>(code - kTightCodes + kDigits) : kZeroTag;
}

Value take_tight(Unpacker& from, Arena& arena) {
  if (from.rest().empty()) return from.value();
  const auto tag = static_cast<std::uint8_t>(from.rest().front());
  from.skip(1);
  return take_tight_behind(tag, from, arena);
}

Value take_tight_behind(std::uint8_t tag, Unpacker& from, Arena& arena) {
  if (tag < kDigits) return from.value_behind(tag);
  if (tag < kSteps) {
    const Digits digits{from.number(), static_cast<std::size_t>(tag - kDigits)};
    return Value::real(number_of(digits), text_of(digits, arena));
  }
  if (tag < kSecondsText) {
    const int code = tag - kSteps;
    const bool negative = code > kOffMax * 2;
    Step step;
    step.negative = negative;
    step.off = (negative ? code - kOffMax * 2 - 1 : code) - kOffMax;
    step.unit = from.rest().empty() ? 0 : static_cast<unsigned char>(from.rest().front());
    from.skip(1);
    step.thousandths = from.number();
    return Value::real(number_of(step));
  }
  if (tag == kEuiText) {
    const auto bytes = from.rest().substr(0, kEuiBytes);
    from.skip(kEuiBytes);
    return from.ok() ? Value::characters(eui_text(bytes, arena)) : Value::null();
  }
  const auto seconds = from.number();
  if (tag != kSecondsText || seconds >= kSecondsEnd) {
    from.refuse();
    return Value::null();
  }
  const auto text = seconds_text(seconds);
  return Value::characters(arena.keep({text.data(), text.size()}));
}

}  // namespace meterhub::engine
