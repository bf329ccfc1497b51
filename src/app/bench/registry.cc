#include "registry.h"

#include <meterhub/base/clock.h>
#include <meterhub/base/encoding.h>
#include <meterhub/registry/master_key.h>
#include <meterhub/registry/store.h>

namespace meterhub::app::bench {
namespace {

constexpr std::string_view kTenant = "Load Test Gas";
constexpr std::uint32_t kProgressEvery = 5'000;

registry::MeterSpec spec_of(const sim::LoadTown& town, std::uint32_t index) {
  const auto meter = town.meter(index);
  registry::MeterSpec out;
  out.eui = meter.eui;
  out.tenant = kTenant;
  out.district = town.district(meter.building);
  out.building = town.building(meter.building);
  out.floor = std::to_string(meter.floor);
  out.unit = std::to_string(meter.floor * 100 + meter.flat);
  out.keys = registry::AbpKeys{meter.dev_addr, meter.nwk_skey, meter.app_skey};
  return out;
}

base::Result<registry::GatewaySpec> gateway_spec_of(const sim::LoadTown& town, std::uint32_t index) {
  const auto gateway = town.gateway(index);
  registry::GatewaySpec out;
  out.id = gateway.id;
  out.eui = gateway.eui;
  out.tenant = kTenant;
  out.keys.primary = MH_TRY(base::base64_decode(gateway.key));
  out.keys.secondary = out.keys.primary;
  return out;
}

}  // namespace

base::Result<void> fill_registry(const sim::LoadTown& town, const DataPaths& paths,
                                 const std::function<bool(std::uint32_t meters)>& progress) {
  const base::SystemClock clock;
  registry::Store::Options how;
  how.file = paths.registry();
  how.master_key = MH_TRY(registry::load_or_make_master_key(paths.master_key()));
  const auto store = MH_TRY(registry::Store::open(how, clock));
  if (MH_TRY(store->meter_count()) == town.meters()) return {};
  const auto import = MH_TRY(store->begin_import("bench"));
  MH_TRY_VOID(import->put_tenant(kTenant, registry::kDefaultTimeZone));
  for (std::uint32_t g = 0; g < town.gateways(); ++g) {
    const auto spec = MH_TRY(gateway_spec_of(town, g));
    MH_TRY_VOID(import->put_gateway(spec, false));
  }
  for (std::uint32_t i = 0; i < town.meters(); ++i) {
    MH_TRY_VOID(import->put_meter(spec_of(town, i), false));
    if (i % kProgressEvery == 0 && !progress(i)) return base::fail(base::Errc::kCancelled, "stopped");
  }
  return import->commit();
}

}  // namespace meterhub::app::bench
