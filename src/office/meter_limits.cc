#include "meter_limits.h"

namespace meterhub::office {
namespace {

const std::string kNobody;
// Nobody misses a meter that was exchanged.
constexpr std::chrono::seconds kNever = std::chrono::years(100);

fleet::DayClock days_of(const std::string& zone) {
  auto time = consumption::LocalTime::of(zone);
  // The registry takes only zones that the system knows; its tables may be of another system.
  if (!time) time = consumption::LocalTime::of("UTC");
  return fleet::DayClock(std::move(*time));
}

std::uint64_t key_of(base::TenantNumber tenant, registry::LabelNumber profile) {
  return std::uint64_t{tenant.value} << 32 | profile.value;
}

}  // namespace

Limits::Limits(const registry::Directory& directory, const rules::Rules& rules)
    : directory_(directory), rules_(rules), default_days_(days_of(std::string(registry::kDefaultTimeZone))) {
  refresh();
}

void Limits::refresh() {
  bool changed = false;
  for (const auto& tenant : directory_.tenants()) {
    const auto found = tenants_.find(tenant.number);
    if (found != tenants_.end() && found->second.name == tenant.name && found->second.zone == tenant.time_zone) continue;
    tenants_.insert_or_assign(tenant.number, Known{tenant.name, tenant.time_zone, days_of(tenant.time_zone)});
    changed = true;
  }
  if (changed) models_.clear();
}

fleet::MeterLimits Limits::of(const registry::MeterEntry& meter, const registry::Directory::View& view) {
  const auto key = key_of(meter.tenant, meter.profile);
  auto found = models_.find(key);
  if (found == models_.end()) {
    const auto& thresholds = rules_.of(name(meter.tenant), view.label(meter.profile));
    found = models_.emplace(key, Model{&thresholds, &days(meter.tenant),
                                        &open_days_.emplace(meter.tenant, INT32_MIN).first->second}).first;
  }
  const auto& thresholds = *found->second.thresholds;
  const bool own = thresholds.own_limit && meter.low_limit_litres != INT32_MIN;
  return {.silence = view.taken_out_by(meter) != nullptr ? kNever : rules::silence_of(thresholds, std::chrono::seconds(meter.silence_limit_s)),
          .low_litres = own ? meter.low_limit_litres : thresholds.low_limit_litres,
          .has_own_limit = own,
          .tenant = meter.tenant,
          .thresholds = &thresholds,
          .days = found->second.days,
          .open_day = *found->second.open_day};
}

std::chrono::seconds Limits::silence_of(const registry::MeterEntry& meter) const {
  const auto model = models_.find(key_of(meter.tenant, meter.profile));
  const auto& thresholds = model != models_.end() ? *model->second.thresholds : of_gateways(meter.tenant);
  return rules::silence_of(thresholds, std::chrono::seconds(meter.silence_limit_s));
}

const rules::Thresholds& Limits::of_gateways(base::TenantNumber tenant) const { return rules_.of(name(tenant), {}); }

fleet::DayClock& Limits::days(base::TenantNumber tenant) {
  const auto found = tenants_.find(tenant);
  return found != tenants_.end() ? found->second.days : default_days_;
}

std::int32_t Limits::open_day(base::TenantNumber tenant) const {
  const auto found = open_days_.find(tenant);
  return found != open_days_.end() ? found->second : INT32_MIN;
}

const std::string& Limits::name(base::TenantNumber tenant) const {
  const auto found = tenants_.find(tenant);
  return found != tenants_.end() ? found->second.name : kNobody;
}

}  // namespace meterhub::office
