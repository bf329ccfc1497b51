// Messages to people in database.sqlite.
#include <meterhub/tables/outbox.h>

#include <gmock/gmock.h>

#include <meterhub/tables/database.h>

#include "temporary_directory.h"

namespace meterhub::tables::outbox {
namespace {

using std::chrono::minutes;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const Channel kDuty(1);
const Channel kGroup(2);

class Outbox : public testing::Test {
 protected:
  std::unique_ptr<Database> open() { return std::move(*Database::open(directory_ / "database.sqlite", clock_)); }
  template <class Work>
  void inside(Work&& work) {
    const auto done = database_->transact([&](db::Connection& connection) -> base::Result<void> {
      work(connection);
      return {};
    });
    ASSERT_TRUE(done) << done.error().text;
  }
  NewNotice notice(Channel channel, std::uint64_t episode = 1, bool escalation = false) const {
    return {channel, clock_.now(), episode, escalation, "leak", "body " + std::to_string(episode)};
  }
  void put(std::vector<NewNotice> notices, std::size_t waiting_max = 10'000) {
    inside([&](db::Connection& c) { ASSERT_TRUE(put_notices(c, notices, waiting_max, clock_.now())); });
  }
  std::vector<std::string> due(Channel channel) {
    std::vector<std::string> out;
    inside([&](db::Connection& c) {
      const auto found = due_notices(c, channel, clock_.now());
      ASSERT_TRUE(found) << found.error().text;
      for (const auto& one : found->notices) out.push_back(one.body);
    });
    return out;
  }
  MessageId message(Channel channel, const std::string& id = "m-1") {
    MessageId out;
    inside([&](db::Connection& c) {
      out = *put_message(c, {id, channel, "duty", "text"}, *due_notices(c, channel, clock_.now()), clock_.now());
    });
    return out;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Database> database_ = open();
};

TEST_F(Outbox, IsPartOfTheCallersTransaction) {
  const auto undone = database_->transact([&](db::Connection& c) -> base::Result<void> {
    const std::vector<NewNotice> notices{notice(kDuty)};
    MH_TRY_VOID(put_notices(c, notices, 10, clock_.now()));
    return base::fail(base::Errc::kInternal, "the episode was not written");
  });
  EXPECT_FALSE(undone);
  EXPECT_THAT(due(kDuty), IsEmpty());
}

TEST_F(Outbox, GivesWhatIsDueAfterARestart) {
  auto later = notice(kDuty, 2);
  later.due += minutes(30);
  put({notice(kDuty, 1), later, notice(kGroup, 3)});
  database_ = open();
  EXPECT_THAT(due(kDuty), ElementsAre("body 1"));
  EXPECT_THAT(due(kGroup), ElementsAre("body 3"));
  clock_.advance(minutes(30));
  EXPECT_THAT(due(kDuty), ElementsAre("body 1", "body 2"));
}

TEST_F(Outbox, AMessageTakesItsNoticesAndOnlyThose) {
  put({notice(kDuty, 1), notice(kGroup, 2)});
  message(kDuty);
  EXPECT_THAT(due(kDuty), IsEmpty());
  EXPECT_THAT(due(kGroup), ElementsAre("body 2"));
  inside([&](db::Connection& c) {
    const auto all = *work(c);
    EXPECT_EQ(all.at(kDuty).messages, 1U);
    EXPECT_EQ(all.at(kDuty).newest_message, clock_.now());
    EXPECT_FALSE(all.at(kDuty).first_due);
    EXPECT_EQ(all.at(kGroup).first_due, clock_.now());
  });
}

TEST_F(Outbox, TheOldestGiveWayAndAreCounted) {
  std::vector<NewNotice> many;
  for (std::uint64_t i = 1; i <= 25; ++i) many.push_back(notice(kDuty, i));
  put(many, 10);
  put({notice(kDuty, 26)}, 10);
  EXPECT_THAT(due(kDuty), testing::SizeIs(10));
  EXPECT_EQ(due(kDuty).back(), "body 26");
  inside([&](db::Connection& c) {
    EXPECT_THAT(due_notices(c, kDuty, clock_.now())->gathered, ElementsAre(Pair("leak", 16)));
  });
  message(kDuty);
  inside([&](db::Connection& c) { EXPECT_THAT(due_notices(c, kDuty, clock_.now())->gathered, IsEmpty()); });
}

TEST_F(Outbox, CountsWhatIsNotWorthARow) {
  inside([&](db::Connection& c) {
    ASSERT_TRUE(count_notices(c, kDuty, {{"leak", 3}}));
    ASSERT_TRUE(count_notices(c, kDuty, {{"leak", 4}, {"tamper", 1}}));
    EXPECT_THAT(due_notices(c, kDuty, clock_.now())->gathered, ElementsAre(Pair("leak", 7), Pair("tamper", 1)));
    EXPECT_THAT(due_notices(c, kGroup, clock_.now())->gathered, IsEmpty());
  });
}

TEST_F(Outbox, AcknowledgedEpisodesAreNotEscalated) {
  put({notice(kDuty, 1, true), notice(kDuty, 2, true), notice(kDuty, 1, false)});
  inside([&](db::Connection& c) {
    const std::vector<std::uint64_t> episodes{1, 7};
    EXPECT_EQ(*drop_escalations(c, episodes, "acknowledged"), 1U);
  });
  EXPECT_THAT(due(kDuty), ElementsAre("body 2", "body 1"));
}

TEST_F(Outbox, KnowsWhomItHasEscalatedTo) {
  put({notice(kDuty, 1, true)});
  inside([&](db::Connection& c) { EXPECT_FALSE(*Escalated::look(c)->of(1, kDuty)); });
  message(kDuty);
  inside([&](db::Connection& c) {
    auto escalated = *Escalated::look(c);
    EXPECT_TRUE(*escalated.of(1, kDuty));
    EXPECT_FALSE(*escalated.of(1, kGroup));
    EXPECT_FALSE(*escalated.of(2, kDuty));
  });
}

TEST_F(Outbox, WhatWasSentWaitsNoMore) {
  put({notice(kDuty)});
  const auto id = message(kDuty);
  inside([&](db::Connection& c) {
    ASSERT_TRUE(put_off(c, id, "status 500", clock_.now() + minutes(1)));
    const auto waiting = *waiting_messages(c, kDuty);
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting[0].attempts, 1U);
    EXPECT_EQ(waiting[0].next, clock_.now() + minutes(1));
    EXPECT_FALSE(*last_sent(c, kDuty));
    ASSERT_TRUE(mark_sent(c, id, "250 OK", clock_.now()));
  });
  database_ = open();
  inside([&](db::Connection& c) {
    EXPECT_THAT(*waiting_messages(c, kDuty), IsEmpty());
    EXPECT_EQ(*last_sent(c, kDuty), clock_.now());
    EXPECT_THAT(*work(c), IsEmpty());
  });
}

TEST_F(Outbox, ARemovedChannelLeavesWhyNothingWasSent) {
  put({notice(kDuty, 1)});
  message(kDuty);
  put({notice(kDuty, 2), notice(kGroup, 3)});
  inside([&](db::Connection& c) {
    EXPECT_EQ(*drop_channel(c, kDuty, "the channel was removed"), 2U);
    EXPECT_EQ(*c.query_integer(
                  "SELECT count(*) FROM outbox WHERE state = 'dropped' AND last_error = 'the channel was removed'"),
              1);
    EXPECT_EQ(*c.query_integer(
                  "SELECT count(*) FROM outbox_notices WHERE state = 'dropped' AND reason = 'the channel was removed'"),
              1);
  });
  EXPECT_THAT(due(kDuty), IsEmpty());
  EXPECT_THAT(due(kGroup), ElementsAre("body 3"));
}

TEST_F(Outbox, OldRowsGoAndThoseThatWaitStay) {
  put({notice(kDuty, 1)});
  const auto id = message(kDuty, "m-1");
  put({notice(kDuty, 2)});
  inside([&](db::Connection& c) { ASSERT_TRUE(mark_failed(c, id, "550 no such user")); });
  clock_.advance(std::chrono::days(31));
  inside([&](db::Connection& c) { EXPECT_EQ(*expire(c, clock_.now() - std::chrono::days(30), 100), 2U); });
  EXPECT_THAT(due(kDuty), ElementsAre("body 2"));
}

}  // namespace
}  // namespace meterhub::tables::outbox
