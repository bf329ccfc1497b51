// From a notice in a transaction to its server, with a clock and a network in the test's hand.
#include <meterhub/notify/notifier.h>

#include <deque>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <meterhub/tables/outbox.h>

#include "setup_fixture.h"
#include "temporary_directory.h"

namespace meterhub::notify {
namespace {

using namespace test;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// The servers of the world: what came, and what they answer.
class Network final : public Carrier {
 public:
  struct Call {
    std::string url, id, subject;
    std::size_t listed = 0;
    nlohmann::json more;
  };
  void carry(Parcel parcel, Done done) override {
    const auto& post = std::get<Post>(parcel);
    const auto body = nlohmann::json::parse(post.body);
    calls.push_back({post.url, std::string(http::field(post.headers, "X-Meterhub-Id")), body["subject"],
                     body["notices"].size(), body["more"]});
    if (hangs) {
      hanging.push_back(std::move(done));
    } else {
      done(http::Response::text(status, "said the server"));
    }
  }
  std::vector<std::string> subjects() const {
    std::vector<std::string> out;
    for (const auto& call : calls) out.push_back(call.subject);
    return out;
  }
  // Those who wait get their answer.
  void answer(unsigned with) {
    for (auto& done : std::exchange(hanging, {})) done(http::Response::text(with, ""));
  }

  unsigned status = 200;
  bool hangs = false;
  std::vector<Call> calls;
  std::vector<Done> hanging;
};

class NotifierTest : public testing::Test {
 protected:
  NotifierTest() {
    clock_.set_wall(at("2026-01-31T06:05:00Z"));
    EXPECT_TRUE(registry_->add_tenant("test", "重庆燃气"));
    add_channel("duty");
    add_channel("boss");
  }

  void add_channel(const std::string& name, bool enabled = true) {
    registry::ChannelSpec spec;
    spec.name = name;
    spec.kind = registry::ChannelKind::kWebhook;
    spec.language = "en";
    spec.url = "https://example.org/" + name;
    spec.enabled = enabled;
    const auto added = registry_->add_channel("test", spec);
    EXPECT_TRUE(added) << added.error().text;
  }
  void add_route(const std::string& channel, minutes escalate_after = {},
                 std::optional<registry::QuietHours> quiet = {}) {
    registry::RouteSpec spec;
    spec.channel = channel;
    spec.severity = "info";
    spec.escalate_after = escalate_after;
    spec.quiet = quiet;
    const auto added = registry_->add_route("test", spec);
    EXPECT_TRUE(added) << added.error().text;
  }
  void start() {
    notifier_ = *Notifier::create({*registry_, *database_, network_, executor_, metrics_}, options_);
    executor_.run_ready();
  }
  void stop() { notifier_.reset(); }
  // As the office role does.
  void tell(const std::vector<Notice>& notices) {
    const auto done =
        database_->transact([&](db::Connection& connection) { return notifier_->notices(notices, connection); });
    ASSERT_TRUE(done) << done.error().text;
    notifier_->committed();
    executor_.run_ready();
  }
  void acknowledge(const std::vector<std::uint64_t>& episodes) {
    ASSERT_TRUE(
        database_->transact([&](db::Connection& connection) { return notifier_->acknowledged(episodes, connection); }));
  }
  std::int64_t count(const std::string& sql) {
    std::int64_t out = -1;
    EXPECT_TRUE(database_->transact([&](db::Connection& connection) -> base::Result<void> {
      out = MH_TRY(connection.query_integer(sql)).value_or(0);
      return {};
    }));
    return out;
  }
  std::int64_t messages(const std::string& state) {
    return count("SELECT count(*) FROM outbox WHERE state = '" + state + "'");
  }

  static registry::Store::Options registry_options(const std::filesystem::path& file) {
    registry::Store::Options out;
    out.file = file;
    out.master_key.fill(7);
    return out;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  base::Metrics metrics_;
  Network network_;
  NotifierOptions options_;
  std::unique_ptr<registry::Store> registry_ =
      *registry::Store::open(registry_options(directory_ / "registry.sqlite"), clock_);
  std::unique_ptr<tables::Database> database_ = *tables::Database::open(directory_ / "database.sqlite", clock_);
  std::unique_ptr<Notifier> notifier_;
};

TEST_F(NotifierTest, TheFirstGoesAtOnceAndAMinutesWorthTogether) {
  add_route("duty");
  start();
  tell({leak(1)});
  ASSERT_THAT(network_.calls, SizeIs(1)) << "in the same moment";
  EXPECT_EQ(network_.calls[0].url, "https://example.org/duty");
  executor_.run_for(seconds(20));
  tell({leak(2)});
  executor_.run_for(seconds(20));
  tell({leak(3), leak(4)});
  executor_.run_for(seconds(19));
  EXPECT_THAT(network_.calls, SizeIs(1)) << "59 seconds later";
  executor_.run_for(seconds(2));
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[1].subject, "[urgent] 3 alarms: Possible gas leak 3");
  executor_.run_for(minutes(10));
  EXPECT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(messages("sent"), 2);
}

TEST_F(NotifierTest, ThousandsAreOneMessageAMinute) {
  add_route("duty");
  start();
  std::vector<Notice> many;
  for (std::uint64_t i = 1; i <= 5000; ++i) many.push_back(leak(i));
  tell(many);
  for (std::uint64_t i = 5001; i <= 5200; ++i) tell({leak(i)});
  executor_.run_for(minutes(5));
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[0].listed, 10U);
  EXPECT_EQ(network_.calls[0].more["leak"], 4990);
  EXPECT_EQ(network_.calls[1].more["leak"], 190);
}

TEST_F(NotifierTest, WhatIsTooMuchToKeepIsCounted) {
  options_.waiting_max = 100;
  add_route("duty");
  start();
  tell({leak(1)});
  std::vector<Notice> many;
  for (std::uint64_t i = 2; i <= 251; ++i) many.push_back(leak(i));
  tell(many);
  executor_.run_for(minutes(2));
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[1].subject, "[urgent] 250 alarms: Possible gas leak 250");
  EXPECT_EQ(metrics_.total("meterhub_notify_notices_gathered_total"), 150U);
}

TEST_F(NotifierTest, QuietHoursEndWithOneSummary) {
  add_route("duty", {}, registry::QuietHours{minutes(22 * 60), minutes(7 * 60)});
  clock_.set_wall(at("2026-01-31T15:00:00Z"));  // 23:00 in Chongqing
  start();
  tell({leak(1)});
  executor_.run_for(minutes(60));
  tell({leak(2), of_event(leak(1), NoticeEvent::kCleared)});
  auto emergency = leak(3);
  emergency.severity = Severity::kEmergency;
  EXPECT_THAT(network_.calls, IsEmpty());
  tell({emergency});
  ASSERT_THAT(network_.calls, SizeIs(1)) << "an emergency waits for no morning";
  EXPECT_THAT(network_.calls[0].subject, HasSubstr("[emergency]"));
  executor_.run_for(minutes(6 * 60 + 59));
  EXPECT_THAT(network_.calls, SizeIs(1)) << "06:59";
  executor_.run_for(minutes(2));
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[1].subject, "[urgent] 2 alarms: Possible gas leak 2");
}

TEST_F(NotifierTest, WhatNobodyTakesNoteOfGoesFurther) {
  add_route("duty");
  add_route("boss", minutes(30));
  start();
  tell({leak(1), leak(2)});
  executor_.run_for(minutes(10));
  acknowledge({2});
  executor_.run_for(minutes(21));
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[1].url, "https://example.org/boss");
  EXPECT_THAT(network_.calls[1].subject, HasSubstr("not acknowledged yet"));
  tell({of_event(leak(1), NoticeEvent::kCleared), of_event(leak(2), NoticeEvent::kCleared)});
  executor_.run_for(minutes(60));
  ASSERT_THAT(network_.calls, SizeIs(4)) << "the boss hears the end of what he heard of, and of nothing else";
  EXPECT_EQ(network_.calls[2].listed + network_.calls[3].listed, 3U);
}

TEST_F(NotifierTest, WhatClearsInTimeIsNotEscalated) {
  add_route("boss", minutes(30));
  start();
  tell({leak(1)});
  executor_.run_for(minutes(29));
  tell({of_event(leak(1), NoticeEvent::kCleared)});
  tell({leak(2), of_event(leak(2), NoticeEvent::kCleared)});
  executor_.run_for(minutes(120));
  EXPECT_THAT(network_.calls, IsEmpty());
}

TEST_F(NotifierTest, AServersTroubleIsTriedAgainWithTheSameId) {
  add_route("duty");
  start();
  network_.status = 500;
  tell({leak(1)});
  executor_.run_for(seconds(16));
  ASSERT_THAT(network_.calls, SizeIs(3)) << "at once, after 5 and after 15 s";
  network_.status = 200;
  executor_.run_for(seconds(30));
  ASSERT_THAT(network_.calls, SizeIs(4));
  for (const auto& call : network_.calls) EXPECT_EQ(call.id, network_.calls[0].id);
  EXPECT_EQ(messages("sent"), 1);
  EXPECT_EQ(count("SELECT attempts FROM outbox"), 3);
}

TEST_F(NotifierTest, ARefusalIsNotTriedAgain) {
  add_route("duty");
  start();
  network_.status = 404;
  tell({leak(1)});
  executor_.run_for(minutes(60));
  EXPECT_THAT(network_.calls, SizeIs(1));
  EXPECT_EQ(messages("failed"), 1);
  network_.status = 200;
  tell({leak(2)});
  EXPECT_THAT(network_.calls, SizeIs(2)) << "the next one goes at once";
}

TEST_F(NotifierTest, AMessageIsGivenUpAfterADay) {
  add_route("duty");
  start();
  network_.status = 503;
  tell({leak(1)});
  executor_.run_for(std::chrono::hours(25));
  EXPECT_EQ(messages("failed"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM outbox WHERE last_error LIKE 'given up after 24 h: status 503%'"), 1);
  const auto tried = network_.calls.size();
  EXPECT_LT(tried, 120U);
  executor_.run_for(std::chrono::hours(5));
  EXPECT_EQ(network_.calls.size(), tried);
}

TEST_F(NotifierTest, AnOutageLeavesFewMessagesAndLosesNone) {
  add_route("duty");
  start();
  network_.status = 503;
  for (std::uint64_t i = 1; i <= 120; ++i) {
    tell({leak(i)});
    executor_.run_for(minutes(1));
  }
  EXPECT_EQ(messages("waiting"), 3);
  network_.status = 200;
  network_.calls.clear();
  executor_.run_for(minutes(30));
  EXPECT_THAT(network_.calls, SizeIs(4)) << "the three that waited, and one of all the rest";
  std::uint64_t told = 0;
  for (const auto& call : network_.calls)
    told += call.listed + (call.more.contains("leak") ? call.more["leak"].get<std::uint64_t>() : 0);
  EXPECT_EQ(told, 120U);
}

TEST_F(NotifierTest, AServerThatHangsHoldsUpNobodyElse) {
  add_route("duty");
  start();
  network_.hangs = true;
  tell({leak(1)});
  ASSERT_THAT(network_.hanging, SizeIs(1));
  add_route("boss");
  executor_.run_for(seconds(2));
  network_.hangs = false;
  tell({leak(2)});
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[1].url, "https://example.org/boss");
  executor_.run_for(minutes(5));
  EXPECT_THAT(network_.calls, SizeIs(2)) << "one at a time to a channel";
  network_.answer(200);
  executor_.run_for(minutes(2));
  EXPECT_THAT(network_.calls, SizeIs(3));
}

TEST_F(NotifierTest, WhatWasSentIsNotSentAgainAfterARestart) {
  add_route("duty");
  start();
  tell({leak(1)});
  tell({leak(2)});
  stop();
  start();
  EXPECT_THAT(network_.calls, SizeIs(1)) << "and the minute still counts";
  executor_.run_for(minutes(3));
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[1].listed, 1U);
}

TEST_F(NotifierTest, WhatWasUnderWayIsSentAgainWithTheSameId) {
  add_route("duty");
  start();
  network_.hangs = true;
  tell({leak(1)});
  stop();
  network_.answer(200);
  executor_.run_ready();
  EXPECT_EQ(messages("waiting"), 1) << "the answer came too late to be written down";
  network_.hangs = false;
  start();
  ASSERT_THAT(network_.calls, SizeIs(2));
  EXPECT_EQ(network_.calls[1].id, network_.calls[0].id);
  EXPECT_EQ(network_.calls[1].subject, network_.calls[0].subject);
}

TEST_F(NotifierTest, WhatWaitsForAChannelThatGoesIsDropped) {
  add_route("duty");
  add_route("boss");
  start();
  network_.status = 503;
  tell({leak(1)});
  ASSERT_EQ(messages("waiting"), 2);
  ASSERT_TRUE(registry_->remove_channel("test", "duty"));
  auto boss = registry_->channel("boss")->spec;
  boss.enabled = false;
  ASSERT_TRUE(registry_->change_channel("test", boss));
  executor_.run_for(seconds(2));
  EXPECT_EQ(count("SELECT count(*) FROM outbox WHERE state = 'dropped' AND last_error = 'the channel was removed'"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM outbox WHERE state = 'dropped' AND last_error = 'the channel is switched off'"),
            1);
  const auto calls = network_.calls.size();
  network_.status = 200;
  add_channel("duty");  // takes the name, not what waited
  executor_.run_for(minutes(60));
  EXPECT_EQ(network_.calls.size(), calls);
}

TEST_F(NotifierTest, ChannelsAndRoutesCountSoonAfterTheyAreChanged) {
  start();
  tell({leak(1)});
  add_route("duty");
  executor_.run_for(seconds(2));
  tell({leak(2)});
  EXPECT_THAT(network_.subjects(), SizeIs(1));
  add_channel("late");
  add_route("late");
  notifier_->follow();
  executor_.run_ready();
  tell({leak(3)});
  EXPECT_THAT(network_.calls, SizeIs(2)) << "at once, when it is told";
}

TEST_F(NotifierTest, ANoticeOfATransactionThatFailsIsNotTold) {
  add_route("duty");
  start();
  EXPECT_FALSE(database_->transact([&](db::Connection& connection) -> base::Result<void> {
    const std::vector<Notice> one{leak(1)};
    MH_TRY_VOID(notifier_->notices(one, connection));
    return base::fail(base::Errc::kIo, "the disk is full");
  }));
  notifier_->committed();
  executor_.run_for(minutes(2));
  EXPECT_THAT(network_.calls, IsEmpty());
}

TEST_F(NotifierTest, EndsWhenTheLastAnswerIsThereOrItsPatienceIsOver) {
  add_route("duty");
  start();
  network_.hangs = true;
  tell({leak(1)});
  int ended = 0;
  notifier_->drain([&] { ++ended; });
  EXPECT_EQ(ended, 0);
  network_.answer(200);
  executor_.run_ready();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(messages("sent"), 1) << "what was answered is written down";
  stop();
  start();
  tell({leak(2)});
  executor_.run_for(minutes(2));
  notifier_->drain([&] { ++ended; });
  EXPECT_EQ(ended, 1);
  executor_.run_for(seconds(6));
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(messages("waiting"), 1);
}

TEST_F(NotifierTest, OldRowsGo) {
  add_route("duty");
  start();
  tell({leak(1)});
  EXPECT_EQ(messages("sent"), 1);
  clock_.advance(std::chrono::days(31));
  tell({leak(2)});
  EXPECT_EQ(messages("sent"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM outbox_notices"), 1);
}

}  // namespace
}  // namespace meterhub::notify
