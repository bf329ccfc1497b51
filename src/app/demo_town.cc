#include "demo_town.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include <meterhub/base/encoding.h>
#include <meterhub/base/logging.h>
#include <meterhub/registry/transfer.h>
#include <meterhub/sim/registry_files.h>

namespace meterhub::app {
namespace {

constexpr std::string_view kActor = "demo";
// The case study's published frame: spec/lorawan-ns.md section 4, vector up-sample-fcnt0.
constexpr base::Eui64 kSampleMeter{0xffffffffffffff01};
constexpr base::DevAddr kSampleAddress{0x01a2b3c4};
constexpr std::string_view kSampleNwkSKey = "2b7e151628aed2a6abf7158809cf4f3c";
constexpr std::string_view kSampleAppSKey = "3c4fcf098815f7aba6d2ae2816157e2b";

// Most meters have their session keys from the factory; a few join over the air.
constexpr std::uint32_t kMetersPerJoiningOne = 100;

std::uint64_t drawn_seed() {
  std::random_device random;
  return static_cast<std::uint64_t>(random()) << 32 | random();
}

// A flat turns grey while somebody watches: after four packets that did not come.
constexpr int kPacketsMissed = 4;

base::Result<void> import_town(const sim::Town& town, const TownPlan& plan, registry::Store& store, base::Disk& disk,
                               const DataPaths& paths) {
  const auto folder = base::join_path(paths.root, "fleet");
  MH_TRY_VOID(sim::write_registry_files(town, "localhost", disk, folder,
                                       {.silence_limit = std::chrono::ceil<std::chrono::seconds>(plan.interval * kPacketsMissed)}));
  std::error_code ignored;  // the files hold the fleet's keys; the data directory is ours alone anyway
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
  registry::ImportOptions how;
  how.replace = true;
  const registry::Actor actor(kActor);
  MH_TRY_VOID(registry::import_tenants(store, actor, base::join_path(folder, "tenants.csv"), how));
  MH_TRY_VOID(registry::import_gateways(store, actor, base::join_path(folder, "gateways.csv"), how));
  MH_TRY_VOID(registry::import_meters(store, actor, base::join_path(folder, "meters.csv"), how));
  return {};
}

// Nothing when the thing is there already.
template <class T>
base::Result<void> unless_there(const base::Result<T>& added) {
  if (added || added.error().code == base::Errc::kAlreadyExists) return {};
  return std::unexpected(added.error());
}

base::Result<void> add_sample(const sim::Town& town, registry::Store& store) {
  registry::MeterSpec meter;
  meter.eui = kSampleMeter;
  meter.tenant = town.options.tenant;
  meter.district = town.buildings.front().district;
  meter.building = "Case study";
  meter.floor = "1";
  meter.unit = "0101";
  meter.keys = registry::AbpKeys{kSampleAddress, MH_TRY(base::hex_decode_array<16>(kSampleNwkSKey)),
                                 MH_TRY(base::hex_decode_array<16>(kSampleAppSKey))};
  MH_TRY_VOID(unless_there(store.add_meter(registry::Actor(kActor), meter)));
  registry::GatewaySpec gateway;
  gateway.id = kReaderGateway;
  gateway.tenant = town.options.tenant;
  return unless_there(store.add_gateway(registry::Actor(kActor), gateway));
}

}  // namespace

std::string truth_file(const DataPaths& paths) { return base::join_path(paths.root, "sent.mhs"); }

base::Result<sim::Town> demo_town(const base::Disk& disk, const DataPaths& paths, const TownPlan& plan) {
  if (const auto known = MH_TRY(sim::continued_town(disk, truth_file(paths)))) return sim::make_town(*known);
  sim::TownOptions options;
  options.seed = plan.seed ? *plan.seed : drawn_seed();
  options.meters = plan.meters;
  options.otaa_meters = std::max(1U, plan.meters / kMetersPerJoiningOne);
  return sim::make_town(options);
}

base::Result<void> enrol(const sim::Town& town, const TownPlan& plan, registry::Store& store, base::Disk& disk,
                         const DataPaths& paths) {
  if (!store.meter(town.meters.back().eui)) MH_TRY_VOID(import_town(town, plan, store, disk, paths));
  return add_sample(town, store);
}

base::Result<std::unique_ptr<TownAtWork>> TownAtWork::start(sim::Town town, const TownPlan& plan, base::Disk& disk,
                                                            const DataPaths& paths, sim::DriverOptions options) {
  std::unique_ptr<TownAtWork> out(new TownAtWork(MH_TRY(LoopThread::create("town")), std::move(options)));
  auto& loop = out->thread_->loop();
  sim::FleetOptions how;
  how.interval = plan.interval;
  how.faults = sim::demo_faults();
  auto fleet = ask<base::Result<std::unique_ptr<sim::Fleet>>>(loop, [&] {
    return sim::Fleet::open(std::move(town), how, disk, truth_file(paths), loop.clock().now());
  });
  out->fleet_ = MH_TRY(std::move(fleet));
  run_on(loop, [&] {
    out->driver_ = std::make_unique<sim::Driver>(loop, *out->fleet_, out->options_);
    out->driver_->start();
  });
  return out;
}

TownAtWork::~TownAtWork() {
  run_on(thread_->loop(), [this] {
    driver_.reset();
    fleet_.reset();
  });
}

void TownAtWork::hear(const registry::JoinResult& result) {
  if (!result.session) return;
  thread_->loop().post([this, accept = result.accept, session = *result.session] {
    if (const auto heard = fleet_->hear_join_accept(accept, session); !heard) {
      base::logging::debug("join_accept_unheard", {{"meter", session.dev_eui.text()}, {"error", heard.error().text}});
    }
  });
}

void TownAtWork::stop(std::chrono::milliseconds patience) {
  wait_for_end(thread_->loop(), patience * 2,
               [this, patience](base::Task done) { driver_->stop(patience, std::move(done)); });
}

sim::FleetCounts TownAtWork::counts() {
  return ask<sim::FleetCounts>(thread_->loop(), [this] { return fleet_->counts(); });
}

sim::DriverCounts TownAtWork::net() {
  return ask<sim::DriverCounts>(thread_->loop(), [this] { return driver_->counts(); });
}

base::Result<void> TownAtWork::health() {
  return ask<base::Result<void>>(thread_->loop(), [this] { return driver_->health(); });
}

}  // namespace meterhub::app
