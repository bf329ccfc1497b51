// What every engine promises (log.h), on every engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "world.h"

namespace meterhub::log::contract {
namespace {

using namespace std::chrono_literals;
using base::Epoch;
using base::Errc;
using base::Offset;
using base::PartitionId;
using Bodies = std::vector<std::string>;

template <class W>
class LogContract : public testing::Test {
 protected:
  TopicPartition declare(std::string name = "telemetry", std::uint32_t partitions = 2) {
    TopicSpec spec;
    spec.name = std::move(name);
    spec.partitions = partitions;
    return declare_spec(spec);
  }
  TopicPartition declare_spec(const TopicSpec& spec) {
    const auto id = world.log().declare(spec);
    EXPECT_TRUE(id);
    return {id.value_or(base::TopicId(0)), PartitionId(0)};
  }
  static TopicPartition other(TopicPartition p) { return {p.topic, PartitionId(p.partition.value + 1)}; }

  W world;
};

using Engines = testing::Types<MemoryWorld, EmbeddedWorld>;
struct Names {
  template <class W>
  static std::string GetName(int) {
    return std::is_same_v<W, MemoryWorld> ? "Memory" : "Embedded";
  }
};
TYPED_TEST_SUITE(LogContract, Engines, Names);

// A member of a group that notes what it was told.
class Consumer final : public GroupListener {
 public:
  void assigned(std::vector<Assignment> partitions) override {
    for (const auto& [partition, epoch] : partitions) owned[partition] = epoch;
  }
  void revoked(std::vector<TopicPartition> partitions, base::Task done) override {
    for (const auto p : partitions) owned.erase(p);
    ++revocations;
    drained = std::move(done);
    if (drains_at_once) drained();
  }
  void lost(std::vector<TopicPartition> partitions) override {
    for (const auto p : partitions) owned.erase(p), lost_partitions.push_back(p);
  }

  Ownership ownership(std::string group, TopicPartition p) const { return {std::move(group), p, owned.at(p)}; }

  std::map<TopicPartition, Epoch> owned;
  std::vector<TopicPartition> lost_partitions;
  base::Task drained;
  int revocations = 0;
  bool drains_at_once = true;
};

std::unique_ptr<Membership> join(World& world, Consumer& consumer, TopicPartition p, std::vector<TopicPartition> only = {},
                                 base::Executor* executor = nullptr) {
  auto member = world.log().join("group", {p.topic}, std::move(only), executor ? *executor : world.executor, consumer);
  EXPECT_TRUE(member);
  world.executor.run_for(20ms);
  return std::move(*member);
}

Transaction write_as(const Ownership& owner, std::string body, Offset next) {
  Transaction out;
  out.owners = {owner};
  out.appends.push_back({owner.partition, NewRecord{{}, {}, {}, std::move(body)}});
  out.offsets = {{owner.group, owner.partition, next}};
  return out;
}

// --- logs ---

TYPED_TEST(LogContract, DeclaringTwiceGivesTheSameLog) {
  const auto first = this->declare("a", 4);
  EXPECT_EQ(this->declare("a", 4), first);
  EXPECT_NE(this->declare("b", 4).topic, first.topic);
  auto& log = this->world.log();
  EXPECT_EQ(log.topic("a"), first.topic);
  EXPECT_EQ(log.topic_name(first.topic), "a");
  EXPECT_EQ(log.partitions(first.topic), 4u);
  EXPECT_EQ(log.topics(), (Bodies{"a", "b"}));
}

TYPED_TEST(LogContract, AnotherNumberOfPartitionsIsRefused) {
  this->declare("a", 4);
  EXPECT_EQ(this->world.log().declare({.name = "a", .partitions = 8}).error().code, Errc::kPrecondition);
}

TYPED_TEST(LogContract, AnUnknownLogIsNotFound) {
  EXPECT_EQ(this->world.log().topic("none").error().code, Errc::kNotFound);
  const TopicPartition nowhere{base::TopicId(9), PartitionId(0)};
  EXPECT_EQ(this->world.log().bounds(nowhere).error().code, Errc::kNotFound);
  EXPECT_EQ(this->world.log().open(nowhere, Earliest{}).error().code, Errc::kNotFound);
  Transaction transaction;
  transaction.appends.push_back({nowhere, NewRecord{}});
  EXPECT_EQ(transact(this->world, std::move(transaction)).error().code, Errc::kNotFound);
}

// --- transactions ---

TYPED_TEST(LogContract, GivesRisingOffsetsAndTimesPerPartition) {
  const auto p = this->declare();
  EXPECT_EQ(append(this->world, p, "a").offset, Offset(0));
  EXPECT_EQ(append(this->world, this->other(p), "x").offset, Offset(0));
  const auto time = this->world.clock.now();
  const auto place = append(this->world, p, "b");
  EXPECT_EQ(place.offset, Offset(1));
  EXPECT_GE(place.enqueued, time);
  EXPECT_EQ(read_all(this->world, p), (Bodies{"a", "b"}));
  EXPECT_EQ(read_all(this->world, this->other(p)), (Bodies{"x"}));
}

TYPED_TEST(LogContract, KeepsKeyPropertiesSectionsAndBody) {
  const auto p = this->declare();
  NewRecord record{"key", {}, "sections", "body"};
  record.properties.meter = base::MeterNumber(7);
  record.properties.origin = {"telemetry", PartitionId(3), Offset(4), 5, this->world.clock.now()};
  record.properties.gateway = "gw";
  Transaction transaction;
  transaction.appends.push_back({p, record});
  const auto done = transact(this->world, std::move(transaction));
  ASSERT_TRUE(done);
  const auto cursor = this->world.log().open(p, Earliest{});
  const auto batch = (*cursor)->next(1000);
  ASSERT_EQ(batch->records.size(), 1u);
  const auto& view = batch->records[0];
  EXPECT_EQ(view.key, "key");
  EXPECT_EQ(view.sections, "sections");
  EXPECT_EQ(view.body, "body");
  EXPECT_EQ(view.properties, record.properties);
  EXPECT_EQ(view.enqueued, done->places[0].enqueued);
}

TYPED_TEST(LogContract, AppendsOfOneTransactionKeepTheirOrderOverPartitions) {
  const auto p = this->declare();
  Transaction transaction;
  for (const auto& [to, body] : {std::pair(p, "a"), {this->other(p), "x"}, {p, "b"}}) {
    transaction.appends.push_back({to, NewRecord{{}, {}, {}, body}});
  }
  const auto done = transact(this->world, std::move(transaction));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->places[0].offset, Offset(0));
  EXPECT_EQ(done->places[1].offset, Offset(0));
  EXPECT_EQ(done->places[2].offset, Offset(1));
  EXPECT_EQ(read_all(this->world, p), (Bodies{"a", "b"}));
}

TYPED_TEST(LogContract, TransactionsOfOneThreadTakeEffectAndReplyInOrder) {
  const auto p = this->declare();
  std::vector<std::uint64_t> replies;
  Bodies expected;
  for (int i = 0; i < 100; ++i) {
    Transaction transaction;
    transaction.appends.push_back({p, NewRecord{{}, {}, {}, std::to_string(i)}});
    expected.push_back(std::to_string(i));
    this->world.log().transact(std::move(transaction), this->world.executor, [&](auto result) {
      ASSERT_TRUE(result);
      replies.push_back(result->places[0].offset.value);
    });
  }
  EXPECT_TRUE(replies.empty());  // never inside transact()
  this->world.executor.run_for(100ms);
  ASSERT_EQ(replies.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(replies));
  EXPECT_EQ(read_all(this->world, p), expected);
}

TYPED_TEST(LogContract, ARefusedTransactionChangesNothing) {
  const auto p = this->declare();
  Consumer consumer;
  const auto member = join(this->world, consumer, p);
  auto transaction = write_as(consumer.ownership("group", p), "a", Offset(1));
  transaction.state.push_back({"group", p, "name", "value"});
  transaction.owners.push_back({"group", this->other(p), Epoch(999)});
  EXPECT_EQ(transact(this->world, std::move(transaction)).error().code, Errc::kFenced);
  EXPECT_TRUE(read_all(this->world, p).empty());
  EXPECT_FALSE(this->world.log().committed("group", p)->has_value());
  EXPECT_FALSE(this->world.log().state("group", p, "name")->has_value());
}

TYPED_TEST(LogContract, CommitsAndStateNeedTheirOwner) {
  const auto p = this->declare();
  Transaction commit;
  commit.offsets = {{"group", p, Offset(1)}};
  EXPECT_EQ(transact(this->world, std::move(commit)).error().code, Errc::kInvalidArgument);
  Transaction state;
  state.state.push_back({"group", p, "name", "value"});
  EXPECT_EQ(transact(this->world, std::move(state)).error().code, Errc::kInvalidArgument);
}

TYPED_TEST(LogContract, AnOwnerMayCommitInTheSamePartitionOfAnotherLog) {
  const auto p = this->declare();
  TopicSpec spec;
  spec.name = "another";
  spec.partitions = 4;
  const auto topic = *this->world.log().declare(spec);
  Consumer consumer;
  const auto member = join(this->world, consumer, p);
  const TopicPartition same{topic, p.partition};
  const TopicPartition other{topic, PartitionId(p.partition.value + 1)};
  for (const auto& to : {same, other}) {
    Transaction commit;
    commit.owners.push_back(consumer.ownership("group", p));
    commit.offsets = {{"group", to, Offset(3)}};
    EXPECT_EQ(transact(this->world, std::move(commit)).has_value(), to == same);
  }
  EXPECT_EQ(**this->world.log().committed("group", same), Offset(3));
  EXPECT_FALSE(this->world.log().committed("group", other)->has_value());
}

TYPED_TEST(LogContract, ATransactionOver64MiBIsTooLarge) {
  const auto p = this->declare();
  Transaction transaction;
  transaction.appends.push_back({p, NewRecord{{}, {}, {}, std::string((64u << 20) + 1, 'x')}});
  EXPECT_EQ(transact(this->world, std::move(transaction)).error().code, Errc::kTooLarge);
}

TYPED_TEST(LogContract, TimesNeverFallWhenTheClockGoesBack) {
  const auto p = this->declare();
  const auto before = append(this->world, p, "a").enqueued;
  this->world.clock.set_wall(this->world.clock.now() - 1h);
  const auto after = append(this->world, p, "b").enqueued;
  EXPECT_EQ(after, before);
  EXPECT_EQ(this->world.log().bounds(p)->last_enqueued, before);
  this->world.clock.set_wall(before + 1h);
  EXPECT_EQ(append(this->world, p, "c").enqueued, before + 1h);
}

// --- cursors ---

TYPED_TEST(LogContract, ACursorOverTheEndIsEmptyUntilSomethingComes) {
  const auto p = this->declare();
  auto cursor = std::move(*this->world.log().open(p, Latest{}));
  EXPECT_TRUE(cursor->next(100)->records.empty());
  append(this->world, p, "a");
  EXPECT_EQ(cursor->next(100)->records.size(), 1u);
  EXPECT_EQ(cursor->position(), Offset(1));
  EXPECT_TRUE(cursor->next(100)->records.empty());
}

TYPED_TEST(LogContract, ACursorStopsAfterAboutTheBytesAskedForButGivesAtLeastOne) {
  const auto p = this->declare();
  for (int i = 0; i < 10; ++i) append(this->world, p, std::string(100, 'a'));
  auto cursor = std::move(*this->world.log().open(p, Earliest{}));
  EXPECT_EQ(cursor->next(1)->records.size(), 1u);
  EXPECT_EQ(cursor->next(300)->records.size(), 3u);
  EXPECT_EQ(cursor->position(), Offset(4));
  EXPECT_EQ(cursor->next(100'000)->records.size(), 6u);
}

TYPED_TEST(LogContract, ACursorSeeksForthAndBack) {
  const auto p = this->declare();
  for (const auto* body : {"a", "b", "c", "d"}) append(this->world, p, body);
  auto cursor = std::move(*this->world.log().open(p, Offset(2)));
  EXPECT_EQ(cursor->next(1)->records[0].body, "c");
  cursor->seek(Offset(1));
  EXPECT_EQ(cursor->next(1)->records[0].body, "b");
  cursor->seek(Offset(3));
  const auto batch = cursor->next(1);
  EXPECT_EQ(batch->records[0].body, "d");
  EXPECT_EQ(batch->records[0].offset, Offset(3));
}

TYPED_TEST(LogContract, ABatchOutlivesItsCursor) {
  const auto p = this->declare();
  append(this->world, p, std::string(1000, 'a'));
  auto cursor = std::move(*this->world.log().open(p, Earliest{}));
  const auto batch = cursor->next(1000);
  cursor.reset();
  EXPECT_EQ(batch->records[0].body, std::string(1000, 'a'));
}

TYPED_TEST(LogContract, ManyCursorsReadOnePartitionEachAtItsPlace) {
  const auto p = this->declare();
  constexpr std::size_t kRecords = 50;
  for (std::size_t i = 0; i < kRecords; ++i) append(this->world, p, std::to_string(i));
  std::vector<std::unique_ptr<Cursor>> cursors;
  for (std::size_t i = 0; i < kRecords; ++i) cursors.push_back(std::move(*this->world.log().open(p, Offset(i))));
  for (std::size_t i = 0; i < kRecords; ++i) {
    const auto batch = cursors[i]->next(1 << 20);
    ASSERT_EQ(batch->records.size(), kRecords - i);
    EXPECT_EQ(batch->records[0].body, std::to_string(i));
  }
}

TYPED_TEST(LogContract, AnyReadFromAnyPlaceGivesTheSameRecords) {
  const auto p = this->declare();
  std::mt19937 random(42);
  Bodies written;
  for (int i = 0; i < 200; ++i) {
    Transaction transaction;
    for (auto n = random() % 5 + 1; n > 0; --n) {
      written.push_back(std::to_string(written.size()) + std::string(random() % 200, 'x'));
      transaction.appends.push_back({p, NewRecord{{}, {}, {}, written.back()}});
    }
    ASSERT_TRUE(transact(this->world, std::move(transaction)));
  }
  for (int i = 0; i < 100; ++i) {
    const auto from = random() % written.size();
    const auto cursor = std::move(*this->world.log().open(p, Offset(from)));
    auto expected = from;
    for (int reads = 0; reads < 5; ++reads) {
      const auto batch = cursor->next(random() % 3000 + 1);
      ASSERT_TRUE(batch);
      for (const auto& record : batch->records) {
        ASSERT_EQ(record.offset, Offset(expected));
        ASSERT_EQ(record.body, written[expected++]);
      }
    }
  }
}

// --- watches ---

TYPED_TEST(LogContract, AWatchCallsOnceWhenThePositionIsReached) {
  const auto p = this->declare();
  int calls = 0;
  const auto watch = this->world.log().watch(p, Offset(1), this->world.executor, [&] { ++calls; });
  append(this->world, p, "a");
  EXPECT_EQ(calls, 0);
  append(this->world, p, "b");
  EXPECT_EQ(calls, 1);
  append(this->world, p, "c");
  EXPECT_EQ(calls, 1);
}

TYPED_TEST(LogContract, AWatchOnWhatIsThereCallsAtOnceAndACancelledOneNever) {
  const auto p = this->declare();
  append(this->world, p, "a");
  int calls = 0;
  const auto watch = this->world.log().watch(p, Offset(0), this->world.executor, [&] { ++calls; });
  this->world.log().watch(p, Offset(0), this->world.executor, [&] { calls += 100; }).reset();
  this->world.executor.run_ready();
  EXPECT_EQ(calls, 1);
}

// --- bounds and times ---

TYPED_TEST(LogContract, BoundsOfAnEmptyPartitionAreZero) {
  const auto bounds = this->world.log().bounds(this->declare());
  EXPECT_EQ(bounds->first, Offset(0));
  EXPECT_EQ(bounds->next, Offset(0));
  EXPECT_EQ(bounds->last_enqueued, base::Timestamp{});
}

TYPED_TEST(LogContract, OffsetForTimeIsTheFirstAtOrAfterIt) {
  const auto p = this->declare();
  std::vector<base::Timestamp> times;
  for (int i = 0; i < 200; ++i) {
    times.push_back(append(this->world, p, std::string(200, 'a')).enqueued);
    this->world.clock.advance(1s);
  }
  for (std::size_t i = 0; i < times.size(); ++i) {
    ASSERT_EQ(this->world.log().offset_for_time(p, times[i]), Offset(i));
    ASSERT_EQ(this->world.log().offset_for_time(p, times[i] - 1us), Offset(i));
  }
  EXPECT_EQ(this->world.log().offset_for_time(p, times.back() + 1us), Offset(200));
  EXPECT_EQ(this->world.log().offset_for_time(p, base::Timestamp{}), Offset(0));
  auto cursor = std::move(*this->world.log().open(p, times[7]));
  EXPECT_EQ(cursor->position(), Offset(7));
}

// --- offsets and state ---

TYPED_TEST(LogContract, AppendsOffsetsAndStateMoveTogether) {
  const auto p = this->declare();
  Consumer consumer;
  const auto member = join(this->world, consumer, p);
  auto transaction = write_as(consumer.ownership("group", p), "a", Offset(5));
  transaction.state.push_back({"group", p, "snapshot", "value"});
  ASSERT_TRUE(transact(this->world, std::move(transaction)));
  EXPECT_EQ(this->world.log().committed("group", p)->value(), Offset(5));
  EXPECT_FALSE(this->world.log().committed("group", this->other(p))->has_value());
  EXPECT_FALSE(this->world.log().committed("others", p)->has_value());
  EXPECT_EQ(this->world.log().state("group", p, "snapshot")->value(), "value");
  EXPECT_EQ(read_all(this->world, p), (Bodies{"a"}));
}

TYPED_TEST(LogContract, StateIsScannedInOrderOfNameWithinItsPrefix) {
  const auto p = this->declare();
  Consumer consumer;
  const auto member = join(this->world, consumer, p);
  Transaction transaction;
  transaction.owners = {consumer.ownership("group", p), consumer.ownership("group", this->other(p))};
  for (const auto* name : {"b/2", "a", "b/1", "b/\xFF", "c"}) transaction.state.push_back({"group", p, name, "v"});
  transaction.state.push_back({"group", this->other(p), "b/9", "v"});
  ASSERT_TRUE(transact(this->world, std::move(transaction)));
  Transaction removal;
  removal.owners = {consumer.ownership("group", p)};
  removal.state.push_back({"group", p, "b/2", std::nullopt});
  ASSERT_TRUE(transact(this->world, std::move(removal)));

  Bodies names;
  const auto note = [&](std::string_view name, std::string_view) { names.emplace_back(name); return true; };
  ASSERT_TRUE(this->world.log().scan_state("group", p, "b/", note));
  EXPECT_EQ(names, (Bodies{"b/1", "b/\xFF"}));
  names.clear();
  ASSERT_TRUE(this->world.log().scan_state("group", p, "", [&](auto name, auto value) { note(name, value); return false; }));
  EXPECT_EQ(names, (Bodies{"a"}));
}

// --- groups ---

TYPED_TEST(LogContract, ALoneMemberGetsAllPartitions) {
  const auto p = this->declare("telemetry", 8);
  Consumer consumer;
  const auto member = join(this->world, consumer, p);
  EXPECT_EQ(consumer.owned.size(), 8u);
}

TYPED_TEST(LogContract, TwoMembersShareEvenlyAndOnlyWhatMovesIsRevoked) {
  const auto p = this->declare("telemetry", 8);
  Consumer first;
  Consumer second;
  const auto member = join(this->world, first, p);
  const auto before = first.owned;
  const auto other = join(this->world, second, p);
  this->world.executor.run_for(100ms);
  EXPECT_EQ(first.owned.size(), 4u);
  EXPECT_EQ(second.owned.size(), 4u);
  for (const auto& [partition, epoch] : first.owned) EXPECT_EQ(before.at(partition), epoch);
  for (const auto& [partition, epoch] : second.owned) EXPECT_GT(epoch, before.at(partition));
}

TYPED_TEST(LogContract, EachLogOfAGroupIsSharedEvenly) {
  const auto p = this->declare("telemetry", 4);
  const auto q = this->declare("retry", 2);
  Consumer consumers[2];
  std::vector<std::unique_ptr<Membership>> members;
  for (auto& consumer : consumers) {
    members.push_back(std::move(*this->world.log().join("group", {p.topic, q.topic}, {}, this->world.executor, consumer)));
  }
  this->world.executor.run_for(100ms);
  for (auto& consumer : consumers) {
    const auto of_q = std::ranges::count_if(consumer.owned, [&](const auto& o) { return o.first.topic == q.topic; });
    EXPECT_EQ(of_q, 1);
    EXPECT_EQ(consumer.owned.size(), 3u);
  }
}

TYPED_TEST(LogContract, AMemberWithAListGetsExactlyItAndTheOthersTheRest) {
  const auto p = this->declare("telemetry", 4);
  Consumer listed;
  Consumer automatic;
  const auto rest = join(this->world, automatic, p);
  const auto member = join(this->world, listed, p, {p});
  this->world.executor.run_for(100ms);
  EXPECT_EQ(listed.owned.size(), 1u);
  EXPECT_TRUE(listed.owned.contains(p));
  EXPECT_EQ(automatic.owned.size(), 3u);
  EXPECT_FALSE(automatic.owned.contains(p));
}

TYPED_TEST(LogContract, AListOfWhatDoesNotExistIsRefused) {
  const auto p = this->declare("telemetry", 2);
  Consumer consumer;
  const TopicPartition beyond{p.topic, PartitionId(2)};
  EXPECT_FALSE(this->world.log().join("group", {p.topic}, {beyond}, this->world.executor, consumer));
  EXPECT_FALSE(this->world.log().join("group", {base::TopicId(9)}, {}, this->world.executor, consumer));
}

TYPED_TEST(LogContract, WhileDrainingTheOldOwnerMayStillCommitAndTheNewOneSeesIt) {
  const auto p = this->declare("telemetry", 1);
  Consumer old_owner;
  Consumer heir;
  old_owner.drains_at_once = false;
  auto member = join(this->world, old_owner, p);
  const auto ownership = old_owner.ownership("group", p);
  const auto other = join(this->world, heir, p, {p});
  ASSERT_EQ(old_owner.revocations, 1);
  EXPECT_TRUE(heir.owned.empty());
  EXPECT_TRUE(transact(this->world, write_as(ownership, "last", Offset(9))));
  old_owner.drained();
  this->world.executor.run_for(20ms);
  EXPECT_GT(heir.owned.at(p), ownership.epoch);
  EXPECT_EQ(this->world.log().committed("group", p)->value(), Offset(9));
  EXPECT_EQ(transact(this->world, write_as(ownership, "late", Offset(10))).error().code, Errc::kFenced);
}

TYPED_TEST(LogContract, ADrainThatTakesTooLongIsCutOffAndItsOwnerFenced) {
  const auto p = this->declare("telemetry", 1);
  Consumer slow;
  Consumer heir;
  slow.drains_at_once = false;
  auto member = join(this->world, slow, p);
  const auto ownership = slow.ownership("group", p);
  const auto other = join(this->world, heir, p, {p});
  this->world.executor.run_for(9s);
  EXPECT_TRUE(heir.owned.empty());
  this->world.executor.run_for(3s);
  EXPECT_TRUE(heir.owned.contains(p));
  EXPECT_EQ(slow.lost_partitions, std::vector{p});
  EXPECT_EQ(transact(this->world, write_as(ownership, "late", Offset(1))).error().code, Errc::kFenced);
  slow.drained();  // too late to matter
  this->world.executor.run_for(1s);
  EXPECT_TRUE(heir.owned.contains(p));
}

TYPED_TEST(LogContract, APausedOwnerThatWakesIsFencedToldAndTakenBack) {
  const auto p = this->declare("telemetry", 2);
  base::ManualExecutor sleeper(this->world.clock);
  Consumer paused;
  Consumer awake;
  const auto member = join(this->world, paused, p, {}, &sleeper);
  sleeper.run_ready();
  ASSERT_EQ(paused.owned.size(), 2u);
  const auto ownership = paused.ownership("group", p);
  const auto other = join(this->world, awake, p);

  this->world.executor.run_for(15s);  // the sleeper's executor does not run
  EXPECT_EQ(awake.owned.size(), 2u);
  auto late = write_as(ownership, "late", Offset(1));
  late.state.push_back({"group", p, "name", "late"});
  EXPECT_EQ(transact(this->world, std::move(late)).error().code, Errc::kFenced);
  EXPECT_TRUE(read_all(this->world, p).empty());
  EXPECT_FALSE(this->world.log().committed("group", p)->has_value());

  sleeper.run_ready();
  EXPECT_FALSE(paused.lost_partitions.empty());
  for (int i = 0; i < 5; ++i) {
    this->world.executor.run_for(500ms);
    sleeper.run_ready();
  }
  EXPECT_EQ(paused.owned.size(), 1u);
  EXPECT_EQ(awake.owned.size(), 1u);
  EXPECT_GT(paused.owned.begin()->second, ownership.epoch);
}

TYPED_TEST(LogContract, AMemberThatLeavesDrainsFirstAndThenTheOthersHaveItAll) {
  const auto p = this->declare("telemetry", 4);
  Consumer leaver;
  Consumer stayer;
  auto member = join(this->world, leaver, p);
  const auto other = join(this->world, stayer, p);
  bool left = false;
  member->leave([&] { left = true; });
  this->world.executor.run_for(100ms);
  EXPECT_TRUE(left);
  EXPECT_TRUE(leaver.owned.empty());
  EXPECT_EQ(stayer.owned.size(), 4u);
}

TYPED_TEST(LogContract, AMemberDestroyedIsFencedAtOnceAndHearsNothingMore) {
  const auto p = this->declare("telemetry", 4);
  Consumer gone;
  Consumer stayer;
  auto member = join(this->world, gone, p);
  const auto ownership = gone.ownership("group", p);
  const auto other = join(this->world, stayer, p);
  const int revocations = gone.revocations;
  member.reset();
  EXPECT_EQ(transact(this->world, write_as(ownership, "late", Offset(1))).error().code, Errc::kFenced);
  this->world.executor.run_for(100ms);
  EXPECT_EQ(stayer.owned.size(), 4u);
  EXPECT_EQ(gone.revocations, revocations);
}

// --- retention and quota ---

template <class W>
void append_kilobytes(LogContract<W>&, World& world, TopicPartition p, int count) {
  std::mt19937 random(1);
  for (int i = 0; i < count; ++i) {
    std::string body(1024, '\0');  // random, so that compression does not shrink it
    for (auto& c : body) c = static_cast<char>(random());
    append(world, p, std::move(body));
  }
}

TYPED_TEST(LogContract, RetentionByBytesDropsTheOldest) {
  const auto p = this->declare_spec({.name = "a", .partitions = 1, .retention_bytes = 20 * 1024});
  append_kilobytes(*this, this->world, p, 50);
  this->world.retain();
  const auto bounds = *this->world.log().bounds(p);
  EXPECT_GT(bounds.first, Offset(20));
  EXPECT_LT(bounds.first, Offset(36));
  EXPECT_EQ(bounds.next, Offset(50));
  EXPECT_EQ(read_all(this->world, p).size(), 50 - bounds.first.value);
}

TYPED_TEST(LogContract, RetentionByAgeDropsTheOldestEvenWhenNobodyWritesAnyMore) {
  const auto p = this->declare_spec({.name = "a", .partitions = 1, .retention_age = 1h});
  append_kilobytes(*this, this->world, p, 3);
  this->world.executor.run_for(61min + 10s);
  append(this->world, p, "new");
  this->world.executor.run_for(59min);
  this->world.retain();
  EXPECT_EQ(this->world.log().bounds(p)->first, Offset(3));
  this->world.executor.run_for(10min);
  this->world.retain();
  EXPECT_EQ(this->world.log().bounds(p)->first, Offset(4));
  EXPECT_EQ(append(this->world, p, "next").offset, Offset(4));
}

TYPED_TEST(LogContract, RetentionNeverPassesAProtectedGroup) {
  const auto p = this->declare_spec({.name = "a",
                                .partitions = 1,
                                .retention_age = 1h,
                                .retention_bytes = 4 * 1024,
                                .protected_groups = {"group"}});
  append_kilobytes(*this, this->world, p, 30);
  this->world.executor.run_for(2h);
  this->world.retain();
  EXPECT_EQ(this->world.log().bounds(p)->first, Offset(0));

  Consumer consumer;
  const auto member = join(this->world, consumer, p);
  Transaction commit;
  commit.owners = {consumer.ownership("group", p)};
  commit.offsets = {{"group", p, Offset(17)}};
  ASSERT_TRUE(transact(this->world, std::move(commit)));
  this->world.retain();
  const auto first = this->world.log().bounds(p)->first;
  EXPECT_GT(first, Offset(10));
  EXPECT_LE(first, Offset(17));
}

TYPED_TEST(LogContract, ACursorBehindRetentionIsToldAndGoesOnAtTheFirstThatIsLeft) {
  const auto p = this->declare_spec({.name = "a", .partitions = 1, .retention_bytes = 20 * 1024});
  auto cursor = std::move(*this->world.log().open(p, Earliest{}));
  append_kilobytes(*this, this->world, p, 50);
  this->world.retain();
  EXPECT_EQ(cursor->next(1).error().code, Errc::kNotFound);
  const auto first = this->world.log().bounds(p)->first;
  EXPECT_EQ(cursor->position(), first);
  EXPECT_EQ(cursor->next(1)->records.at(0).offset, first);
}

TYPED_TEST(LogContract, OutsideWritersAreRefusedBeforeInnerOnes) {
  this->world.with_quota(100 * 1024);
  const auto p = this->declare_spec({.name = "a", .partitions = 1, .protected_groups = {"group"}});
  const auto try_append = [&](Writer writer) {
    Transaction transaction;
    transaction.writer = writer;
    transaction.appends.push_back({p, NewRecord{{}, {}, {}, "x"}});
    return transact(this->world, std::move(transaction));
  };
  double at = 0;
  while (this->world.log().fill() < 0.95) {
    append_kilobytes(*this, this->world, p, 1);
    ASSERT_GT(this->world.log().fill(), at);
    at = this->world.log().fill();
  }
  EXPECT_EQ(try_append(Writer::kOutside).error().code, Errc::kResourceExhausted);
  EXPECT_TRUE(try_append(Writer::kInner));
  while (this->world.log().fill() < 0.97) append_kilobytes(*this, this->world, p, 1);
  EXPECT_EQ(try_append(Writer::kInner).error().code, Errc::kResourceExhausted);

  // Whoever has work to finish can: commits let retention go on.
  Consumer consumer;
  const auto member = join(this->world, consumer, p);
  Transaction commit;
  commit.owners = {consumer.ownership("group", p)};
  commit.offsets = {{"group", p, this->world.log().bounds(p)->next}};
  EXPECT_TRUE(transact(this->world, std::move(commit)));
  this->world.retain();
  EXPECT_LT(this->world.log().fill(), 0.85);
  EXPECT_TRUE(try_append(Writer::kOutside));
}

}  // namespace
}  // namespace meterhub::log::contract
