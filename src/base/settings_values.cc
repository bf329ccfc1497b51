// Texts of setting values: durations, sizes, lists.
#include <meterhub/base/settings.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <meterhub/base/assert.h>

namespace meterhub::base {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 5> kDurations{{{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
// A hundred years, so that a time plus or minus a duration can be counted in microseconds.
constexpr std::uint64_t kDurationMax = 36'500 * kDurations.front().factor;
constexpr std::array<Unit, 9> kSizes{{{"TB", 1'000'000'000'000}, {"TiB", 1ull << 40}, {"GB", 1'000'000'000},
                                      {"GiB", 1ull << 30}, {"MB", 1'000'000}, {"MiB", 1ull << 20}, {"KB", 1'000},
                                      {"KiB", 1ull << 10}, {"B", 1}}};

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A whole number directly followed by one of the units; nothing when it is not, or too large.
template <std::size_t N>
std::optional<std::uint64_t> with_unit(std::string_view text, const std::array<Unit, N>& units) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = number_of<std::uint64_t>(text.substr(0, digits));
  const auto unit = std::ranges::find(units, text.substr(digits), &Unit::name);
  if (!number || unit == units.end() || *number > (std::uint64_t{1} << 62) / unit->factor) return std::nullopt;
  return *number * unit->factor;
}

template <std::size_t N>
std::string shortest(std::uint64_t value, const std::array<Unit, N>& units) {
  if (value == 0) return fmt::format("0{}", units.back().name);
  const auto fits = [&](const Unit& unit) { return value % unit.factor == 0; };
  const auto unit = std::ranges::find_if(units, fits);
  return fmt::format("{}{}", value / unit->factor, unit->name);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
  }
  return items;
}

Result<SettingValue> parse_bool(std::string_view text) {
  if (text == "true") return SettingValue(true);
  if (text == "false") return SettingValue(false);
  return fail(Errc::kInvalidArgument, "expected true or false");
}

Result<SettingValue> parse_int(std::string_view text) {
  const auto value = number_of<std::int64_t>(text);
  if (!value) return fail(Errc::kInvalidArgument, "expected a whole number");
  return SettingValue(*value);
}

Result<SettingValue> parse_decimal(std::string_view text) {
  const auto value = number_of<double>(text);
  if (!value || !std::isfinite(*value)) return fail(Errc::kInvalidArgument, "expected a number such as 98.5");
  return SettingValue(*value);
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto value = with_unit(text, kDurations);
  if (!value) return fail(Errc::kInvalidArgument, "expected a duration such as 500ms, 30s, 5m, 24h or 7d");
  if (*value > kDurationMax) return fail(Errc::kInvalidArgument, fmt::format("a duration is at most {}", duration_text(std::chrono::milliseconds(kDurationMax))));
  return std::chrono::milliseconds(*value);
}

Result<std::uint64_t> parse_byte_size(std::string_view text) {
  const auto value = with_unit(text, kSizes);
  if (!value) return fail(Errc::kInvalidArgument, "expected a size such as 512B, 64KiB or 30GB");
  return *value;
}

std::string duration_text(std::chrono::milliseconds value) {
  return shortest(static_cast<std::uint64_t>(value.count()), kDurations);
}
std::string byte_size_text(std::uint64_t value) { return shortest(value, kSizes); }

Result<SettingValue> parse_setting(SettingKind kind, std::string_view text) {
  switch (kind) {
    case SettingKind::kBool: return parse_bool(text);
    case SettingKind::kInt: return parse_int(text);
    case SettingKind::kText: return SettingValue(std::string(text));
    case SettingKind::kDuration: return SettingValue(MH_TRY(parse_duration(text)));
    case SettingKind::kBytes: return SettingValue(MH_TRY(parse_byte_size(text)));
    case SettingKind::kList: return SettingValue(split_list(text));
    case SettingKind::kDecimal: return parse_decimal(text);
  }
  return fail(Errc::kInternal, "no such kind of setting");
}

std::function<std::string(const SettingValue&)> int_between(std::int64_t low, std::int64_t high) {
  return [=](const SettingValue& value) {
    const auto number = std::get<std::int64_t>(value);
    return number >= low && number <= high ? std::string() : fmt::format("must be {} to {}", low, high);
  };
}

std::function<std::string(const SettingValue&)> decimal_between(double low, double high) {
  return [=](const SettingValue& value) {
    const auto number = std::get<double>(value);
    return number >= low && number <= high ? std::string() : fmt::format("must be {} to {}", low, high);
  };
}

std::function<std::string(const SettingValue&)> duration_between(std::string_view low, std::string_view high) {
  const auto least = parse_duration(low), most = parse_duration(high);
  MH_ASSERT(least && most);
  return [least = *least, most = *most](const SettingValue& value) {
    const auto duration = std::get<std::chrono::milliseconds>(value);
    const bool fits = duration >= least && duration <= most;
    return fits ? std::string() : fmt::format("must be {} to {}", duration_text(least), duration_text(most));
  };
}

std::function<std::string(const SettingValue&)> size_between(std::string_view low, std::string_view high) {
  const auto least = parse_byte_size(low), most = parse_byte_size(high);
  MH_ASSERT(least && most);
  return [least = *least, most = *most](const SettingValue& value) {
    const auto size = std::get<std::uint64_t>(value);
    const bool fits = size >= least && size <= most;
    return fits ? std::string() : fmt::format("must be {} to {}", byte_size_text(least), byte_size_text(most));
  };
}

std::function<std::string(const SettingValue&)> one_of(std::vector<std::string> texts) {
  return [texts = std::move(texts)](const SettingValue& value) {
    const bool known = std::ranges::find(texts, std::get<std::string>(value)) != texts.end();
    return known ? std::string() : fmt::format("must be one of {}", fmt::join(texts, ", "));
  };
}

}  // namespace meterhub::base
