#include <meterhub/tables/episodes.h>

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/alarm/episodes.h>
#include <meterhub/db/connection.h>
#include <meterhub/tables/database.h>

#include "temporary_directory.h"

namespace meterhub::tables {
namespace {

using alarm::EpisodeId;
using alarm::Rule;
using alarm::Subject;
using alarm::SubjectKind;
using base::Errc;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

base::Timestamp second(std::int64_t n) { return base::Timestamp(std::chrono::seconds(1'700'000'000 + n)); }
Subject meter(std::uint64_t number) { return Subject::meter(base::Eui64(0xffff'ffff'ffff'ff00 + number)); }

alarm::Episode cleared(std::uint64_t id, std::int64_t at, std::uint32_t tenant = 1, Rule rule = Rule::kLeak) {
  return {.id = EpisodeId(id),
          .rule = rule,
          .subject = meter(id),
          .tenant = base::TenantNumber(tenant),
          .severity = alarm::Severity::kUrgent,
          .state = alarm::State::kCleared,
          .raised = second(at - 10),
          .last_seen = second(at - 5),
          .cleared = second(at),
          .count = 2,
          .judged = second(at)};
}

class EpisodesTest : public testing::Test {
 protected:
  std::unique_ptr<Database> open() { return std::move(*Database::open(directory_ / "database.sqlite", clock_)); }

  void write(const alarm::Changes& changes) {
    const auto done =
        database_->transact([&](db::Connection& connection) { return write_episodes(connection, changes); });
    ASSERT_TRUE(done) << done.error().text;
  }
  // What `reader` gives, in a read transaction.
  template <class Reader>
  auto get(const Reader& reader) {
    decltype(reader(std::declval<db::Connection&>())) out;
    const auto done = database_->read([&](db::Connection& connection) -> base::Result<void> {
      out = reader(connection);
      return {};
    });
    EXPECT_TRUE(done);
    return out;
  }
  alarm::Saved saved(base::Timestamp cleared_from = base::Timestamp::min()) {
    return *get([&](db::Connection& connection) { return read_episodes(connection, cleared_from); });
  }
  std::vector<std::uint64_t> cleared_ids(const ClearedFilter& filter, std::optional<ClearedPlace> after = {},
                                         std::size_t limit = 100) {
    std::vector<std::uint64_t> out;
    const auto found = get([&](db::Connection& connection) { return read_cleared(connection, filter, after, limit); });
    for (const auto& episode : *found) out.push_back(episode.id.value);
    return out;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Database> database_ = open();
};

TEST_F(EpisodesTest, GivesBackWhatWasWritten) {
  alarm::Episode full = cleared(7, 100);
  full.subject = Subject::named(SubjectKind::kGateway, "gw'; DROP TABLE episodes; --");
  full.state = alarm::State::kShelved;
  full.reopened = 3;
  full.owner = "李";
  full.acknowledged_by = "wang";
  full.acknowledged = second(55);
  full.shelved_until = second(9'000);
  full.detail = "余额 4.171 m³";
  full.comment = "50 % \"sure\"";
  full.flood = full.standing = true;
  full.gone_since = second(99);
  const alarm::Pending pending{Rule::kBatteryLow, meter(9), base::TenantNumber(2), second(1), second(2), 3, "3.1 V"};
  const alarm::Flow flow{base::TenantNumber(2), Rule::kLeak, true, second(5), 1'001, 28'333'333, {4, 0, 7}};
  write({.episodes = {full}, .pending = {pending}, .flows = {flow}});
  const auto all = saved();
  EXPECT_THAT(all.episodes, ElementsAre(full));
  EXPECT_THAT(all.pending, ElementsAre(pending));
  EXPECT_THAT(all.flows, ElementsAre(flow));
  EXPECT_EQ(all.last_id, EpisodeId(7));
  full.state = alarm::State::kUnacknowledged;
  full.shelved_until.reset();
  full.gone_since.reset();
  full.count = 77;
  write({.episodes = {full},
         .pending_gone = {{pending.rule, pending.subject}},
         .flows_gone = {{flow.tenant, flow.rule}}});
  EXPECT_THAT(saved().episodes, ElementsAre(full));
  EXPECT_THAT(saved().pending, IsEmpty());
  EXPECT_THAT(saved().flows, IsEmpty());
  EXPECT_EQ(**get([](db::Connection& connection) { return find_episode(connection, EpisodeId(7)); }), full);
  EXPECT_EQ(*get([](db::Connection& connection) { return find_episode(connection, EpisodeId(8)); }), std::nullopt);
}

TEST_F(EpisodesTest, PlainSqliteReadsThem) {
  write({.episodes = {cleared(1, 0)},
         .history = {{.episode = EpisodeId(1),
                      .at = second(0),
                      .what = alarm::Event::kCleared,
                      .from = alarm::State::kAcknowledged,
                      .to = alarm::State::kCleared}}});
  auto plain = *db::Connection::open(directory_ / "database.sqlite", {.read_only = true});
  auto row = *plain->prepare(
      "SELECT rule, subject_kind, subject, severity, state, cleared, cleared_text, shelved_until_text, what, from_state, at_text "
      "FROM episodes JOIN episode_history ON episode = episodes.id");
  ASSERT_EQ(row.step(), true);
  const std::vector<std::string> expected{"leak",
                                          "meter",
                                          "ffffffffffffff01",
                                          "urgent",
                                          "cleared",
                                          "1700000000000000",
                                          "2023-11-14T22:13:20Z",
                                          "",
                                          "cleared",
                                          "acknowledged",
                                          "2023-11-14T22:13:20Z"};
  std::vector<std::string> words;
  for (int column = 0; column < row.columns(); ++column) words.emplace_back(row.text(column));
  EXPECT_EQ(words, expected);
}

TEST_F(EpisodesTest, ReadsWhatTheEngineNeedsAndNoOldOnes) {
  auto standing = cleared(1, 0);
  standing.standing = true;
  auto open = cleared(4, 50);
  open.state = alarm::State::kReturned;
  write({.episodes = {standing, cleared(2, 99), cleared(3, 100), open, cleared(5, 0)}});
  std::vector<std::uint64_t> ids;
  for (const auto& episode : saved(second(100)).episodes) ids.push_back(episode.id.value);
  EXPECT_THAT(ids, testing::UnorderedElementsAre(1, 3, 4));
}

TEST_F(EpisodesTest, PagesThroughAnEpisodesHistory) {
  alarm::Changes changes;
  for (std::int64_t n = 0; n < 5; ++n) {
    for (const std::uint64_t id : {1, 2}) {
      changes.history.push_back({.episode = EpisodeId(id),
                                 .at = second(n),
                                 .who = "wang",
                                 .what = alarm::Event::kCommented,
                                 .from = alarm::State::kShelved,
                                 .to = alarm::State::kShelved,
                                 .text = std::to_string(n)});
    }
  }
  write(changes);
  const auto page = [&](std::int64_t after) {
    return *get([&](db::Connection& connection) { return read_history(connection, EpisodeId(2), after, 3); });
  };
  const auto first = page(0);
  ASSERT_EQ(first.size(), 3U);
  EXPECT_EQ(first[1].entry, changes.history[3]);
  const auto rest = page(first[2].id);
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[1].entry.text, "4");
  EXPECT_THAT(page(rest[1].id), IsEmpty());
}

TEST_F(EpisodesTest, FiltersAndPagesThroughTheClearedOnes) {
  auto open = cleared(9, 500);
  open.state = alarm::State::kReturned;
  auto named = cleared(5, 100, 2);
  named.subject = Subject::named(SubjectKind::kDistrict, "50%_");
  named.owner = "li";
  write({.episodes = {cleared(1, 300), cleared(2, 100, 2, Rule::kTamper), cleared(3, 200), cleared(4, 200), named,
                      open}});
  EXPECT_THAT(cleared_ids({}), ElementsAre(1, 4, 3, 5, 2));
  EXPECT_THAT(cleared_ids({}, {}, 2), ElementsAre(1, 4));
  EXPECT_THAT(cleared_ids({}, ClearedPlace{second(200), EpisodeId(4)}, 2), ElementsAre(3, 5));
  EXPECT_THAT(cleared_ids({}, {}, SIZE_MAX), ElementsAre(1, 4, 3, 5, 2));
  EXPECT_THAT(cleared_ids({.tenants = std::vector{base::TenantNumber(2)}}), ElementsAre(5, 2));
  EXPECT_THAT(cleared_ids({.tenants = std::vector<base::TenantNumber>{}}), IsEmpty());
  EXPECT_THAT(cleared_ids({.rules = {Rule::kTamper, Rule::kOwnLimit}}), ElementsAre(2));
  EXPECT_THAT(cleared_ids({.severities = {alarm::Severity::kInfo}}), IsEmpty());
  EXPECT_THAT(cleared_ids({.subject = named.subject}), ElementsAre(5));
  EXPECT_THAT(cleared_ids({.subject = Subject::named(SubjectKind::kDistrict, "50__")}), IsEmpty()) << "no pattern";
  EXPECT_THAT(cleared_ids({.owner = "li"}), ElementsAre(5));
  EXPECT_THAT(cleared_ids({.owner = ""}), ElementsAre(1, 4, 3, 2));
  EXPECT_THAT(cleared_ids({.cleared_from = second(200), .cleared_before = second(300)}), ElementsAre(4, 3));
  EXPECT_EQ(*get([](db::Connection& connection) { return count_cleared(connection, {.cleared_before = second(201)}); }),
            4);
}

TEST_F(EpisodesTest, ExpiresOldOnesWithTheirHistoryAndNeverGivesANumberAgain) {
  auto standing = cleared(1, 0);
  standing.standing = true;
  alarm::Changes changes{.episodes = {standing, cleared(2, 0), cleared(3, 100), cleared(4, 0)}};
  for (const std::uint64_t id : {1, 2, 3, 4}) changes.history.push_back({.episode = EpisodeId(id), .at = second(0)});
  write(changes);
  const auto expire = [&](std::size_t limit) {
    std::int64_t removed = 0;
    EXPECT_TRUE(database_->transact([&](db::Connection& connection) -> base::Result<void> {
      removed = MH_TRY(expire_episodes(connection, second(50), limit));
      return {};
    }));
    return removed;
  };
  EXPECT_EQ(expire(1), 1);
  EXPECT_THAT(cleared_ids({}), ElementsAre(3, 4, 1));
  EXPECT_EQ(expire(100), 1);
  EXPECT_EQ(expire(100), 0);
  EXPECT_THAT(cleared_ids({}), ElementsAre(3, 1)) << "the first one still stands";
  auto plain = *db::Connection::open(directory_ / "database.sqlite", {.read_only = true});
  EXPECT_EQ(*plain->query_integer("SELECT count(*) FROM episode_history"), 2);
  EXPECT_EQ(saved().last_id, EpisodeId(4));
}

TEST_F(EpisodesTest, ARowWithAWordThatIsNoneOfOursIsCorrupt) {
  write({.episodes = {cleared(1, 0)}});
  auto other = *db::Connection::open(directory_ / "database.sqlite");
  ASSERT_TRUE(other->execute("UPDATE episodes SET rule = 'leek'"));
  const auto found = get([](db::Connection& connection) { return find_episode(connection, EpisodeId(1)); });
  EXPECT_EQ(found.error().code, Errc::kCorrupt);
}

TEST_F(EpisodesTest, AFileOfBeforeGetsTheTables) {
  database_.reset();
  {
    auto old = *db::Connection::open(directory_ / "database.sqlite");
    std::vector<std::string> drops;
    auto row = *old->prepare(
        "SELECT 'DROP ' || type || ' ' || name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%' AND "
        "name NOT IN ('progress', 'outputs', 'output_columns', 'schema_migrations', 'alerts') ORDER BY type DESC");
    while (*row.step()) drops.emplace_back(row.text(0));
    for (const auto& drop : drops) ASSERT_TRUE(old->execute(drop)) << drop;
    ASSERT_TRUE(old->execute("DELETE FROM schema_migrations WHERE number > 1"));
  }
  database_ = open();
  write({.episodes = {cleared(1, 0)}});
  EXPECT_THAT(cleared_ids({}), ElementsAre(1));
}

TEST_F(EpisodesTest, AJobsTableCannotTakeTheirNames) {
  for (const auto* const table : {"episodes", "Episode_History", "positions", "Meter_Latest", "outbox", "completeness_day", "usage_trend"}) {
    EXPECT_EQ(database_->declare({.job = "j", .output = "o", .table = table, .columns = {{"a", ColumnType::kText}}})
                  .error()
                  .code,
              Errc::kInvalidArgument);
  }
}

// An engine that begins anew from the file, again and again, beside one that lives on.
TEST_F(EpisodesTest, AnEngineGoesOnFromTheFile) {
  alarm::Policies policies;
  ASSERT_TRUE(policies.set(
      Rule::kLeak, {.raise_after = 20s, .raise_count = 2, .clear_after = 20s, .flap_window = 100s, .latched = true}));
  const alarm::EpisodesOptions options{.flood_raises = 4, .seen_written_every = 0s};
  alarm::Episodes through(policies, options), again(policies, options);
  std::mt19937_64 random(5);
  std::int64_t now = 0;
  for (int step = 0; step < 1'000; ++step) {
    now += static_cast<std::int64_t>(random() % 10);
    const auto number = random() % 12, kind = random() % 12;
    const alarm::Filter which{.ids = std::vector{EpisodeId(number + static_cast<std::uint64_t>(step) / 20)}};
    const bool active = random() % 2 == 0;
    for (auto* const engine : {&through, &again}) {
      const alarm::By by{"wang", second(now)};
      if (kind == 0) ASSERT_TRUE(engine->acknowledge(which, by));
      else if (kind == 1) ASSERT_TRUE(engine->shelve(which, by, second(now + 60)));
      else if (kind == 2) ASSERT_TRUE(engine->clear(which, by, "because"));
      else
        engine->observe(
            {kind == 3 ? Rule::kTamper : Rule::kLeak, meter(number), base::TenantNumber(1), active, second(now), "x"});
    }
    if (random() % 5 != 0) continue;
    const auto expected = through.take_changes(), got = again.take_changes();
    ASSERT_EQ(got.history, expected.history) << step;
    ASSERT_EQ(got.notices, expected.notices) << step;
    write(got);
    again = alarm::Episodes(policies, options);
    again.load(saved(second(now) - policies.longest_flap_window()));
    ASSERT_EQ(again.list({}, {}, {}).episodes, through.list({}, {}, {}).episodes) << step;
  }
  EXPECT_GT(through.counters().raised, 20U);
}

TEST_F(EpisodesTest, ATransactionThatFailsLeavesNothing) {
  const auto done = database_->transact([&](db::Connection& connection) -> base::Result<void> {
    MH_TRY_VOID(write_episodes(connection, {.episodes = {cleared(1, 0)}}));
    return base::fail(Errc::kCancelled, "no");
  });
  EXPECT_EQ(done.error().code, Errc::kCancelled);
  EXPECT_THAT(cleared_ids({}), IsEmpty());
}

}  // namespace
}  // namespace meterhub::tables
