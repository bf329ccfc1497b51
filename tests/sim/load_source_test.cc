#include <meterhub/sim/load_source.h>

#include <map>
#include <set>

#include <gtest/gtest.h>

#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/report.h>
#include <meterhub/meter/reading.h>

namespace meterhub::sim {
namespace {

constexpr base::Timestamp kNow{std::chrono::seconds(1'700'000'000) + std::chrono::microseconds(123'456)};

// The frame's bytes as a network server would find them; checks all that stands around them.
base::Bytes frame_in(const LoadMessage& message) {
  lorawan::Report report;
  EXPECT_EQ(lorawan::ReportReader().read(message.body, lorawan::ExtraPolicy::kIgnore, report), lorawan::PacketError::kNone) << message.body;
  EXPECT_EQ(report.packets.size(), 1U);
  const auto& packet = report.packets.at(0);
  EXPECT_EQ(packet.error, lorawan::PacketError::kNone);
  EXPECT_FALSE(packet.size_differs);
  EXPECT_EQ(packet.time, (base::PreciseTime{kNow, 6}));
  EXPECT_LT(packet.rssi.value_or(0), -59);
  return packet.phy;
}

LoadIdentity identity_of(const LoadTown& town, const LoadMessage& message, std::uint32_t first_fcnt) {
  return {static_cast<std::uint32_t>(message.packet % town.meters()), static_cast<std::uint32_t>(message.packet / town.meters()) + first_fcnt};
}

TEST(LoadSource, MakesFramesThatTheMetersKeysOpen) {
  const auto town = LoadTown::create(100, 3).value();
  LoadSource source(town, 70'000, 0);
  source.plan(1, 20);  // no multiple of the kernel's eight
  for (const auto& message : source.encode(kNow)) {
    const auto phy = frame_in(message);
    const auto [index, fcnt] = identity_of(town, message, 70'000);
    const auto meter = town.meter(index);
    const auto parsed = lorawan::parse_frame(phy);
    ASSERT_TRUE(parsed);
    const auto& frame = std::get<lorawan::DataFrame>(*parsed);
    EXPECT_EQ(frame.dev_addr, meter.dev_addr);
    EXPECT_TRUE(lorawan::mic_matches(frame, meter.nwk_skey, fcnt));
    const auto payload = lorawan::crypt_payload(meter.app_skey, lorawan::Direction::kUp, meter.dev_addr, fcnt, frame.payload);
    meter::MeterState state;
    const auto figures = town.figures(index, fcnt);
    state.bought_litres = figures.bought;
    state.left_litres = figures.left;
    state.used_litres = figures.used;
    const auto expected = meter::encode_v1(state);
    EXPECT_EQ(payload, base::Bytes(expected.begin(), expected.end()));
  }
}

TEST(LoadSource, LetsEveryMeterSpeakBeforeOneSpeaksAgain) {
  const auto town = LoadTown::create(50, 2).value();
  LoadSource source(town, 5, 0);
  source.plan(0, 25);
  std::set<std::uint64_t> first;
  for (const auto& message : source.encode(kNow)) first.insert(message.packet);
  EXPECT_EQ(first.size(), 25U);
  EXPECT_EQ(*first.rbegin(), 24U) << "all of the first round";
  EXPECT_EQ(source.next_fcnt(), 6U);
  source.plan(0, 1);
  EXPECT_EQ(source.encode(kNow).front().packet / town.meters(), 1U);
  EXPECT_EQ(source.next_fcnt(), 7U);
}

TEST(LoadSource, SendsCopiesThroughTheNextGateway) {
  const auto town = LoadTown::create(100'000, 2).value();
  LoadSource source(town, 0, 0.14);
  source.plan(0, 10'000);
  std::map<std::uint64_t, base::Bytes> sent;
  for (const auto& message : source.encode(kNow)) sent[message.packet] = frame_in(message);
  source.plan(1, 3'000);
  std::size_t copies = 0;
  for (const auto& message : source.encode(kNow)) {
    if (!message.copy) continue;
    ++copies;
    EXPECT_EQ(frame_in(message), sent.at(message.packet));
  }
  EXPECT_NEAR(static_cast<double>(copies), 1'400, 150);
}

}  // namespace
}  // namespace meterhub::sim
