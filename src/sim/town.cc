#include <meterhub/sim/town.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <meterhub/base/encoding.h>

#include "draw.h"

namespace meterhub::sim {
namespace {

constexpr std::array<std::string_view, 6> kDistricts{"Riverside", "North Gate", "Old Town",
                                                     "Orchard",   "Harbour",    "Lakeview"};
constexpr std::uint32_t kBuildingsPerDistrict = 4;
// Locally administered EUIs: meters and gateways of simulated towns.
constexpr std::uint64_t kMeterEuis = 0x0A4D'4800'0000'0000;
constexpr std::uint64_t kGatewayEuis = 0x0A4D'4A00'0000'0000;
constexpr std::uint64_t kJoinEui = 0x0A4D'4C00'0000'0001;
constexpr std::uint32_t kPrivateDevAddrs = 0x01FF'FFFF;  // network ids 0 and 1

std::uint64_t eui_of(std::uint64_t range, std::uint64_t seed, std::uint32_t index) {
  return range | (seed & 0xFF) << 32 | (index + 1);
}

SimBuilding make_building(std::uint64_t seed, std::uint32_t index) {
  Draw draw(seed, Purpose::kBuilding, index);
  const auto district = index / kBuildingsPerDistrict;
  const auto& name = kDistricts[district % kDistricts.size()];
  const auto round = district / kDistricts.size();
  SimBuilding building;
  building.district = round == 0 ? std::string(name) : fmt::format("{} {}", name, round + 1);
  building.name = fmt::format("{} {}", building.district, index % kBuildingsPerDistrict + 1);
  building.flats_per_floor = 4 + draw.below(5);
  return building;
}

SimGateway make_gateway(std::uint64_t seed, std::uint32_t index, std::uint32_t building) {
  Draw draw(seed, Purpose::kGateway, index);
  SimGateway gateway;
  gateway.id = fmt::format("gw-{:05}", index + 1);
  gateway.eui = base::Eui64(eui_of(kGatewayEuis, seed, index));
  gateway.building = building;
  gateway.clock = index % 2 == 0 ? GatewayClock::kGps : GatewayClock::kNone;
  gateway.sends_datagrams = index % 4 < 2;
  gateway.key = base::base64_encode(draw.bytes<32>());
  return gateway;
}

SimMeter make_meter(const TownOptions& options, std::uint32_t index) {
  Draw draw(options.seed, Purpose::kMeterKeys, index);
  SimMeter meter;
  meter.eui = base::Eui64(eui_of(kMeterEuis, options.seed, index));
  meter.otaa = index < options.otaa_meters;
  meter.join_eui = base::Eui64(kJoinEui);
  if (meter.otaa) {
    meter.app_key = draw.bytes<16>();
    return meter;
  }
  meter.allow_resets = draw.below(10) == 0;
  meter.dev_addr = base::DevAddr(static_cast<std::uint32_t>(draw.next()) & kPrivateDevAddrs);
  meter.nwk_skey = draw.bytes<16>();
  meter.app_skey = draw.bytes<16>();
  return meter;
}

// Adds a building with up to `left` meters in its flats and its gateways.
std::uint32_t add_building(Town& town, std::uint32_t left) {
  const auto index = static_cast<std::uint32_t>(town.buildings.size());
  town.buildings.push_back(make_building(town.options.seed, index));
  const auto flats = town.buildings.back().flats_per_floor;
  const auto meters = std::min(left, flats * kFloors);
  for (std::uint32_t i = 0; i < meters; ++i) {
    auto meter = make_meter(town.options, static_cast<std::uint32_t>(town.meters.size()));
    meter.building = index;
    meter.floor = i / flats + 1;
    meter.flat = i % flats + 1;
    town.meters.push_back(meter);
  }
  const auto gateways = (meters + town.options.meters_per_gateway - 1) / town.options.meters_per_gateway;
  for (std::uint32_t i = 0; i < gateways; ++i) {
    const auto number = static_cast<std::uint32_t>(town.gateways.size());
    town.gateways.push_back(make_gateway(town.options.seed, number, index));
  }
  return meters;
}

}  // namespace

base::Result<Town> make_town(const TownOptions& options) {
  if (options.meters == 0 || options.meters > kTownMetersMax) {
    return base::fail(base::Errc::kInvalidArgument, fmt::format("a town has 1 to {} meters", kTownMetersMax));
  }
  if (options.otaa_meters > options.meters || options.meters_per_gateway == 0) {
    return base::fail(base::Errc::kInvalidArgument, "a town has at most as many joining meters as meters, and gateways");
  }
  Town town;
  town.options = options;
  town.meters.reserve(options.meters);
  for (auto left = options.meters; left > 0;) left -= add_building(town, left);
  return town;
}

}  // namespace meterhub::sim
