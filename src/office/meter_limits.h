// What the settings say about each meter, looked up quickly; and tenants' clocks and names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include <meterhub/fleet/watch.h>
#include <meterhub/registry/directory.h>
#include <meterhub/rules/thresholds.h>

namespace meterhub::office {

// One thread.
class Limits {
 public:
  // Both outlive it.
  Limits(const registry::Directory& directory, const rules::Rules& rules);

  // Takes in tenants that were added or changed. Not under the directory's lock; every second or so.
  void refresh();

  // Under the directory's lock. A tenant not taken in yet has the platform's.
  fleet::MeterLimits of(const registry::MeterEntry& meter, const registry::Directory::View& view);
  // As of() says it, for a meter that of() was asked about since the last refresh(). Needs no lock.
  std::chrono::seconds silence_of(const registry::MeterEntry& meter) const;
  // Of a tenant's gateways.
  const rules::Thresholds& of_gateways(base::TenantNumber tenant) const;
  fleet::DayClock& days(base::TenantNumber tenant);
  // The first of the tenant's days that is not closed; INT32_MIN: none ever was.
  std::int32_t open_day(base::TenantNumber tenant) const;
  void set_open_day(base::TenantNumber tenant, std::int32_t day) { open_days_[tenant] = day; }
  // Empty for one that is not known.
  const std::string& name(base::TenantNumber tenant) const;

 private:
  struct Known {
    std::string name;
    std::string zone;
    fleet::DayClock days;
  };
  struct Model {
    const rules::Thresholds* thresholds;
    fleet::DayClock* days;
    const std::int32_t* open_day;
  };

  const registry::Directory& directory_;
  const rules::Rules& rules_;
  std::map<base::TenantNumber, Known> tenants_;
  std::map<base::TenantNumber, std::int32_t> open_days_;
  fleet::DayClock default_days_;
  std::unordered_map<std::uint64_t, Model> models_;  // by tenant and profile
};

}  // namespace meterhub::office
