#include "replay.h"

#include <gmock/gmock.h>

#include <meterhub/log/replay.h>

#include "log_fixture.h"

namespace meterhub::app {
namespace {

using namespace std::chrono_literals;
using base::Errc;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Messages a second apart; the connector has decoded what decoded_up_to() says.
class ReplayTest : public LogFixture {
 protected:
  struct Listener : log::GroupListener {
    void assigned(std::vector<log::Assignment> partitions) override {
      for (const auto& one : partitions) epochs[one.partition] = one.epoch;
    }
    void revoked(std::vector<log::TopicPartition>, base::Task drained) override { drained(); }
    void lost(std::vector<log::TopicPartition>) override {}
    std::map<log::TopicPartition, base::Epoch> epochs;
  };

  ReplayTest() : start_(clock_.now()) {
    membership_ =
        *log_.join(log::groups::kConnector, {at(log::topics::kTelemetry).topic, at(log::topics::kRetry).topic}, {},
                   executor_, connector_);
    executor_.run_ready();
  }

  void deliver(std::uint32_t partition, std::string body, std::string gateway = "gw-1") {
    log::NewRecord message{gateway, {}, "sections", std::move(body)};
    message.properties.gateway = std::move(gateway);
    put(at(log::topics::kTelemetry, partition), std::move(message));
  }
  void decoded_up_to(log::TopicPartition partition, base::Offset next) {
    log::Transaction transaction;
    transaction.owners.push_back({std::string(log::groups::kConnector), partition, connector_.epochs.at(partition)});
    transaction.offsets.push_back({std::string(log::groups::kConnector), partition, next});
    log_.transact(std::move(transaction), executor_, [](base::Result<log::Committed> done) { EXPECT_TRUE(done); });
    executor_.run_ready();
  }
  void decoded_all() {
    for (std::uint32_t n = 0; n < kPartitions; ++n) {
      const auto partition = at(log::topics::kTelemetry, n);
      decoded_up_to(partition, log_.bounds(partition)->next);
    }
  }
  base::Result<ReplayStep> go_on(const ReplayQuery& query, ReplayPosition position) {
    std::optional<base::Result<ReplayStep>> out;
    go_on_with_replay(log_, executor_, query, std::move(position),
                      [&](base::Result<ReplayStep> step) { out = std::move(step); });
    executor_.run_ready();
    EXPECT_TRUE(out);
    return out ? *out : base::fail(Errc::kInternal, "no answer");
  }
  // All of it, as the command does; how many messages.
  std::uint64_t replay(const ReplayQuery& query) {
    auto position = *begin_replay(log_, query, clock_.now());
    std::uint64_t messages = 0;
    for (int blocks = 0; blocks < 100; ++blocks) {
      const auto step = *go_on(query, *ReplayPosition::parse(position.text()));
      messages += step.messages;
      if (step.done) return messages;
      EXPECT_FALSE(step.waits);
      position = step.position;
    }
    ADD_FAILURE() << "it does not end";
    return messages;
  }
  std::string refusal(const ReplayQuery& query) {
    const auto begun = begin_replay(log_, query, clock_.now());
    EXPECT_FALSE(begun);
    return begun ? "" : begun.error().text;
  }

  const base::Timestamp start_;
  Listener connector_;
  std::unique_ptr<log::Membership> membership_;
};

TEST_F(ReplayTest, DrivesTheMessagesOfATimeAgainWithTheirOrigin) {
  for (const auto* body : {"0", "1", "2", "3", "4"}) deliver(1, body);
  deliver(2, "5");
  decoded_all();
  EXPECT_EQ(replay({.from = start_ + 1s, .to = start_ + 3s}), 2u);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("1", "2"));
  const auto batch = *(*log_.open(at(log::topics::kRetry), log::Earliest{}))->next(1 << 20);
  const auto& record = batch.records[0];
  EXPECT_TRUE(log::is_replay(record.properties));
  EXPECT_EQ(record.properties.gateway, "gw-1");
  EXPECT_EQ(record.properties.origin,
            (log::Origin{"telemetry", base::PartitionId(1), base::Offset(1), 0, start_ + 1s}));
  EXPECT_TRUE(record.sections.empty());
}

TEST_F(ReplayTest, DrivesOneGatewaysMessagesAlone) {
  deliver(0, "a", "gw-1");
  deliver(0, "b", "gw-2");
  deliver(3, "c", "gw-2");
  decoded_all();
  EXPECT_EQ(replay({.gateway = "gw-2"}), 2u);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("b", "c"));
}

TEST_F(ReplayTest, CountsWithoutDriving) {
  for (int i = 0; i < 1'500; ++i) deliver(0, "x");
  decoded_all();
  EXPECT_EQ(replay({.dry_run = true}), 1'500u);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), IsEmpty());
}

TEST_F(ReplayTest, LeavesToTheConnectorWhatItHasNotDecoded) {
  for (const auto* body : {"0", "1", "2"}) deliver(0, body);
  decoded_up_to(at(log::topics::kTelemetry), base::Offset(2));
  EXPECT_EQ(replay({}), 2u);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("0", "1"));
}

TEST_F(ReplayTest, GoesBlockByBlockAndWaitsForTheConnector) {
  for (std::uint64_t i = 0; i < kReplayWaitingMax + 1'500; ++i) deliver(0, "x");
  decoded_all();
  auto position = *begin_replay(log_, {}, clock_.now());
  auto step = *go_on({}, position);
  EXPECT_EQ(step.messages, 1'000u);
  EXPECT_EQ(step.left, kReplayWaitingMax + 500);
  while (!step.waits) step = *go_on({}, step.position);
  EXPECT_EQ(log_.bounds(at(log::topics::kRetry))->next, base::Offset(kReplayWaitingMax));
  EXPECT_EQ(step.messages, 0u);
  EXPECT_FALSE(step.done);
  decoded_up_to(at(log::topics::kRetry), base::Offset(1));
  step = *go_on({}, step.position);
  EXPECT_FALSE(step.waits);
  EXPECT_EQ(step.left, 500u);
}

TEST_F(ReplayTest, ABlockHoldsNoMoreBytesThanATransactionMay) {
  for (int i = 0; i < 40; ++i) deliver(0, std::string(1 << 20, 'x'));
  decoded_all();
  const auto step = *go_on({}, *begin_replay(log_, {}, clock_.now()));
  EXPECT_LE(step.messages, 9u);
  EXPECT_GT(step.messages, 6u);
}

TEST_F(ReplayTest, SaysSinceWhenAllIsKept) {
  deliver(0, "gone");
  decoded_all();
  clock_.advance(30h);
  deliver(0, "there");
  decoded_all();
  log_.retain();
  ASSERT_GT(log_.bounds(at(log::topics::kTelemetry))->first.value, 0u);
  EXPECT_THAT(refusal({.from = start_}), HasSubstr("not all is kept: log telemetry holds messages since "));
  EXPECT_THAT(refusal({.from = start_, .to = start_ + 1h}), HasSubstr("nothing is kept"));
  EXPECT_EQ(replay({.from = clock_.now() - 1s}), 1u);
  EXPECT_EQ(replay({}), 1u) << "from the earliest";
}

TEST_F(ReplayTest, HasNothingToSayWhereAnotherConnectorReads) {
  EXPECT_EQ(replay({}), 0u) << "nothing came yet";
  deliver(0, "x");
  EXPECT_THAT(refusal({}), HasSubstr("no connector of this platform has read"));
}

TEST_F(ReplayTest, UnderstandsNoPositionButItsOwn) {
  const ReplayPosition position{start_, {base::Offset(7), base::Offset(0)}};
  EXPECT_EQ(*ReplayPosition::parse(position.text()), position);
  for (const auto* text : {"x", "1.", "1.x", "1.2,3", "1.99999999999999999999"})
    EXPECT_FALSE(ReplayPosition::parse(text)) << text;
  deliver(0, "x");
  decoded_all();
  EXPECT_EQ(go_on({}, position).error().code, Errc::kInvalidArgument) << "two partitions of four";
}

TEST_F(ReplayTest, QueriesNameATimeToBeginWith) {
  http::Request request;
  EXPECT_FALSE(replay_query(request));
  request.query = {{"from", "2026-01-02T00:00:00Z"}, {"to", "2026-01-01T00:00:00Z"}};
  EXPECT_FALSE(replay_query(request));
  request.query = {{"from", "earliest"}, {"gateway", "gw"}, {"dry_run", "true"}};
  const auto query = replay_query(request);
  ASSERT_TRUE(query);
  EXPECT_FALSE(query->from);
  EXPECT_EQ(query->gateway, "gw");
  EXPECT_TRUE(query->dry_run);
}

}  // namespace
}  // namespace meterhub::app
