#include "letters.h"

#include <gmock/gmock.h>

#include "log_fixture.h"

namespace meterhub::app {
namespace {

using testing::ElementsAre;

class LettersTest : public LogFixture {
 protected:
  LettersTest() {
    letters_ = std::move(*Letters::create(log_, executor_));
    executor_.run_ready();
  }
  std::size_t retry(const std::string& reason) {
    std::optional<std::size_t> count;
    letters_->retry({reason, {}, 100}, [&](base::Result<std::size_t> done) { count = done.value_or(999); });
    executor_.run_ready();
    return count.value_or(998);
  }
  std::vector<LetterState> states(const std::string& reason = {}) {
    std::vector<LetterState> out;
    const auto listed = letters_->list({reason, {}, 100});
    EXPECT_TRUE(listed);
    for (const auto& letter : *listed) out.push_back(letter.state);
    return out;
  }
  // As the connector does when it has read all of `retry`.
  void connector_reads_retry() {
    const auto retry = at(log::topics::kRetry);
    struct Listener : log::GroupListener {
      void assigned(std::vector<log::Assignment> partitions) override { epoch = partitions.front().epoch; }
      void revoked(std::vector<log::TopicPartition>, base::Task drained) override { drained(); }
      void lost(std::vector<log::TopicPartition>) override {}
      base::Epoch epoch;
    } listener;
    const auto membership = *log_.join(log::groups::kConnector, {retry.topic}, {}, executor_, listener);
    executor_.run_ready();
    log::Transaction transaction;
    transaction.owners.push_back({std::string(log::groups::kConnector), retry, listener.epoch});
    transaction.offsets.push_back({std::string(log::groups::kConnector), retry, log_.bounds(retry)->next});
    log_.transact(std::move(transaction), executor_, [](base::Result<log::Committed> done) { EXPECT_TRUE(done); });
    executor_.run_ready();
  }

  std::unique_ptr<Letters> letters_;
};

TEST_F(LettersTest, DrivesOpenLettersOfAReasonAgainOnce) {
  put(at(log::topics::kDeadletter, 1), packet("gw-1", 7, "bad_length", "first"));
  put(at(log::topics::kNoise, 2), packet("gw-1", 8, "unknown_devaddr", "second"));
  EXPECT_EQ(retry("unknown_devaddr"), 1U);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("second"));
  EXPECT_EQ(retry("unknown_devaddr"), 0U) << "it is not open any more";
  EXPECT_THAT(states("bad_length"), ElementsAre(LetterState::kOpen));
}

TEST_F(LettersTest, CountsAndDrivesOnlyThoseSinceATime) {
  put(at(log::topics::kDeadletter, 1), packet("gw-1", 7, "json", "before"));
  const auto since = clock_.now();
  put(at(log::topics::kDeadletter, 1), packet("gw-1", 8, "json", "after"));
  put(at(log::topics::kDeadletter, 1), packet("gw-1", 9, "bad_length", "other"));
  EXPECT_EQ(letters_->count_open({"json", {}, 100}), 2U);
  EXPECT_EQ(letters_->count_open({"json", since, 100}), 1U);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre()) << "counting drives nothing";
  letters_->retry({"json", since, 100}, [](base::Result<std::size_t> done) { EXPECT_EQ(done, 1U); });
  executor_.run_ready();
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("after"));
  EXPECT_EQ(letters_->count_open({"json", {}, 100}), 1U);
}

TEST_F(LettersTest, AnswerARetryThatTheyDoNotOutlive) {
  put(at(log::topics::kDeadletter), packet("gw-1", 7, "bad_length"));
  std::optional<base::Errc> told;
  letters_->retry({"bad_length", {}, 100}, [&](base::Result<std::size_t> done) { if (!done) told = done.error().code; });
  letters_.reset();
  executor_.run_ready();
  EXPECT_EQ(told, base::Errc::kCancelled);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("{}"));
}

TEST_F(LettersTest, KeepTheirOriginAndReasonWhenDrivenAgain) {
  put(at(log::topics::kDeadletter), packet("gw-1", 7, "bad_length"));
  ASSERT_EQ(retry("bad_length"), 1U);
  const auto cursor = *log_.open(at(log::topics::kRetry), log::Earliest{});
  const auto batch = *cursor->next(1 << 20);
  ASSERT_EQ(batch.records.size(), 1U);
  EXPECT_EQ(batch.records[0].properties, packet("gw-1", 7, "bad_length").properties);
}

TEST_F(LettersTest, AreResolvedOnceTheConnectorHasReadThemAndTheyDidNotComeBack) {
  put(at(log::topics::kDeadletter), packet("gw-1", 7, "unknown_meter"));
  put(at(log::topics::kDeadletter), packet("gw-1", 8, "unknown_meter"));
  ASSERT_EQ(retry("unknown_meter"), 2U);
  EXPECT_THAT(states(), ElementsAre(LetterState::kRetried, LetterState::kRetried));
  put(at(log::topics::kDeadletter), packet("gw-1", 8, "unknown_meter"));
  connector_reads_retry();
  EXPECT_THAT(states(), ElementsAre(LetterState::kResolved, LetterState::kRetried, LetterState::kOpen));
}

TEST_F(LettersTest, OfDeduplicationGoBackToWhereItReads) {
  auto letter = packet("meter", 7, "counter_reset", "document");
  letter.properties.meter = base::MeterNumber(5);
  put(at(log::topics::kDeadletter), letter);
  ASSERT_EQ(retry("counter_reset"), 1U);
  const auto partition = base::partition_of(base::shard_of(base::MeterNumber(5)), kPartitions);
  EXPECT_THAT(bodies(at(log::topics::kDecoded, partition.value)), ElementsAre("document"));
  EXPECT_TRUE(bodies(at(log::topics::kRetry)).empty());
}

// Their body is one that the connector takes; log `joins` holds bare frames.
TEST_F(LettersTest, OfJoinsGoThroughTheConnectorAgain) {
  put(at(log::topics::kNoise), packet("gw-1", 7, "join_unknown_deveui", "report"));
  ASSERT_EQ(retry("join_unknown_deveui"), 1U);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("report"));
  EXPECT_TRUE(bodies(at(log::topics::kJoins)).empty());
}

// Two gateways' copies of one reading are two letters; driven both, jobs would judge the reading twice.
TEST_F(LettersTest, OfTwoCopiesOfAReadingTheFirstIsDrivenAgain) {
  for (std::uint64_t i = 0; i < 2; ++i) {
    auto letter = packet("gw-1", i, "bad_length", "copy " + std::to_string(i));
    letter.properties.meter = base::MeterNumber(5);
    letter.properties.session = base::SessionNumber(1);
    letter.properties.fcnt = 77;
    put(at(log::topics::kDeadletter, static_cast<std::uint32_t>(i)), letter);
  }
  EXPECT_EQ(retry("bad_length"), 2U);
  EXPECT_THAT(bodies(at(log::topics::kRetry)), ElementsAre("copy 0"));
  connector_reads_retry();
  EXPECT_THAT(states(), ElementsAre(LetterState::kResolved, LetterState::kResolved));
}

// One transaction holds 64 MiB.
TEST_F(LettersTest, LargeOnesAreDrivenAgainInSeveralTransactions) {
  const std::string large(1 << 20, 'x');
  for (std::uint64_t i = 0; i < 80; ++i) put(at(log::topics::kDeadletter), packet("gw-1", i, "json", large));
  EXPECT_EQ(retry("json"), 80U);
  EXPECT_EQ(log_.bounds(at(log::topics::kRetry))->next, base::Offset(80));
  EXPECT_LT(letters_->list({"json", {}, 100})->size(), 80U) << "nobody reads 80 MiB at once";
}

TEST_F(LettersTest, ShowTheNewestWhenThereAreMore) {
  for (std::uint64_t i = 0; i < 5; ++i) put(at(log::topics::kNoise), packet("gw-1", i, "crc"));
  const auto some = *letters_->list({"crc", {}, 2});
  ASSERT_EQ(some.size(), 2U);
  EXPECT_EQ(some[1].record.properties.origin.offset, base::Offset(4));
}

// One transaction of the log holds 64 MiB.
TEST_F(LettersTest, OfAnySizeAreDrivenAgainInBlocksThatTheLogTakes) {
  constexpr std::size_t kLetters = 300;
  for (std::uint64_t i = 0; i < kLetters; ++i) {
    put(at(log::topics::kDeadletter, i % kPartitions), packet("gw-1", i, "json", std::string(256 * 1024, '[')));
  }
  EXPECT_EQ(retry("json"), kLetters);
  EXPECT_EQ(log_.bounds(at(log::topics::kRetry))->next, base::Offset(kLetters));
}

}  // namespace
}  // namespace meterhub::app
