#include "sightings.h"

#include <algorithm>
#include <array>

namespace meterhub::office {
namespace {

using alarm::Rule;
using fleet::Condition;

constexpr std::array<Rule, fleet::kConditions> kRules{
    Rule::kLowBalance, Rule::kOwnLimit, Rule::kSilentMeter, Rule::kLeak,        Rule::kTamper,      Rule::kReverseCounter,
    Rule::kStuckCounter, Rule::kHighFlow, Rule::kBatteryLow, Rule::kValveClosed, Rule::kSensorFault, Rule::kCounterReset};

}  // namespace

void Sightings::applied(base::PartitionId partition, base::Offset next) {
  if (partition.value >= applied_.size()) applied_.resize(partition.value + std::size_t{1});
  applied_[partition.value] = next;
}

void Sightings::conditions_seen(const Seen& seen) {
  if (seen.offset && is_applied(seen.partition, *seen.offset)) return;
  for (std::size_t n = 0; n < fleet::kConditions; ++n) {
    const auto condition = static_cast<Condition>(n);
    const bool now = (seen.now & fleet::bit(condition)) != 0;
    if (now || (seen.before & fleet::bit(condition)) != 0) observe(seen, condition, now);
  }
}

void Sightings::observe(const Seen& seen, Condition condition, bool active) {
  if (active && condition == Condition::kSilent && !has_listened(seen)) return;
  std::string detail;
  if (active) {
    const auto* const last = fleet_.last(seen.meter.number);
    if (last != nullptr) detail = fleet::condition_detail(condition, *last, fleet_.watch(seen.meter.number), seen.at);
  }
  episodes_.observe({.rule = kRules[static_cast<std::size_t>(condition)],
                     .subject = alarm::Subject::meter(seen.meter.eui),
                     .tenant = seen.meter.tenant,
                     .active = active,
                     .at = seen.at,
                     .detail = detail,
                     .is_newest = true});
}

void Sightings::go_on(const registry::MeterEntry& meter, const registry::Directory::View& view, Rule rule, base::Timestamp complete) {
  const auto found = std::ranges::find(kRules, rule);
  if (found == kRules.end()) return;
  const auto condition = static_cast<Condition>(found - kRules.begin());
  fleet_.judge(meter.number, limits_.of(meter, view), complete);
  const auto now = fleet_.conditions(meter.number);
  if ((now & fleet::bit(condition)) != 0) return;
  const auto heard = fleet_.last_heard(meter.number);
  const bool is_known = condition == Condition::kSilent ? heard != base::Timestamp{} : fleet_.last(meter.number) != nullptr;
  if (!is_known) return fleet_.suppose(meter.number, fleet::bit(condition));
  observe({{}, std::nullopt, meter, now, now, heard}, condition, false);
}

bool Sightings::has_listened(const Seen& seen) {
  return seen.at - listening_since_ > limits_.silence_of(seen.meter);
}

void Sightings::repeat_silence(const registry::MeterEntry& meter, base::Timestamp at) {
  const auto conditions = fleet_.conditions(meter.number);
  if ((conditions & fleet::bit(Condition::kSilent)) == 0) return;
  observe({{}, std::nullopt, meter, conditions, conditions, at}, Condition::kSilent, true);
}

}  // namespace meterhub::office
