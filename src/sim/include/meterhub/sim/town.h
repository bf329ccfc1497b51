// A town: high-rise buildings, the gateways in them, a gas meter in every flat.
// Made from a seed and sizes alone: the same options give the same town, keys included.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/lorawan/session.h>
#include <meterhub/meter/profile.h>

namespace meterhub::sim {

struct TownOptions {
  // Whoever knows the seed knows all keys: draw it at random for anything but tests.
  std::uint64_t seed = 1;
  std::uint32_t meters = 1'000;
  std::uint32_t meters_per_gateway = 200;  // spec/lorawan-ns.md 11: 200–300; 0: a town of files
  // Meters that join over the air instead of having session keys; they are silent until
  // somebody brings them the join-accept (Fleet::hear_join_accept). The first ones of the town.
  std::uint32_t otaa_meters = 0;
  std::string tenant = "Demo Gas";
};
inline constexpr std::uint32_t kTownMetersMax = 20'000'000;
inline constexpr std::uint32_t kFloors = 30;

struct SimBuilding {
  std::string district;
  std::string name;
  std::uint32_t flats_per_floor = 6;  // 4–8
};

// How a gateway knows the time (spec 12: half of the measured ones always send it, half never).
enum class GatewayClock : std::uint8_t { kNone, kGps };

struct SimGateway {
  std::string id;             // the hub's device id
  base::Eui64 eui;
  std::uint32_t building = 0;
  GatewayClock clock = GatewayClock::kNone;
  bool sends_datagrams = false;  // bodies are whole PUSH_DATA datagrams, else their JSON
  std::string key;               // base64 of 32 bytes, for SAS tokens
};

struct SimMeter {
  base::Eui64 eui;
  std::uint32_t building = 0;
  std::uint32_t floor = 1;       // from 1
  std::uint32_t flat = 1;        // from 1, on its floor
  bool otaa = false;
  bool allow_resets = false;
  // ABP: the session. OTAA: root key and join EUI.
  base::DevAddr dev_addr;
  lorawan::AesKey nwk_skey{};
  lorawan::AesKey app_skey{};
  base::Eui64 join_eui;
  lorawan::AesKey app_key{};
  std::shared_ptr<const meter::Profile> profile;  // of its payload; null: v1
};

struct Town {
  TownOptions options;
  std::vector<SimBuilding> buildings;
  std::vector<SimGateway> gateways;
  std::vector<SimMeter> meters;
};

// kInvalidArgument: no meters, too many, or more OTAA meters than meters.
base::Result<Town> make_town(const TownOptions& options);

}  // namespace meterhub::sim
