#include <meterhub/registry/session_feed.h>

#include <gmock/gmock.h>

#include <map>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using namespace std::chrono_literals;

// What an NS holds after the messages so far.
struct Table final : SessionListener {
  void on_feed(const FeedMessage& message) override {
    if (std::holds_alternative<SnapshotBegin>(message)) ++snapshots;
    if (const auto* put = std::get_if<SessionsPut>(&message)) {
      largest = std::max(largest, put->sessions.size());
      for (const auto& session : put->sessions) sessions[{session.meter, session.number}] = session;
    }
    if (const auto* dropped = std::get_if<SessionsDropped>(&message)) {
      for (const auto& key : dropped->sessions) sessions.erase(key);
    }
    if (const auto* beat = std::get_if<Heartbeat>(&message)) current_to = beat->current_to;
  }
  std::map<SessionKey, lorawan::Session> sessions;
  base::Timestamp current_to{};
  int snapshots = 0;
  std::size_t largest = 0;
};

class SessionFeedTest : public RegistryTest {
 protected:
  base::ManualExecutor executor_{clock_};
  Table table_;
  SessionFeed feed_{*store_, executor_};
};

TEST_F(SessionFeedTest, SendsASnapshotInBlocksAndThenBeats) {
  auto import = store_->begin_import("test");
  for (std::uint64_t eui = 1; eui <= 5000; ++eui) ASSERT_TRUE((*import)->put_meter(abp(eui), false));
  ASSERT_TRUE((*import)->commit());
  import->reset();
  const auto subscription = feed_.subscribe(table_, executor_);
  executor_.run_for(1s);
  EXPECT_EQ(table_.sessions.size(), 5000u);
  EXPECT_EQ(table_.largest, kFeedBlock);
  EXPECT_GE(table_.current_to, clock_.now() - kFeedBeat);
}

TEST_F(SessionFeedTest, SendsAnEditOfAnotherProcessBeforeItClaimsToBeCurrent) {
  const auto subscription = feed_.subscribe(table_, executor_);
  executor_.run_for(1s);
  ASSERT_TRUE(open()->add_meter("test", abp(1)));
  const auto edited = clock_.now();
  executor_.run_for(kFeedBeat);
  EXPECT_EQ(table_.sessions.size(), 1u);
  EXPECT_GE(table_.current_to, edited);
}

TEST_F(SessionFeedTest, KeepsTheOldSessionBesideTheNewUntilItsKeysArePurged) {
  ASSERT_TRUE(store_->add_meter("test", abp(1, 0x11, 1)));
  const auto subscription = feed_.subscribe(table_, executor_);
  executor_.run_for(1s);
  ASSERT_TRUE(store_->update_meter("test", abp(1, 0x12, 2)));
  executor_.run_for(1s);
  EXPECT_EQ(table_.sessions.size(), 2u);
  ASSERT_TRUE(store_->purge_sessions(clock_.now() + 1s));
  executor_.run_for(1s);
  ASSERT_EQ(table_.sessions.size(), 1u);
  EXPECT_EQ(table_.sessions.begin()->second.dev_addr.value, 0x12u);
}

TEST_F(SessionFeedTest, DropsTheSessionsOfARemovedMeter) {
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  const auto subscription = feed_.subscribe(table_, executor_);
  executor_.run_for(1s);
  ASSERT_TRUE(store_->remove_meter("test", base::Eui64(1)));
  executor_.run_for(1s);
  EXPECT_TRUE(table_.sessions.empty());
}

TEST_F(SessionFeedTest, CarriesTheHighWordOfALongLivedCounter) {
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  const auto subscription = feed_.subscribe(table_, executor_);
  executor_.run_for(1s);
  ASSERT_TRUE(store_->set_high_word({base::MeterNumber(1), base::SessionNumber(1)}, 16));
  executor_.run_for(1s);
  EXPECT_EQ(table_.sessions.begin()->second.last_high_word, 16);
}

TEST_F(SessionFeedTest, BeginsAnewWhenAReceiverFellBehindWhatIsKept) {
  const auto subscription = feed_.subscribe(table_, executor_);
  executor_.run_for(1s);
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  ASSERT_TRUE(store_->prune_changes(clock_.now() + 1s));
  executor_.run_for(1s);
  EXPECT_EQ(table_.snapshots, 2);
  EXPECT_EQ(table_.sessions.size(), 1u);
}

TEST_F(SessionFeedTest, IsSilentAfterTheSubscriptionEnds) {
  auto subscription = feed_.subscribe(table_, executor_);
  executor_.run_for(1s);
  subscription.reset();
  const auto last = table_.current_to;
  executor_.run_for(1s);
  EXPECT_EQ(table_.current_to, last);
}

}  // namespace
}  // namespace meterhub::registry
