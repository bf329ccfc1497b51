#include <meterhub/sql/types.h>

#include <array>
#include <utility>

#include <fmt/format.h>

#include "names.h"

namespace meterhub::sql {
namespace {

constexpr std::pair<std::string_view, TimeUnit> kUnitWords[] = {
    {"microsecond", TimeUnit::kMicrosecond}, {"microseconds", TimeUnit::kMicrosecond}, {"mcs", TimeUnit::kMicrosecond},
    {"millisecond", TimeUnit::kMillisecond}, {"milliseconds", TimeUnit::kMillisecond}, {"ms", TimeUnit::kMillisecond},
    {"second", TimeUnit::kSecond}, {"seconds", TimeUnit::kSecond}, {"ss", TimeUnit::kSecond}, {"s", TimeUnit::kSecond},
    {"minute", TimeUnit::kMinute}, {"minutes", TimeUnit::kMinute}, {"mi", TimeUnit::kMinute}, {"n", TimeUnit::kMinute},
    {"hour", TimeUnit::kHour}, {"hours", TimeUnit::kHour}, {"hh", TimeUnit::kHour},
    {"day", TimeUnit::kDay}, {"days", TimeUnit::kDay}, {"dd", TimeUnit::kDay}, {"d", TimeUnit::kDay},
    {"week", TimeUnit::kWeek}, {"weeks", TimeUnit::kWeek}, {"wk", TimeUnit::kWeek}, {"ww", TimeUnit::kWeek},
    {"month", TimeUnit::kMonth}, {"months", TimeUnit::kMonth}, {"mm", TimeUnit::kMonth}, {"m", TimeUnit::kMonth},
    {"quarter", TimeUnit::kQuarter}, {"quarters", TimeUnit::kQuarter}, {"qq", TimeUnit::kQuarter}, {"q", TimeUnit::kQuarter},
    {"year", TimeUnit::kYear}, {"years", TimeUnit::kYear}, {"yy", TimeUnit::kYear}, {"yyyy", TimeUnit::kYear},
    {"dayofyear", TimeUnit::kDayOfYear}, {"dy", TimeUnit::kDayOfYear}, {"y", TimeUnit::kDayOfYear},
    {"weekday", TimeUnit::kWeekday}, {"weekdays", TimeUnit::kWeekday}, {"dw", TimeUnit::kWeekday}, {"w", TimeUnit::kWeekday},
};

constexpr std::array<std::string_view, 12> kUnitNames = {"microsecond", "millisecond", "second", "minute",
                                                         "hour",        "day",         "week",   "month",
                                                         "quarter",     "year",        "dayofyear", "weekday"};

}  // namespace

std::string_view type_name(Type type) {
  constexpr std::array<std::string_view, 8> kNames = {"any",      "bigint", "float",  "nvarchar(max)",
                                                      "datetime", "bit",    "record", "array"};
  return kNames[std::to_underlying(type)];
}

std::string_view unit_name(TimeUnit unit) { return kUnitNames[std::to_underlying(unit)]; }

std::optional<TimeUnit> unit_of(std::string_view word) {
  for (const auto& [name, unit] : kUnitWords) {
    if (same_name(name, word)) return unit;
  }
  return std::nullopt;
}

std::optional<Ticks> unit_ticks(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kMicrosecond: return 10;
    case TimeUnit::kMillisecond: return kTicksPerMillisecond;
    case TimeUnit::kSecond: return kTicksPerSecond;
    case TimeUnit::kMinute: return 60 * kTicksPerSecond;
    case TimeUnit::kHour: return 3600 * kTicksPerSecond;
    case TimeUnit::kDay: return kTicksPerDay;
    default: return std::nullopt;
  }
}

std::string duration_text(Ticks ticks) {
  if (ticks == 0) return "0 s";
  std::string text = ticks < 0 ? "-" : "";
  // Unsigned, since the smallest value has no positive counterpart.
  std::uint64_t rest = ticks < 0 ? 0 - static_cast<std::uint64_t>(ticks) : static_cast<std::uint64_t>(ticks);
  constexpr std::pair<std::uint64_t, std::string_view> kParts[] = {
      {864'000'000'000, "d"}, {36'000'000'000, "h"}, {600'000'000, "min"}, {10'000'000, "s"},
      {10'000, "ms"},         {10, "us"},            {1, "x 100 ns"}};
  for (const auto& [size, name] : kParts) {
    if (rest < size) continue;
    if (text.size() > 1) text += ' ';
    text += fmt::format("{} {}", rest / size, name);
    rest %= size;
  }
  return text;
}

std::string_view operator_text(Operator op) {
  constexpr std::array<std::string_view, 18> kTexts = {"", "+", "-", "*",  "/", "%",  "&", "|",  "^",
                                                       "-", "+", "~", "=", "<>", "<", "<=", ">", ">="};
  return kTexts[std::to_underlying(op)];
}

}  // namespace meterhub::sql
