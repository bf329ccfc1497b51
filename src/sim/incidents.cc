#include "incidents.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "draw.h"

namespace meterhub::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// How often and how large. An incident that has no end of its own lasts until the run's.
struct Habit {
  IncidentKind kind;
  std::string_view name;
  double share;  // of the meters
  std::uint32_t times;
  seconds shortest, longest;
  std::uint32_t litres_low, litres_high;
  bool lasts = false;
};
constexpr std::array<Habit, 15> kHabits{{
    {IncidentKind::kSilence, "silence", 0.04, 2, seconds(400), minutes(50), 0, 0},
    {IncidentKind::kPause, "pause", 0.03, 3, seconds(60), seconds(150), 0, 0},
    {IncidentKind::kLeak, "leak", 0.06, 1, minutes(150), hours(6), 130, 400},
    {IncidentKind::kSeepage, "seepage", 0.05, 1, hours(24), hours(24), 40, 100, true},
    {IncidentKind::kSpike, "spike", 0.05, 3, seconds(40), seconds(100), 60, 150},
    {IncidentKind::kBalanceRaised, "balance raised", 0.03, 1, minutes(10), minutes(60), 1'000, 5'000},
    {IncidentKind::kBackwards, "runs backwards", 0.03, 2, seconds(70), seconds(150), 2, 9},
    {IncidentKind::kCounterReset, "counter reset", 0.03, 1, seconds(60), seconds(60), 0, 0},
    {IncidentKind::kExchange, "exchange", 0.02, 1, seconds(60), seconds(60), 0, 0},
    {IncidentKind::kSequenceRestart, "sequence restart", 0.03, 2, seconds(60), seconds(60), 0, 0},
    {IncidentKind::kFirmware, "firmware", 0.03, 1, seconds(60), seconds(60), 0, 0},
    {IncidentKind::kBattery, "battery", 0.03, 1, minutes(10), hours(24), 0, 0, true},
    {IncidentKind::kCaseOpened, "case opened", 0.03, 2, minutes(5), minutes(40), 0, 0},
    {IncidentKind::kFlowSensor, "flow sensor", 0.03, 2, minutes(5), minutes(40), 0, 0},
    {IncidentKind::kLowBalance, "low balance", 0.08, 1, minutes(40), hours(8), 20, 60},
}};

// Queries that compare with an hour before need rows first, and an alarm needs time to come.
constexpr seconds kWarmUp = minutes(25);
constexpr seconds kTail = minutes(10);

const Habit& habit_of(IncidentKind kind) { return *std::ranges::find(kHabits, kind, &Habit::kind); }

seconds part_of(seconds whole, double part) {
  return seconds(static_cast<std::int64_t>(static_cast<double>(whole.count()) * part));
}

// The n-th of a meter's incidents, within its share of the time. Nothing when that is too short.
void add(const IncidentPlan& plan, const Habit& habit, std::uint32_t meter, std::uint32_t n,
         std::vector<Incident>& out) {
  Draw draw(plan.seed, Purpose::kIncident, meter, n);
  const auto slot = (plan.span - kWarmUp - kTail) / habit.times;
  if (slot < habit.shortest) return;
  const auto lasts = habit.shortest + part_of(std::min(habit.longest, slot) - habit.shortest, draw.unit());
  const auto from =
      plan.begin + kWarmUp + slot * n + part_of(habit.lasts ? slot - habit.shortest : slot - lasts, draw.unit());
  const auto until = habit.lasts ? plan.begin + plan.span : from + lasts;
  const auto litres = habit.litres_low + draw.below(habit.litres_high - habit.litres_low + 1);
  out.push_back({habit.kind, meter, from, until, litres});
}

std::vector<std::uint32_t> shuffled(std::uint64_t seed, std::uint32_t meters) {
  std::vector<std::uint32_t> order(meters);
  std::iota(order.begin(), order.end(), 0U);
  Draw draw(seed, Purpose::kIncident, meters, ~0ULL);
  for (auto left = meters; left > 1; --left) std::swap(order[left - 1], order[draw.below(left)]);
  return order;
}

}  // namespace

std::string_view incident_name(IncidentKind kind) { return habit_of(kind).name; }

std::vector<Incident> plan_incidents(const IncidentPlan& plan) {
  std::vector<Incident> out;
  const auto order = shuffled(plan.seed, plan.meters);
  std::size_t next = 0;
  for (const auto& habit : kHabits) {
    const auto wanted = std::max<std::size_t>(2, static_cast<std::size_t>(std::lround(habit.share * plan.meters)));
    for (std::size_t i = 0; i < wanted && next < order.size(); ++i, ++next) {
      for (std::uint32_t n = 0; n < habit.times; ++n) add(plan, habit, order[next], n, out);
    }
  }
  std::ranges::sort(out, [](const Incident& a, const Incident& b) {
    return std::pair(a.from, a.meter) < std::pair(b.from, b.meter);
  });
  return out;
}

}  // namespace meterhub::sim
