// Channels, routes and tenants as they are at one moment: what decides where a notice goes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/consumption/local_time.h>
#include <meterhub/registry/channels.h>
#include <meterhub/registry/store.h>

namespace meterhub::notify {

struct TenantView {
  std::string name;
  consumption::LocalTime zone;
};

// Immutable once made; any thread.
struct Setup {
  std::vector<registry::Channel> channels;
  std::vector<registry::Route> routes;
  std::map<base::TenantNumber, TenantView> tenants;
  // Of notices without a tenant, and where a tenant's zone is not known to the system.
  consumption::LocalTime default_zone = default_local_time();

  // Null: it was removed.
  const registry::Channel* channel(registry::ChannelNumber number) const;
  const consumption::LocalTime& zone(base::TenantNumber tenant) const;

  static consumption::LocalTime default_local_time();
};

base::Result<Setup> read_setup(const registry::Store& store);

}  // namespace meterhub::notify
