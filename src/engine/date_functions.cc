#include <array>
#include <chrono>
#include <cmath>
#include <optional>

#include <meterhub/base/assert.h>

#include "functions.h"

namespace meterhub::engine {
namespace {

using Args = std::span<const Value>;
using sql::TimeUnit;

constexpr std::int64_t kDaysTo1970 = 719'162;  // from 0001-01-01
constexpr Ticks kTicksMax = 3'652'059 * sql::kTicksPerDay - 1;  // end of year 9999

// floor(a / b), also before year 1.
constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::chrono::sys_days day_of(Ticks ticks) {
  return std::chrono::sys_days(std::chrono::days(floor_div(ticks, sql::kTicksPerDay) - kDaysTo1970));
}
std::chrono::year_month_day date_of(Ticks ticks) { return {day_of(ticks)}; }

std::int64_t year_of(Ticks ticks) { return int(date_of(ticks).year()); }
std::int64_t month_of(Ticks ticks) { return unsigned(date_of(ticks).month()); }
std::int64_t months_since_0(Ticks ticks) { return year_of(ticks) * 12 + month_of(ticks) - 1; }

std::int64_t day_of_year(Ticks ticks) {
  const auto first = std::chrono::sys_days(date_of(ticks).year() / std::chrono::January / 1);
  return (day_of(ticks) - first).count() + 1;
}

// Weeks begin on Sunday (D14); 0001-01-01 was a Monday.
std::int64_t week_number(Ticks ticks) { return floor_div(floor_div(ticks, sql::kTicksPerDay) + 1, 7); }

std::int64_t week_of_year(Ticks ticks) {
  const auto first = std::chrono::sys_days(date_of(ticks).year() / std::chrono::January / 1);
  const auto first_ticks = (first.time_since_epoch().count() + kDaysTo1970) * sql::kTicksPerDay;
  return week_number(ticks) - week_number(first_ticks) + 1;
}

std::int64_t weekday_of(Ticks ticks) { return std::chrono::weekday(day_of(ticks)).c_encoding() + 1; }

// Boundaries of `unit` up to an instant: their difference is DATEDIFF (8.4).
std::int64_t boundaries(TimeUnit unit, Ticks ticks) {
  if (const auto length = sql::unit_ticks(unit)) return floor_div(ticks, *length);
  switch (unit) {
    case TimeUnit::kWeek: return week_number(ticks);
    case TimeUnit::kMonth: return months_since_0(ticks);
    case TimeUnit::kQuarter: return floor_div(months_since_0(ticks), 3);
    case TimeUnit::kYear: return year_of(ticks);
    default: return floor_div(ticks, sql::kTicksPerDay);  // dayofyear, weekday: days
  }
}

std::int64_t part_of(TimeUnit unit, Ticks ticks) {
  const Ticks in_day = ticks - floor_div(ticks, sql::kTicksPerDay) * sql::kTicksPerDay;
  switch (unit) {
    case TimeUnit::kMicrosecond: return in_day % sql::kTicksPerSecond / 10;
    case TimeUnit::kMillisecond: return in_day % sql::kTicksPerSecond / sql::kTicksPerMillisecond;
    case TimeUnit::kSecond: return in_day / sql::kTicksPerSecond % 60;
    case TimeUnit::kMinute: return in_day / sql::kTicksPerSecond / 60 % 60;
    case TimeUnit::kHour: return in_day / sql::kTicksPerSecond / 3600;
    case TimeUnit::kDay: return unsigned(date_of(ticks).day());
    case TimeUnit::kWeek: return week_of_year(ticks);
    case TimeUnit::kMonth: return month_of(ticks);
    case TimeUnit::kQuarter: return (month_of(ticks) - 1) / 3 + 1;
    case TimeUnit::kYear: return year_of(ticks);
    case TimeUnit::kDayOfYear: return day_of_year(ticks);
    case TimeUnit::kWeekday: return weekday_of(ticks);
  }
  return 0;
}

Value in_range(Evaluator& in, std::optional<Ticks> ticks) {
  if (!ticks || *ticks < 0 || *ticks > kTicksMax) return in.fail("a datetime outside the years 1 to 9999");
  return Value::datetime(*ticks);
}

// The same day, or the month's last (8.4).
std::optional<Ticks> add_months(Ticks ticks, std::int64_t months) {
  const auto total = months_since_0(ticks) + months;
  if (total < 12 || total >= 10'000 * 12) return std::nullopt;
  const auto month = std::chrono::year(static_cast<int>(total / 12)) / std::chrono::month(static_cast<unsigned>(total % 12 + 1));
  const auto last = std::chrono::year_month_day_last(month.year(), std::chrono::month_day_last(month.month())).day();
  const auto day = std::min(date_of(ticks).day(), last);
  const auto days = std::chrono::sys_days(month / day).time_since_epoch().count() + kDaysTo1970;
  return days * sql::kTicksPerDay + ticks % sql::kTicksPerDay;
}

std::optional<Ticks> add_units(TimeUnit unit, std::int64_t count, Ticks ticks) {
  switch (unit) {
    case TimeUnit::kMonth: return add_months(ticks, count);
    case TimeUnit::kQuarter: return std::abs(count) > 40'000 ? std::nullopt : add_months(ticks, count * 3);
    case TimeUnit::kYear: return std::abs(count) > 10'000 ? std::nullopt : add_months(ticks, count * 12);
    default: break;
  }
  const Ticks length = unit == TimeUnit::kWeek ? 7 * sql::kTicksPerDay : sql::unit_ticks(unit).value_or(sql::kTicksPerDay);
  Ticks span = 0;
  Ticks sum = 0;
  if (__builtin_mul_overflow(count, length, &span) || __builtin_add_overflow(ticks, span, &sum)) return std::nullopt;
  return sum;
}

Value date_add(Evaluator& in, const sql::Expr& call, Args args) {
  const auto count = in.to_number(args[0]);
  const auto start = in.to_datetime(args[1]);
  if (count.is_null() || start.is_null()) return Value::null();
  const auto whole = in.to_bigint(count);
  if (whole.is_null()) return whole;
  if (whole.integer > INT64_MAX / 4 || whole.integer < -(INT64_MAX / 4)) return in.fail("DATEADD with a number out of range");
  return in_range(in, add_units(*call.unit, whole.integer, start.integer));
}

Value date_diff(Evaluator& in, const sql::Expr& call, Args args) {
  const auto from = in.to_datetime(args[0]);
  const auto to = in.to_datetime(args[1]);
  if (from.is_null() || to.is_null()) return Value::null();
  return Value::bigint(boundaries(*call.unit, to.integer) - boundaries(*call.unit, from.integer));
}

Value date_part(Evaluator& in, const sql::Expr& call, Args args) {
  const auto at = in.to_datetime(args[0]);
  return at.is_null() ? at : Value::bigint(part_of(*call.unit, at.integer));
}

Value date_name(Evaluator& in, const sql::Expr& call, Args args) {
  constexpr std::array<std::string_view, 12> kMonths{"January", "February", "March",     "April",   "May",      "June",
                                                     "July",    "August",   "September", "October", "November", "December"};
  constexpr std::array<std::string_view, 7> kDays{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
  const auto at = in.to_datetime(args[0]);
  if (at.is_null()) return at;
  const auto part = part_of(*call.unit, at.integer);
  if (*call.unit == TimeUnit::kMonth) return Value::characters(kMonths[static_cast<std::size_t>(part - 1)]);
  if (*call.unit == TimeUnit::kWeekday) return Value::characters(kDays[static_cast<std::size_t>(part - 1)]);
  return Value::characters(in.arena().keep(std::to_string(part)));
}

template <TimeUnit Unit>
Value part_function(Evaluator& in, const sql::Expr&, Args args) {
  const auto at = in.to_datetime(args[0]);
  return at.is_null() ? at : Value::bigint(part_of(Unit, at.integer));
}

Value from_parts(Evaluator& in, const sql::Expr&, Args args) {
  std::array<std::int64_t, 7> part{};
  for (std::size_t i = 0; i < part.size() && i < args.size(); ++i) {
    const auto value = in.to_bigint(args[i]);
    if (value.is_null()) return value;
    part[i] = value.integer;
  }
  const bool clock_fits = part[3] >= 0 && part[3] < 24 && part[4] >= 0 && part[4] < 60 && part[5] >= 0 && part[5] < 60 &&
                          part[6] >= 0 && part[6] < 1000;
  const bool date_fits = part[0] >= 1 && part[0] <= 9999 && part[1] >= 1 && part[1] <= 12 && part[2] >= 1 && part[2] <= 31;
  if (!clock_fits || !date_fits) return in.fail("DATETIMEFROMPARTS with a part out of range");
  const auto date = std::chrono::year(static_cast<int>(part[0])) / static_cast<int>(part[1]) / static_cast<int>(part[2]);
  if (!date.ok()) return in.fail("DATETIMEFROMPARTS with a day that the month does not have");
  const auto days = std::chrono::sys_days(date).time_since_epoch().count() + kDaysTo1970;
  const auto seconds = (part[3] * 60 + part[4]) * 60 + part[5];
  return Value::datetime(days * sql::kTicksPerDay + seconds * sql::kTicksPerSecond + part[6] * sql::kTicksPerMillisecond);
}

constexpr std::array kKernels{
    Kernel{sql::FunctionId::kDateAdd, date_add},
    Kernel{sql::FunctionId::kDateDiff, date_diff},
    Kernel{sql::FunctionId::kDatePart, date_part},
    Kernel{sql::FunctionId::kDateName, date_name},
    Kernel{sql::FunctionId::kYear, part_function<TimeUnit::kYear>},
    Kernel{sql::FunctionId::kMonth, part_function<TimeUnit::kMonth>},
    Kernel{sql::FunctionId::kDay, part_function<TimeUnit::kDay>},
    Kernel{sql::FunctionId::kDateTimeFromParts, from_parts},
};

}  // namespace

std::span<const Kernel> date_kernels() { return kKernels; }

}  // namespace meterhub::engine
