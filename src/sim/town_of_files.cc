// The registry's CSV files as a town.
#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include <meterhub/base/disk.h>
#include <meterhub/base/encoding.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/registry/transfer.h>
#include <meterhub/sim/registry_files.h>

namespace meterhub::sim {
namespace {

using base::Errc;

// A data frame without options carries no more.
constexpr std::size_t kPayloadMax = 242;

class FileTown {
 public:
  explicit FileTown(const std::vector<meter::Profile>& profiles) {
    for (const auto& profile : profiles)
      profiles_.emplace(profile.name, std::make_shared<const meter::Profile>(profile));
  }

  base::Result<void> gateway(const registry::GatewaySpec& spec);
  base::Result<void> meter(const registry::MeterSpec& spec);
  Town finish();

 private:
  base::Result<std::shared_ptr<const meter::Profile>> profile(const std::string& name);
  std::uint32_t building(const registry::MeterSpec& spec);

  Town town_;
  std::map<std::string, std::shared_ptr<const meter::Profile>> profiles_;
  std::map<std::pair<std::string, std::string>, std::uint32_t> buildings_;  // (district, name) -> index
  std::string digested_;
};

base::Result<std::shared_ptr<const meter::Profile>> FileTown::profile(const std::string& name) {
  if (name == registry::kDefaultProfile && !profiles_.contains(name)) return nullptr;
  auto known = profiles_.find(name);
  if (known == profiles_.end()) {
    const auto* built_in = meter::builtin_profile(name);
    if (built_in == nullptr)
      return base::fail(Errc::kNotFound,
                        "profile: there is no \"" + name.substr(0, 40) + "\"; give its file (--profile)");
    known = profiles_.emplace(name, std::make_shared<const meter::Profile>(*built_in)).first;
  }
  std::size_t size = known->second->length_min;
  for (const auto& field : known->second->fields) size = std::max(size, field.offset + field.size);
  if (size <= kPayloadMax) return known->second;
  return base::fail(Errc::kTooLarge,
                    fmt::format("profile: {} has {} bytes, and a LoRaWAN frame carries {}", name, size, kPayloadMax));
}

std::uint32_t FileTown::building(const registry::MeterSpec& spec) {
  const auto next = static_cast<std::uint32_t>(town_.buildings.size());
  const auto [found, is_new] = buildings_.try_emplace({spec.district, spec.building}, next);
  if (is_new) town_.buildings.push_back({.district = spec.district, .name = spec.building});
  return found->second;
}

base::Result<void> FileTown::gateway(const registry::GatewaySpec& spec) {
  if (spec.keys.primary.empty())
    return base::fail(Errc::kInvalidArgument, "primary_key: the simulator needs it (registry export --with-keys)");
  const auto index = town_.gateways.size();
  SimGateway gateway;
  gateway.id = spec.id;
  gateway.eui = spec.eui.value_or(base::Eui64());
  gateway.clock = index % 2 == 0 ? GatewayClock::kGps : GatewayClock::kNone;
  gateway.sends_datagrams = spec.eui && index % 4 < 2;  // a datagram names its gateway by EUI
  gateway.key = base::base64_encode(spec.keys.primary);
  digested_ += gateway.id + '\n' + gateway.key + '\n';
  town_.gateways.push_back(std::move(gateway));
  return {};
}

base::Result<void> FileTown::meter(const registry::MeterSpec& spec) {
  SimMeter meter;
  meter.eui = spec.eui;
  meter.profile = MH_TRY(profile(spec.profile));
  meter.building = building(spec);
  std::uint32_t floor = 0;
  std::from_chars(spec.floor.data(), spec.floor.data() + spec.floor.size(), floor);
  meter.floor = std::clamp(floor, 1U, kFloors);  // "G" and the like: by the ground
  meter.allow_resets = spec.allow_resets;
  if (const auto* fixed = std::get_if<registry::AbpKeys>(&spec.keys)) {
    meter.dev_addr = fixed->dev_addr;
    meter.nwk_skey = fixed->nwk_skey;
    meter.app_skey = fixed->app_skey;
  } else if (const auto* joins = std::get_if<registry::OtaaKeys>(&spec.keys)) {
    meter.otaa = true;
    meter.join_eui = joins->join_eui;
    meter.app_key = joins->app_key;
    ++town_.options.otaa_meters;
  } else {
    return base::fail(Errc::kInvalidArgument,
                      "nwkskey: the simulator needs the meter's keys (registry export --with-keys)");
  }
  if (town_.meters.size() >= kTownMetersMax)
    return base::fail(Errc::kTooLarge, fmt::format("a town has at most {} meters", kTownMetersMax));
  if (town_.meters.empty()) town_.options.tenant = spec.tenant;
  digested_ += meter.eui.text() + base::hex_encode(meter.nwk_skey) + base::hex_encode(meter.app_key) + '\n';
  town_.meters.push_back(std::move(meter));
  return {};
}

// Gateways stand in the buildings in turn, in order.
Town FileTown::finish() {
  const auto gateways = town_.gateways.size();  // none: nothing to place
  for (std::size_t i = 0; i < gateways; ++i) {
    town_.gateways[i].building = static_cast<std::uint32_t>(i * town_.buildings.size() / gateways);
  }
  const auto digest = crypto::sha256(base::as_bytes(digested_));
  town_.options.seed = 0;
  for (std::size_t i = 0; i < 8; ++i) town_.options.seed = town_.options.seed << 8 | digest[i];
  town_.options.meters = static_cast<std::uint32_t>(town_.meters.size());
  town_.options.meters_per_gateway = 0;
  return std::move(town_);
}

// Reads one file; its name leads every error.
template <class Spec, class Reader>
base::Result<void> each(Reader read, const std::string& file, FileTown& town,
                        base::Result<void> (FileTown::*take)(const Spec&)) {
  auto done = read(file, [&](const Spec& spec) { return (town.*take)(spec); });
  if (!done) return std::unexpected(std::move(done.error()).in(file));
  return {};
}

}  // namespace

base::Result<Town> read_registry_files(const std::string& directory, const std::vector<meter::Profile>& profiles) {
  FileTown reading(profiles);
  const auto gateways = base::join_path(directory, "gateways.csv");
  const auto meters = base::join_path(directory, "meters.csv");
  MH_TRY_VOID(each(registry::read_gateways, gateways, reading, &FileTown::gateway));
  MH_TRY_VOID(each(registry::read_meters, meters, reading, &FileTown::meter));
  auto town = reading.finish();
  if (town.gateways.empty()) return base::fail(Errc::kInvalidArgument, gateways + ": there is no gateway in it");
  if (town.meters.empty()) return base::fail(Errc::kInvalidArgument, meters + ": there is no meter in it");
  return town;
}

}  // namespace meterhub::sim
