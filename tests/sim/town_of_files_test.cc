// Meters of the registry's files at work: here those of examples/water-meter.
#include <meterhub/sim/registry_files.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/meter/reading.h>
#include <meterhub/sim/fleet.h>

namespace meterhub::sim {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;

const std::string kExample = METERHUB_SOURCE_DIR "/examples/water-meter";
const std::string kPath = "sent.mhs";
constexpr base::Timestamp kStart{seconds(1'700'000'000)};

meter::Profile water() {
  std::stringstream text;
  text << std::ifstream(kExample + "/water-v1.toml").rdbuf();
  auto profile = meter::parse_profile(text.str());
  EXPECT_TRUE(profile) << profile.error().text;
  return std::move(*profile);
}

class TownOfFiles : public testing::Test {
 protected:
  TownOfFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "meterhub-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    write("gateways.csv", "id,eui,primary_key\ngw-1,0a4d5a00000000aa,MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n");
  }
  ~TownOfFiles() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  std::string why(const std::string& meters) const {
    write("meters.csv", meters);
    const auto town = read_registry_files(folder_.string(), {water()});
    return town ? "read" : town.error().text;
  }

  std::filesystem::path folder_;
};

const std::string kColumns = "eui,profile,dev_addr,nwkskey,appskey\n";
const std::string kKeys = ",01570001,000102030405060708090a0b0c0d0e0f,000102030405060708090a0b0c0d0e0f\n";

TEST_F(TownOfFiles, HasTheGatewaysAndMetersThatTheFilesHold) {
  const auto town = read_registry_files(kExample, {water()});
  ASSERT_TRUE(town) << town.error().text;
  EXPECT_EQ(town->gateways.size(), 2u);
  EXPECT_EQ(town->meters.size(), 16u);
  EXPECT_EQ(town->buildings.size(), 2u);
  EXPECT_EQ(town->meters[0].eui.text(), "0a4d570000000001");
  EXPECT_EQ(town->meters[0].profile->name, "water-v1");
  EXPECT_EQ(town->gateways[1].building, 1u);
}

TEST_F(TownOfFiles, SaysFileAndLineOfWhatItCannotSimulate) {
  EXPECT_EQ(why(kColumns + "0a4d570000000001,water-v1" + kKeys), "read");
  EXPECT_EQ(why(kColumns + "0a4d570000000001,watr" + kKeys),
            (folder_ / "meters.csv").string() + ": line 2: profile: there is no \"watr\"; give its file (--profile)");
  EXPECT_THAT(why("eui\n0a4d570000000001\n"), HasSubstr("line 2: nwkskey: the simulator needs the meter's keys"));
  EXPECT_THAT(why("eui\n0a4d57\n"), HasSubstr("line 2: eui: 16 hex digits are expected"));
  EXPECT_THAT(why("eui\n"), HasSubstr("there is no meter in it"));
  write("gateways.csv", "id\ngw-1\n");
  EXPECT_THAT(why("eui\n"), HasSubstr("gateways.csv: line 2: primary_key: the simulator needs it"));
}

TEST_F(TownOfFiles, IsNotATownOfOtherKeys) {
  write("meters.csv", kColumns + "0a4d570000000001,water-v1" + kKeys);
  base::MemoryDisk disk;
  ASSERT_TRUE(Fleet::open(*read_registry_files(folder_.string(), {water()}), {}, disk, kPath, kStart));
  ASSERT_TRUE(Fleet::open(*read_registry_files(folder_.string(), {water()}), {}, disk, kPath, kStart));
  write("meters.csv", kColumns + "0a4d570000000002,water-v1" + kKeys);
  EXPECT_EQ(Fleet::open(*read_registry_files(folder_.string(), {water()}), {}, disk, kPath, kStart).error().code,
            base::Errc::kPrecondition);
}

// Opens every frame with the meter's keys and reads it by the file alone.
class WaterFleet {
 public:
  explicit WaterFleet(std::vector<Fault> faults = {}) : town_(*read_registry_files(kExample, {profile_})) {
    fleet_ = *Fleet::open(town_, {.interval = seconds(5), .faults = std::move(faults)}, disk_, kPath, kStart);
    for (std::uint32_t i = 0; i < town_.meters.size(); ++i) meter_of_[town_.meters[i].dev_addr.value] = i;
  }
  void run(seconds span) {
    for (auto now = kStart; now < kStart + span; now += std::chrono::milliseconds(100)) {
      const auto uplinks = fleet_->step(now);
      ASSERT_TRUE(uplinks);
      for (const auto& uplink : *uplinks) take(uplink);
    }
    ASSERT_TRUE(fleet_->flush());
  }
  // By (meter's EUI, counter): the values decoded; none when it could not be.
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::vector<std::int64_t>> heard;
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::vector<std::int64_t>> meant() const {
    std::map<std::uint64_t, SentPacket> packets;
    decltype(heard) out;
    EXPECT_TRUE(read_sent(disk_, kPath, [&](const SentRecord& record) {
      if (const auto* packet = std::get_if<SentPacket>(&record)) packets[packet->number] = *packet;
      const auto* fields = std::get_if<SentFields>(&record);
      if (fields == nullptr) return;
      EXPECT_EQ(fields->columns, 0) << "a water meter has none of the gas meter's figures";
      const auto& packet = packets.at(fields->packet);
      if (!packet.heard_by.empty())
        out[{packet.meter.value, packet.fcnt}] = packet.undecodable ? std::vector<std::int64_t>() : fields->values;
    }));
    return out;
  }

 private:
  void take(const Uplink& uplink) {
    const auto parsed = lorawan::parse_gateway_body(base::as_bytes(uplink.body), town_.gateways[uplink.gateway].eui);
    ASSERT_TRUE(parsed);
    const auto content = json::parse(base::as_text(parsed->json));
    if (!content.contains("rxpk")) return;
    for (const auto& rxpk : content["rxpk"]) {
      if (rxpk["stat"] == 1) open(*base::base64_decode(rxpk["data"].get<std::string>()));
    }
  }
  void open(base::BytesView bytes) {
    const auto frame = lorawan::parse_frame(bytes);
    if (!frame) return;
    const auto& data = std::get<lorawan::DataFrame>(*frame);
    const auto found = meter_of_.find(data.dev_addr.value);
    if (found == meter_of_.end()) return;  // a neighbour's
    const auto& meter = town_.meters[found->second];
    for (std::uint32_t high = 0; high < 16; ++high) {
      const auto fcnt = high << 16 | data.fcnt16;
      if (!lorawan::mic_matches(data, meter.nwk_skey, fcnt)) continue;
      const auto plain =
          lorawan::crypt_payload(meter.app_skey, lorawan::Direction::kUp, meter.dev_addr, fcnt, data.payload);
      meter::Reading reading;
      heard[{meter.eui.value, fcnt}] =
          meter::decode(profile_, plain, reading) ? reading.numbers : std::vector<std::int64_t>();
    }
  }

  meter::Profile profile_ = water();
  Town town_;
  base::MemoryDisk disk_;
  std::unique_ptr<Fleet> fleet_;
  std::map<std::uint32_t, std::uint32_t> meter_of_;
};

TEST(WaterFleet, SendsWhatTheTruthSaysInThePayloadOfItsProfile) {
  WaterFleet fleet;
  fleet.run(seconds(60));
  EXPECT_GT(fleet.heard.size(), 150u);
  EXPECT_EQ(fleet.heard, fleet.meant());
}

TEST(WaterFleet, SendsGarbageThatItsOwnProfileRefuses) {
  WaterFleet fleet({{FaultKind::kGarbage, seconds(10), {}}});
  fleet.run(seconds(60));
  EXPECT_EQ(fleet.heard, fleet.meant());
  EXPECT_EQ(std::ranges::count_if(fleet.heard, [](const auto& one) { return one.second.empty(); }), 1);
}

}  // namespace
}  // namespace meterhub::sim
