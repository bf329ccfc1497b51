#include "household.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "draw.h"

namespace meterhub::sim {
namespace {

// Percent of a day's volume in each hour; three peaks.
constexpr std::array<double, 24> kHourShare{0.6, 0.4, 0.3, 0.3, 0.5, 1.5, 4.5, 6.5, 5.0,  3.5, 4.5, 8.5,
                                            7.0, 3.5, 2.5, 2.5, 4.0, 8.5, 11.5, 9.5, 6.5, 4.5, 2.6, 1.3};
// Per month, January first: cooking and hot water.
constexpr std::array<double, 12> kSeason{1.25, 1.25, 1.1, 1.0, 0.9, 0.8, 0.8, 0.8, 0.9, 1.0, 1.1, 1.25};

struct Appliance {
  double weight;          // share of all uses
  double litres_per_hour;
  double minutes_low, minutes_high;
};
constexpr std::array<Appliance, 4> kAppliances{{
    {0.35, 375, 10, 40},   // one burner
    {0.15, 750, 10, 30},   // two burners
    {0.25, 2'200, 5, 15},  // a shower
    {0.25, 2'200, 0.5, 1}, // washing hands
}};

constexpr double litres_of_a_use() {
  double sum = 0;
  for (const auto& a : kAppliances) sum += a.weight * a.litres_per_hour * (a.minutes_low + a.minutes_high) / 120;
  return sum;
}

double demand(base::Timestamp local) {
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const auto hour = std::chrono::duration_cast<std::chrono::hours>(local - day).count();
  const auto month = static_cast<unsigned>(std::chrono::year_month_day(day).month());
  return kHourShare[static_cast<std::size_t>(hour)] / 100 * kSeason[month - 1];
}

const Appliance& pick(double luck) {
  for (const auto& appliance : kAppliances) {
    if (luck < appliance.weight) return appliance;
    luck -= appliance.weight;
  }
  return kAppliances.back();
}

// 20, 50, 100 or 200 m3, weighted 2 : 4 : 3 : 1.
std::uint32_t purchase(double luck) {
  if (luck < 0.2) return 20'000;
  if (luck < 0.6) return 50'000;
  return luck < 0.9 ? 100'000 : 200'000;
}

}  // namespace

Household::Household(std::uint64_t seed, std::uint32_t meter) : seed_(seed), meter_(meter) {
  Draw draw(seed, Purpose::kHousehold, meter);
  litres_per_day_ = static_cast<float>(std::exp(std::log(374.0) + 0.346 * draw.normal()) * 1'000 / 365);
  const double careless = draw.unit();  // 8 % let it run to 0, 2 % into overdraft
  top_up_below_ = careless < 0.10 ? 0 : static_cast<std::int32_t>(draw.between(5'000, 20'000));
  valve_closes_at_ = careless < 0.02 ? -static_cast<std::int32_t>(draw.between(1'000, 5'000)) : 0;
  battery_low_ = draw.chance(0.03);
}

Figures Household::initial() const {
  Draw draw(seed_, Purpose::kHousehold, meter_, 1);
  Figures figures;
  figures.used = static_cast<std::uint32_t>(litres_per_day_ * draw.between(30, 1'500));
  const double kind = draw.unit();
  double left = draw.between(6'000, 205'000);
  if (kind < 0.005) left = draw.between(5'000, 5'050);  // about to fall below 5 m3
  if (kind >= 0.005 && kind < 0.015) left = draw.between(0, 5'000);
  figures.bought = figures.used + static_cast<std::uint32_t>(left);
  return figures;
}

void Household::live(Figures& figures, base::Timestamp local, std::chrono::milliseconds span, std::uint64_t turn) {
  Draw draw(seed_, Purpose::kUse, meter_, turn);
  const double hours = static_cast<double>(span.count()) / 3'600'000;
  const double luck = draw.unit();
  const double which = draw.unit();
  const double length = draw.unit();
  top_up(figures, hours, draw.unit(), draw.unit());
  const bool open = figures.left() > valve_closes_at_;
  if (hours_left_ <= 0 && open && luck < demand(local) * litres_per_day_ * hours / litres_of_a_use()) {
    const auto& appliance = pick(which);
    flow_ = static_cast<float>(appliance.litres_per_hour);
    hours_left_ = static_cast<float>((appliance.minutes_low + (appliance.minutes_high - appliance.minutes_low) * length) / 60);
  }
  if (!open || hours_left_ <= 0) return;
  rest_ += flow_ * std::min(hours_left_, static_cast<float>(hours));
  hours_left_ -= static_cast<float>(hours);
  figures.used += static_cast<std::uint32_t>(rest_);
  rest_ -= std::floor(rest_);
}

// People notice within half a day; so about 1 % of meters are below 5 m3 at any time.
void Household::top_up(Figures& figures, double hours, double luck, double amount) const {
  if (figures.left() > top_up_below_) return;
  if (luck < hours / 12) figures.bought += purchase(amount);
}

std::uint16_t Household::status(const Figures& figures) const {
  const bool closed = figures.left() <= valve_closes_at_;
  std::uint16_t bits = closed ? status::kValveClosed : status::kValveOpen;
  if (figures.left() < 0) bits |= status::kOverdraft;
  if (battery_low_) bits |= status::kBatteryLow;
  return bits;
}

}  // namespace meterhub::sim
