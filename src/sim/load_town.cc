#include <meterhub/sim/load_town.h>

#include <cstring>

#include <fmt/format.h>

#include <meterhub/base/encoding.h>

#include "draw.h"

namespace meterhub::sim {
namespace {

// The keys of this town are known to everyone: it exists in throw-away registries only.
constexpr std::uint64_t kSeed = 0x10AD;
// Locally administered EUIs, apart from those of simulated towns.
constexpr std::uint64_t kMeterEuis = 0x0A4D'5000'0000'0000;
constexpr std::uint64_t kGatewayEuis = 0x0A4D'5200'0000'0000;
constexpr std::uint32_t kPrivateDevAddrs = 0x01FF'FFFF;  // network ids 0 and 1
constexpr std::uint32_t kFlatsPerFloor = 6;
constexpr std::uint32_t kFlats = kFlatsPerFloor * kFloors;
constexpr std::uint32_t kBuildingsPerDistrict = 100;
constexpr double kLowShare = 0.01;
constexpr std::int32_t kLowLitres = 5'000;

lorawan::AesKey key_of(Draw& draw) {
  lorawan::AesKey key;
  const std::uint64_t words[] = {draw.next(), draw.next()};
  std::memcpy(key.data(), words, key.size());
  return key;
}

}  // namespace

base::Result<LoadTown> LoadTown::create(std::uint32_t meters, std::uint32_t gateways) {
  if (meters == 0 || meters > kTownMetersMax) {
    return base::fail(base::Errc::kInvalidArgument, fmt::format("a town has 1 to {} meters", kTownMetersMax));
  }
  if (gateways == 0 || gateways > meters) {
    return base::fail(base::Errc::kInvalidArgument, "a town has at least one gateway, and at most one for each meter");
  }
  return LoadTown(meters, gateways);
}

std::uint32_t LoadTown::first_meter(std::uint32_t gateway) const {
  return static_cast<std::uint32_t>(std::uint64_t{gateway} * meters_ / gateways_);
}

SimMeter LoadTown::meter(std::uint32_t index) const {
  Draw draw(kSeed, Purpose::kMeterKeys, index);
  SimMeter out;
  out.eui = base::Eui64(kMeterEuis | index);
  out.building = index / kFlats;
  out.floor = index % kFlats / kFlatsPerFloor + 1;
  out.flat = index % kFlatsPerFloor + 1;
  out.dev_addr = base::DevAddr(static_cast<std::uint32_t>(draw.next()) & kPrivateDevAddrs);
  out.nwk_skey = key_of(draw);
  out.app_skey = key_of(draw);
  return out;
}

SimGateway LoadTown::gateway(std::uint32_t index) const {
  Draw draw(kSeed, Purpose::kGateway, index);
  SimGateway out;
  out.id = fmt::format("load-{:05}", index + 1);
  out.eui = base::Eui64(kGatewayEuis | index);
  out.building = first_meter(index) / kFlats;
  out.clock = GatewayClock::kGps;
  out.key = base::base64_encode(draw.bytes<32>());
  return out;
}

std::string LoadTown::district(std::uint32_t building) const { return fmt::format("District {}", building / kBuildingsPerDistrict + 1); }

std::string LoadTown::building(std::uint32_t building) const { return fmt::format("Building {}", building + 1); }

std::optional<std::uint32_t> LoadTown::index_of(base::Eui64 meter) const {
  const auto index = meter.value ^ kMeterEuis;
  if (index >= meters_) return std::nullopt;
  return static_cast<std::uint32_t>(index);
}

LoadFigures LoadTown::figures(std::uint32_t meter, std::uint32_t fcnt) const {
  Draw draw(kSeed, Purpose::kHousehold, meter);
  LoadFigures out;
  const auto floor = draw.chance(kLowShare) ? 100 : kLowLitres;
  out.used = 20'000 + draw.below(2'000'000) + fcnt * (1 + draw.below(12));
  out.left = floor + static_cast<std::int32_t>(draw.below(floor < kLowLitres ? 4'000 : 400'000));
  out.bought = out.used + static_cast<std::uint32_t>(out.left);
  return out;
}

}  // namespace meterhub::sim
