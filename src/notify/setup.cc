#include <meterhub/notify/setup.h>

#include <algorithm>

namespace meterhub::notify {

consumption::LocalTime Setup::default_local_time() {
  if (const auto zone = consumption::LocalTime::of(registry::kDefaultTimeZone)) return *zone;
  return consumption::LocalTime::of("UTC").value();  // a system without tables still has this one
}

const registry::Channel* Setup::channel(registry::ChannelNumber number) const {
  const auto found = std::ranges::find(channels, number, &registry::Channel::number);
  return found == channels.end() ? nullptr : &*found;
}

const consumption::LocalTime& Setup::zone(base::TenantNumber tenant) const {
  const auto found = tenants.find(tenant);
  return found == tenants.end() ? default_zone : found->second.zone;
}

base::Result<Setup> read_setup(const registry::Store& store) {
  Setup out;
  out.channels = MH_TRY(store.channels());
  out.routes = MH_TRY(store.routes());
  for (const auto& tenant : MH_TRY(store.tenants())) {
    const auto zone = consumption::LocalTime::of(tenant.time_zone);
    out.tenants.emplace(tenant.number, TenantView{tenant.name, zone ? *zone : out.default_zone});
  }
  return out;
}

}  // namespace meterhub::notify
