#include <meterhub/hub/presence.h>

#include <gtest/gtest.h>

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;

base::Timestamp at(std::chrono::seconds time) { return base::Timestamp(time); }

TEST(PresenceBoard, KnowsWhoIsConnectedSinceWhen) {
  PresenceBoard board;
  EXPECT_EQ(board.of("gw-1"), Presence());
  board.connected("gw-1", at(10s));
  board.active("gw-1", at(12s));
  EXPECT_EQ(board.of("gw-1"), (Presence{true, at(10s), at(12s)}));
  EXPECT_EQ(board.connected(), 1u);
  board.disconnected("gw-1", at(20s));
  EXPECT_EQ(board.of("gw-1"), (Presence{false, at(20s), at(12s)}));
  EXPECT_EQ(board.connected(), 0u);
}

TEST(PresenceBoard, NewsAreToldOnce) {
  PresenceBoard board;
  board.connected("gw-1", at(10s));
  board.disconnected("gw-1", at(11s));
  const auto news = board.take_news();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].second, (Presence{false, at(11s), at(10s)}));
  EXPECT_TRUE(board.take_news().empty());
}

TEST(PresenceBoard, ActivityAloneIsNewsNowAndThen) {
  PresenceBoard board;
  board.connected("gw-1", at(0s));
  board.take_news();
  for (int i = 1; i < 600; ++i) board.active("gw-1", at(std::chrono::seconds(i)));
  EXPECT_TRUE(board.take_news().empty());
  board.active("gw-1", at(600s));
  EXPECT_EQ(board.take_news().size(), 1u);
}

TEST(PresenceBoard, RestoresWhatItDoesNotKnowBetter) {
  PresenceBoard board;
  board.connected("gw-1", at(100s));
  board.restore("gw-1", at(1s), at(2s));
  board.restore("gw-2", at(1s), at(2s));
  EXPECT_TRUE(board.of("gw-1").connected);
  EXPECT_EQ(board.of("gw-2"), (Presence{false, at(1s), at(2s)}));
  board.take_news();
  EXPECT_TRUE(board.take_news().empty());
}

TEST(PresenceBoard, ForgetsADeviceThatIsNoMore) {
  PresenceBoard board;
  board.connected("gw-1", at(1s));
  board.forget("gw-1");
  EXPECT_EQ(board.connected(), 0u);
  EXPECT_EQ(board.of("gw-1"), Presence());
  EXPECT_TRUE(board.take_news().empty());
  board.disconnected("gw-1", at(2s));
  EXPECT_EQ(board.of("gw-1"), Presence());
}

}  // namespace
}  // namespace meterhub::hub
