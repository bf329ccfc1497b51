#include <meterhub/sim/fleet.h>

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/join.h>
#include <meterhub/meter/reading.h>

namespace meterhub::sim {
namespace {

using nlohmann::json;
using std::chrono::seconds;

const std::string kPath = "sent.mhs";
constexpr base::Timestamp kStart{seconds(1'700'000'000)};

// A fleet at work, and what its gateways sent.
struct LivingFleet {
  base::MemoryDisk disk;
  TownOptions town;
  FleetOptions options{.interval = seconds(5)};
  std::unique_ptr<Fleet> fleet;
  base::Timestamp now = kStart;
  std::vector<Uplink> sent;

  void open() {
    auto opened = Fleet::open(*make_town(town), options, disk, kPath, now);
    ASSERT_TRUE(opened) << opened.error().text;
    fleet = std::move(*opened);
  }
  void run(seconds span) {
    for (const auto end = now + span; now < end;) {
      now += std::chrono::milliseconds(100);
      auto uplinks = fleet->step(now);
      ASSERT_TRUE(uplinks);
      for (auto& uplink : *uplinks) {
        fleet->ended(uplink.delivery, DeliveryEnd::kSettled);
        sent.push_back(std::move(uplink));
      }
    }
    ASSERT_TRUE(fleet->flush());
  }
  SentTruth truth() { return *load_sent(disk, kPath); }
  json body(const Uplink& uplink) {
    const auto& gateway = fleet->town().gateways[uplink.gateway];
    const auto parsed = lorawan::parse_gateway_body(base::as_bytes(uplink.body), gateway.eui);
    EXPECT_TRUE(parsed);
    return json::parse(base::as_text(parsed->json));
  }
};

TEST(Fleet, SendsNothingButDatagramsWhenAsked) {
  LivingFleet run;
  run.town = {.meters = 60};
  run.options.datagrams_only = true;
  run.open();
  run.run(seconds(10));
  ASSERT_FALSE(run.sent.empty());
  for (const auto& uplink : run.sent) {
    EXPECT_EQ(uplink.body.at(0), 2);
    run.body(uplink);
  }
}

TEST(Fleet, SendsFramesThatOpenToTheTruth) {
  LivingFleet run;
  run.town = {.meters = 60};
  run.open();
  run.run(seconds(10));
  const auto truth = run.truth();
  std::map<std::pair<std::uint32_t, std::uint16_t>, const SentPacket*> packets;  // (DevAddr, counter)
  std::map<std::uint32_t, const SimMeter*> meters;
  for (const auto& meter : run.fleet->town().meters) meters[meter.dev_addr.value] = &meter;
  std::map<std::uint64_t, std::uint32_t> address_of;
  for (const auto& meter : run.fleet->town().meters) address_of[meter.eui.value] = meter.dev_addr.value;
  for (const auto& outcome : truth.packets) {
    packets[{address_of[outcome.packet.meter.value], static_cast<std::uint16_t>(outcome.packet.fcnt)}] = &outcome.packet;
  }
  std::set<std::uint64_t> opened;
  for (const auto& uplink : run.sent) {
    const auto content = run.body(uplink);
    if (!content.contains("rxpk")) continue;
    for (const auto& rxpk : content["rxpk"]) {
      const auto bytes = base::base64_decode(rxpk["data"].get<std::string>());
      const auto frame = lorawan::parse_frame(*bytes);
      if (!frame || rxpk["stat"] != 1) continue;
      const auto& data = std::get<lorawan::DataFrame>(*frame);
      const auto found = packets.find({data.dev_addr.value, data.fcnt16});
      if (found == packets.end()) continue;  // a neighbour's
      const auto& packet = *found->second;
      const auto& meter = *meters[data.dev_addr.value];
      ASSERT_TRUE(lorawan::mic_matches(data, meter.nwk_skey, packet.fcnt));
      const auto plain = lorawan::crypt_payload(meter.app_skey, lorawan::Direction::kUp, meter.dev_addr, packet.fcnt, data.payload);
      meter::Reading reading;
      ASSERT_TRUE(meter::decode(*meter::builtin_profile("v1"), plain, reading));
      EXPECT_EQ(reading.litres(meter::Role::kLeft), packet.left_litres);
      EXPECT_EQ(reading.litres(meter::Role::kUsed), packet.used_litres);
      EXPECT_EQ(reading.number(meter::Role::kStatus), packet.status);
      opened.insert(packet.number);
    }
  }
  EXPECT_EQ(opened.size() + truth.lost_on_air, truth.packets.size());
}

TEST(Fleet, IsHeardByTwoGatewaysAtLeastInThreeOfTenFramesAndLosesOneInAHundred) {
  LivingFleet run;
  run.open();
  run.run(seconds(30));
  const auto truth = run.truth();
  std::size_t twice = 0;
  for (const auto& outcome : truth.packets) twice += outcome.packet.heard_by.size() >= 2 ? 1 : 0;
  const auto all = static_cast<double>(truth.packets.size());
  EXPECT_NEAR(all, 6'000, 60);
  EXPECT_GE(static_cast<double>(twice) / all, 0.3);
  EXPECT_NEAR(static_cast<double>(truth.lost_on_air) / all, 0.01, 0.005);
}

// What a body of examples/plugin-xor holds, opened byte by byte.
std::vector<std::pair<std::uint64_t, std::string>> readings_of(std::string_view body, char key) {
  std::vector<std::pair<std::uint64_t, std::string>> out;
  while (body.size() > 13) {
    const auto size = static_cast<std::size_t>(body[12]);
    std::string payload(body.substr(13, size));
    for (char& c : payload) c = static_cast<char>(c ^ key);
    std::uint64_t meter = 0;
    for (const char c : body.substr(0, 8)) meter = meter << 8 | static_cast<std::uint8_t>(c);
    out.emplace_back(meter, std::move(payload));
    body.remove_prefix(14 + size);
  }
  EXPECT_TRUE(body.empty());
  return out;
}

TEST(Fleet, SendsAVendorsOwnBodiesThatHoldTheTruth) {
  LivingFleet run;
  run.town = {.meters = 300};
  run.options.xor_key = "k";
  run.open();
  run.run(seconds(10));
  const auto truth = run.truth();
  std::map<std::uint64_t, std::set<std::int64_t>> used;  // by meter
  std::uint64_t receptions = 0;
  for (const auto& outcome : truth.packets) {
    used[outcome.packet.meter.value].insert(outcome.packet.used_litres);
    receptions += outcome.packet.heard_by.size();
    EXPECT_FALSE(outcome.packet.time_certain);
  }
  std::size_t readings = 0, bodies_of_many = 0;
  for (const auto& uplink : run.sent) {
    ASSERT_EQ(uplink.body.substr(0, 2), "XR");
    const auto found = readings_of(std::string_view(uplink.body).substr(10), 'k');
    bodies_of_many += found.size() > 1 ? 1 : 0;
    readings += found.size();
    for (const auto& [meter, payload] : found) {
      meter::Reading reading;
      ASSERT_TRUE(meter::decode(*meter::builtin_profile("v1"), base::as_bytes(payload), reading));
      EXPECT_TRUE(used[meter].contains(*reading.litres(meter::Role::kUsed)));
    }
  }
  EXPECT_EQ(readings, receptions);
  EXPECT_GT(bodies_of_many, 0U);
}

TEST(Fleet, RefusesAVendorsMetersThatJoin) {
  LivingFleet run;
  run.options.xor_key = "k";
  const auto opened = Fleet::open(*make_town({.meters = 3, .otaa_meters = 1}), run.options, run.disk, kPath, run.now);
  EXPECT_EQ(opened.error().code, base::Errc::kInvalidArgument);
}

TEST(Fleet, SaysTheSameAgainForTheSameSeed) {
  const auto bodies = [] {
    LivingFleet run;
    run.town = {.meters = 40};
    run.options.faults = demo_faults();
    run.open();
    run.run(seconds(100));
    std::string all;
    for (const auto& uplink : run.sent) all += uplink.body;
    return all;
  };
  EXPECT_EQ(bodies(), bodies());
}

TEST(Fleet, GoesOnWhereItStopped) {
  LivingFleet run;
  run.town = {.meters = 30};
  run.open();
  run.run(seconds(20));
  const auto before = run.truth().packets.size();
  run.now += seconds(100);
  run.open();
  run.run(seconds(20));
  std::map<std::uint64_t, SentPacket> last;
  const auto truth = run.truth();
  EXPECT_GT(truth.packets.size(), before);
  std::uint64_t number = 0;
  for (const auto& outcome : truth.packets) {
    const auto& packet = outcome.packet;
    EXPECT_EQ(packet.number, number++);
    const auto [previous, first] = last.try_emplace(packet.meter.value, packet);
    if (first) continue;
    EXPECT_EQ(packet.fcnt, previous->second.fcnt + 1);
    EXPECT_GE(packet.used_litres, previous->second.used_litres);
    previous->second = packet;
  }
}

TEST(Fleet, SaysWhichTownItsTruthBelongsTo) {
  LivingFleet run;
  run.town = {.seed = 99, .meters = 30, .otaa_meters = 2};
  EXPECT_FALSE(continued_town(run.disk, kPath)->has_value());
  run.open();
  const auto town = continued_town(run.disk, kPath);
  ASSERT_TRUE(town && *town);
  EXPECT_EQ((*town)->seed, 99u);
  EXPECT_EQ((*town)->otaa_meters, 2u);
}

TEST(Fleet, RefusesTheTruthOfAnotherTown) {
  LivingFleet run;
  run.town = {.meters = 30};
  run.open();
  const auto other = Fleet::open(*make_town({.seed = 2, .meters = 30}), run.options, run.disk, kPath, kStart);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, base::Errc::kPrecondition);
}

TEST(Fleet, WritesNothingOutWhenTheTruthCannotBeWritten) {
  base::MemoryDisk memory;
  base::FaultyDisk disk(memory);
  auto fleet = Fleet::open(*make_town({.meters = 100}), {.interval = seconds(1)}, disk, kPath, kStart);
  ASSERT_TRUE(fleet);
  disk.fail_from(0);
  EXPECT_FALSE((*fleet)->step(kStart + seconds(1)));
}

class FleetInTrouble : public testing::Test {
 protected:
  void SetUp() override {
    run.town = {.meters = 200, .meters_per_gateway = 50, .otaa_meters = 1};
    run.options.lost_on_air = 0;
    run.options.faults = demo_faults();
    run.open();
  }
  // What the registry would do with the join-requests sent so far.
  void answer_joins() {
    const auto& device = run.fleet->town().meters[0];
    for (const auto& uplink : run.sent) {
      const auto content = run.body(uplink);
      if (!content.contains("rxpk")) continue;
      for (const auto& rxpk : content["rxpk"]) answer(device, *base::base64_decode(rxpk["data"].get<std::string>()));
    }
    run.sent.clear();
  }
  void answer(const SimMeter& device, const base::Bytes& bytes) {
    const auto frame = lorawan::parse_frame(bytes);
    if (!frame || !std::holds_alternative<lorawan::JoinRequestFrame>(*frame)) return;
    const auto& request = std::get<lorawan::JoinRequestFrame>(*frame);
    if (!lorawan::join_request_matches(request, device.app_key) || !nonces.insert(request.dev_nonce).second) return;
    const lorawan::JoinAccept accept{.app_nonce = ++joins, .net_id = 0, .dev_addr = base::DevAddr(500 + joins), .cf_list = {}};
    const auto keys = lorawan::derive_session_keys(device.app_key, joins, 0, request.dev_nonce);
    const lorawan::Session session{accept.dev_addr, device.eui, {}, base::SessionNumber(joins), keys.nwk_skey, keys.app_skey, 0};
    EXPECT_TRUE(run.fleet->hear_join_accept(lorawan::build_join_accept(device.app_key, accept), session));
  }
  void live(int steps) {
    for (int i = 0; i < steps; ++i) {
      run.run(seconds(5));
      answer_joins();
    }
  }
  std::vector<SentPacket> of(std::uint32_t meter) {
    std::vector<SentPacket> packets;
    for (const auto& outcome : run.truth().packets) {
      if (outcome.packet.meter == run.fleet->town().meters[meter].eui) packets.push_back(outcome.packet);
    }
    return packets;
  }

  LivingFleet run;
  std::set<std::uint16_t> nonces;
  std::uint32_t joins = 0;
};

TEST_F(FleetInTrouble, HasEveryFaultOnceAndSurvivesThem) {
  live(24);
  const auto truth = run.truth();
  EXPECT_EQ(truth.faults.size(), demo_faults().size());
  std::size_t undecodable = 0;
  for (const auto& outcome : truth.packets) {
    undecodable += outcome.packet.undecodable ? 1 : 0;
    EXPECT_EQ(outcome.settled, outcome.packet.heard_by.size());
  }
  EXPECT_EQ(undecodable, 1u);
  run.open();
  live(4);
  EXPECT_EQ(run.truth().faults.size(), demo_faults().size());
}

TEST_F(FleetInTrouble, GivesTheRejoinedMeterANewSessionAndCountersFromZero) {
  live(24);
  const auto packets = of(0);
  ASSERT_FALSE(packets.empty());
  EXPECT_EQ(packets.front().session.value, 1u);
  EXPECT_EQ(packets.back().session.value, 2u);
  for (const auto& packet : packets) {
    if (packet.session.value == 2) {
      EXPECT_EQ(packet.fcnt, 0u);
      break;
    }
  }
}

TEST_F(FleetInTrouble, RestartsOneCounterInTheNextGeneration) {
  live(24);
  std::uint32_t generations = 0;
  for (const auto& outcome : run.truth().packets) generations = std::max(generations, outcome.packet.generation.value);
  EXPECT_EQ(generations, 1u);
}

TEST_F(FleetInTrouble, LetsOneMeterFallSilentForGood) {
  live(24);
  const auto packets = of(199);
  ASSERT_FALSE(packets.empty());
  EXPECT_LE(packets.back().time, kStart + seconds(71));
}

TEST_F(FleetInTrouble, KeepsWhatACutOffGatewayHeardAndSendsItLater) {
  const auto last = static_cast<std::uint32_t>(run.fleet->town().gateways.size() - 1);
  run.run(seconds(22));
  run.sent.clear();
  run.run(seconds(26));
  for (const auto& uplink : run.sent) EXPECT_NE(uplink.gateway, last);
  run.sent.clear();
  run.run(seconds(4));
  std::size_t backlog = 0;
  for (const auto& uplink : run.sent) backlog += uplink.gateway == last ? 1 : 0;
  EXPECT_GT(backlog, 20u);
}

TEST_F(FleetInTrouble, TellsAWrongYearAndCallsNoSuchTimeCertain) {
  run.run(seconds(62));
  run.sent.clear();
  run.run(seconds(10));
  bool wrong = false;
  for (const auto& uplink : run.sent) {
    const auto content = run.body(uplink);
    if (content.contains("rxpk")) wrong |= content["rxpk"][0].value("time", "").starts_with("2033");
  }
  EXPECT_TRUE(wrong);
  for (const auto& outcome : run.truth().packets) {
    const auto& packet = outcome.packet;
    const bool by_first = std::ranges::find(packet.heard_by, 0u) != packet.heard_by.end();
    if (packet.time > kStart + seconds(62) && by_first) {
      EXPECT_FALSE(packet.time_certain);
    }
  }
}

// What each kind of trouble looks like from outside, over all meters of a town.
TEST(Fleet, TroubledMetersSendWhatTheirTroubleIs) {
  LivingFleet run;
  run.town = {.meters = 400};
  run.options.troubled = 0.5;
  run.open();
  run.run(seconds(150));  // thirty packets
  std::map<std::uint64_t, std::vector<SentPacket>> packets;
  for (const auto& outcome : run.truth().packets) packets[outcome.packet.meter.value].push_back(outcome.packet);
  std::map<std::string, int> seen;
  for (const auto& meter : run.fleet->town().meters) {
    const auto& its = packets[meter.eui.value];
    if (its.empty()) {
      ++seen["never"];
      continue;
    }
    const auto& last = its.back();
    if (its.size() < 25) ++seen["silent"];
    if ((last.status & 0x2) != 0 && last.left_litres > 0) ++seen["closed"];
    EXPECT_NE((last.status & 0x2) != 0, (last.status & 0x4) != 0) << "the valve is open or closed";
    if ((last.status & 0x8) != 0) ++seen["case"];
    if ((last.status & 0x10) != 0) ++seen["sensor"];
    if (its.front().left_litres < 5'000) ++seen["low"];
    if (last.used_litres < its.front().used_litres) ++seen["backwards"];
    EXPECT_EQ(static_cast<std::int64_t>(last.bought_litres) - last.used_litres, last.left_litres);
  }
  for (const auto* const kind : {"never", "silent", "closed", "case", "sensor", "low", "backwards"}) {
    EXPECT_GT(seen[kind], 10) << kind;
    EXPECT_LT(seen[kind], 50) << kind;
  }
}

}  // namespace
}  // namespace meterhub::sim
