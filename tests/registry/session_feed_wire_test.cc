#include <meterhub/registry/session_feed.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meterhub::registry {
namespace {

using base::Errc;

FeedMessage round_trip(const FeedMessage& message) {
  base::Bytes bytes;
  encode(message, bytes);
  std::size_t used = 0;
  auto decoded = decode(bytes, used);
  EXPECT_TRUE(decoded);
  EXPECT_EQ(used, bytes.size());
  return **decoded;
}

TEST(SessionFeedWire, CarriesEveryMessage) {
  EXPECT_TRUE(std::holds_alternative<SnapshotBegin>(round_trip(SnapshotBegin{})));
  EXPECT_TRUE(std::holds_alternative<SnapshotEnd>(round_trip(SnapshotEnd{})));
  const Heartbeat beat{base::Timestamp(base::Duration(1'700'000'000'123'456))};
  EXPECT_EQ(std::get<Heartbeat>(round_trip(beat)), beat);
  const SessionsDropped dropped{{{base::MeterNumber(7), base::SessionNumber(2)}}};
  EXPECT_EQ(std::get<SessionsDropped>(round_trip(dropped)), dropped);
}

TEST(SessionFeedWire, CarriesASessionWhole) {
  lorawan::Session session{base::DevAddr(0x01a2b3c4), base::Eui64(0xffffffffffffff01), base::MeterNumber(9),
                           base::SessionNumber(3), {}, {}, 16};
  session.nwk_skey.fill(0xAB);
  session.app_skey.fill(0xCD);
  const auto back = std::get<SessionsPut>(round_trip(SessionsPut{{session}})).sessions.at(0);
  EXPECT_EQ(back.dev_addr, session.dev_addr);
  EXPECT_EQ(back.dev_eui, session.dev_eui);
  EXPECT_EQ(back.meter, session.meter);
  EXPECT_EQ(back.number, session.number);
  EXPECT_EQ(back.nwk_skey, session.nwk_skey);
  EXPECT_EQ(back.app_skey, session.app_skey);
  EXPECT_EQ(back.last_high_word, 16);
}

TEST(SessionFeedWire, WaitsForTheRestOfAFrame) {
  base::Bytes bytes;
  encode(SessionsPut{{lorawan::Session{}}}, bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::size_t used = 1;
    const auto decoded = decode(base::BytesView(bytes).first(size), used);
    ASSERT_TRUE(decoded);
    EXPECT_FALSE(*decoded);
    EXPECT_EQ(used, 0u);
  }
}

TEST(SessionFeedWire, RefusesWhatItCannotHaveWritten) {
  std::size_t used = 0;
  const auto code = [&](base::Bytes bytes) { return decode(bytes, used).error().code; };
  EXPECT_EQ(code({0, 0, 0, 0}), Errc::kCorrupt);
  EXPECT_EQ(code({1, 0, 0, 0, 99}), Errc::kCorrupt);
  EXPECT_EQ(code({2, 0, 0, 0, 1, 0}), Errc::kCorrupt);
  EXPECT_EQ(code({3, 0, 0, 0, 3, 0, 0}), Errc::kCorrupt);
  EXPECT_EQ(code({0xFF, 0xFF, 0xFF, 0x7F}), Errc::kTooLarge);
}

}  // namespace
}  // namespace meterhub::registry
