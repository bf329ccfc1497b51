// When a condition becomes an episode and when the episode is over: per rule, and per tenant where he wants it
// otherwise.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include <meterhub/alarm/names.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>

namespace meterhub::alarm {

// Times are event time. The defaults: at the first sight, over at the first sight of its absence.
struct Policy {
  // Off: the rule's conditions count as gone, so that its episodes clear with the next observation.
  bool enabled = true;
  Severity severity = Severity::kWarning;
  // Both must be met without a sight of the condition's absence between: it stands for so long (it need not be told
  // again meanwhile), and was told so often.
  base::Duration raise_after{};
  std::uint32_t raise_count = 1;
  // So long the condition must be gone.
  base::Duration clear_after{};
  // Less than this after it cleared, a raise reopens the same episode; 0: never.
  base::Duration flap_window{};
  // An episode that nobody acknowledged does not vanish with its condition, it waits as `returned` (ISA-18.2: return
  // to normal unacknowledged); and cannot be cleared by hand before somebody acknowledged it.
  bool latched = false;

  bool operator==(const Policy&) const = default;
};

// kInvalidArgument, with what is wrong: times are 0 to 90 days, a count 1 to 1,000,000.
base::Result<void> check(const Policy& policy);

// The platform's policy of a rule; policy.cc says why each is as it is.
const Policy& default_policy(Rule rule);

// What a tenant wants otherwise.
struct PolicyOverride {
  std::optional<bool> enabled{};
  std::optional<Severity> severity{};
  std::optional<base::Duration> raise_after{};
  std::optional<std::uint32_t> raise_count{};
  std::optional<base::Duration> clear_after{};
  std::optional<base::Duration> flap_window{};
  std::optional<bool> latched{};

  Policy over(Policy base) const;
};

// The policies of all rules and tenants. A value: made, then given to Episodes.
class Policies {
 public:
  Policies();

  // The policy of all tenants that do not want it otherwise. Both: kInvalidArgument as check(), and nothing changes.
  base::Result<void> set(Rule rule, const Policy& policy);
  base::Result<void> set(Rule rule, base::TenantNumber tenant, const PolicyOverride& wish);

  // For how long a cleared episode may be reopened, of any rule and tenant: what Episodes::load() needs is not older.
  base::Duration longest_flap_window() const;

  const Policy& of(Rule rule, base::TenantNumber tenant) const {
    const auto place = static_cast<std::size_t>(rule);
    if (!tenants_.empty()) {
      if (const auto found = tenants_.find(tenant); found != tenants_.end()) return found->second.effective[place];
    }
    return defaults_[place];
  }

 private:
  using All = std::array<Policy, kRules>;
  struct Tenant {
    std::array<PolicyOverride, kRules> wishes{};
    All effective{};
  };
  All defaults_;
  std::map<base::TenantNumber, Tenant> tenants_;
};

}  // namespace meterhub::alarm
