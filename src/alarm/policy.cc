#include <meterhub/alarm/policy.h>

#include <algorithm>
#include <string>

namespace meterhub::alarm {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr base::Duration kLongest = days(90);
constexpr std::uint32_t kMostOften = 1'000'000;

// What the levels themselves measure (silent for so long, flowing for so long) is the caller's; here is only how long
// and how often such a level must be told before somebody is told.
constexpr std::array<Policy, kRules> kDefaults{{
    // low_balance: a balance falls slowly and a purchase ends it: the first sight counts. A day of flap window: a
    // top-up
    // that is used up at once is the same trouble.
    {.severity = Severity::kWarning, .flap_window = days(1)},
    // own_limit: the customer's own wish, of no weight for the office.
    {.severity = Severity::kInfo, .flap_window = days(1)},
    // silent_meter: the caller waits long enough already. Back after one packet is back; a meter on the edge of a
    // gateway's reach comes and goes, which is one trouble for a day.
    {.severity = Severity::kWarning, .flap_window = days(1)},
    // silent_gateway: hundreds of meters hang on it. Links that drop and come back within the hour are one trouble.
    {.severity = Severity::kUrgent, .flap_window = 1h},
    // leak: life is at stake: at once. Over only after a quarter of an hour, so that a short pause of the counter,
    // which
    // moves in steps, does not end it.
    {.severity = Severity::kEmergency, .clear_after = 15min, .flap_window = 6h},
    // tamper: a magnet that is gone by morning must still be seen by somebody.
    {.severity = Severity::kUrgent, .flap_window = 1h, .latched = true},
    // reverse_counter: a meter mounted the wrong way, or turned: two sights, as one may be a register that was written
    // while it was read. It goes on from packet to packet or not: an hour without ends it.
    {.severity = Severity::kUrgent, .raise_count = 2, .clear_after = 1h, .flap_window = days(1)},
    // stuck_counter: measured in days by the caller.
    {.severity = Severity::kWarning, .flap_window = days(1)},
    // high_flow: a pipe that broke, or a boiler and a stove started together: three sights of it in a row (a minute and
    // a half at the usual interval) tell them apart.
    {.severity = Severity::kUrgent, .raise_count = 3, .clear_after = 5min, .flap_window = 1h},
    // battery_low: a weak cell rises above the limit in the sun and falls below it at night, for weeks: an hour to
    // raise
    // it is soon enough for a battery that lasts months, and a week of flap window makes one episode of it.
    {.severity = Severity::kWarning,
     .raise_after = 1h,
     .raise_count = 3,
     .clear_after = days(1),
     .flap_window = days(7)},
    // valve_closed: what the platform's owner mostly does himself; the office wants to know that it stands.
    {.severity = Severity::kInfo, .flap_window = 1h},
    // sensor_fault: a bit that may be wrong in one packet; in three it is not.
    {.severity = Severity::kWarning, .raise_count = 3, .clear_after = 1h, .flap_window = days(1)},
    // decrypt_failures: the caller counts over a window; quiet for a quarter of an hour is over.
    {.severity = Severity::kUrgent, .clear_after = 15min, .flap_window = 6h},
    // counter_reset: an event, gone with the next packet, and perhaps a replay: somebody must have seen it.
    {.severity = Severity::kWarning, .flap_window = days(1), .latched = true},
    // incomplete: a figure of a day, told once a day.
    {.severity = Severity::kWarning, .flap_window = days(2)},
}};

base::Result<void> refuse(std::string text) { return base::fail(base::Errc::kInvalidArgument, std::move(text)); }

bool is_good(base::Duration duration) { return duration >= base::Duration::zero() && duration <= kLongest; }

}  // namespace

base::Result<void> check(const Policy& policy) {
  if (!is_good(policy.raise_after) || !is_good(policy.clear_after) || !is_good(policy.flap_window)) {
    return refuse("an alarm's raise_after, clear_after and flap_window are 0 to 90 days");
  }
  if (policy.raise_count < 1 || policy.raise_count > kMostOften)
    return refuse("an alarm's raise_count is 1 to 1,000,000");
  return {};
}

const Policy& default_policy(Rule rule) { return kDefaults[static_cast<std::size_t>(rule)]; }

Policy PolicyOverride::over(Policy base) const {
  base.enabled = enabled.value_or(base.enabled);
  base.severity = severity.value_or(base.severity);
  base.raise_after = raise_after.value_or(base.raise_after);
  base.raise_count = raise_count.value_or(base.raise_count);
  base.clear_after = clear_after.value_or(base.clear_after);
  base.flap_window = flap_window.value_or(base.flap_window);
  base.latched = latched.value_or(base.latched);
  return base;
}

Policies::Policies() : defaults_(kDefaults) {}

base::Duration Policies::longest_flap_window() const {
  base::Duration out{};
  for (const auto& policy : defaults_) out = std::max(out, policy.flap_window);
  for (const auto& [number, tenant] : tenants_) {
    for (const auto& policy : tenant.effective) out = std::max(out, policy.flap_window);
  }
  return out;
}

base::Result<void> Policies::set(Rule rule, const Policy& policy) {
  MH_TRY_VOID(check(policy));
  const auto place = static_cast<std::size_t>(rule);
  defaults_[place] = policy;
  for (auto& [number, tenant] : tenants_) tenant.effective[place] = tenant.wishes[place].over(policy);
  return {};
}

base::Result<void> Policies::set(Rule rule, base::TenantNumber tenant, const PolicyOverride& wish) {
  const auto place = static_cast<std::size_t>(rule);
  const auto effective = wish.over(defaults_[place]);
  MH_TRY_VOID(check(effective));
  auto [found, is_new] = tenants_.try_emplace(tenant);
  if (is_new) found->second.effective = defaults_;
  found->second.wishes[place] = wish;
  found->second.effective[place] = effective;
  return {};
}

}  // namespace meterhub::alarm
