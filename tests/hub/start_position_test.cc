#include "start_position.h"

#include <gtest/gtest.h>

#include <meterhub/log/memory.h>

namespace meterhub::hub {
namespace {

using By = StartPosition::By;

StartPosition read(std::string_view text) {
  const auto start = parse_selector(text);
  EXPECT_TRUE(start) << text << ": " << start.error().text;
  return start.value_or(StartPosition());
}
std::string refused(std::string_view text) {
  const auto start = parse_selector(text);
  EXPECT_FALSE(start) << text;
  return start ? "" : std::string(start.error().condition);
}

TEST(Selector, ReadsWhatClientsWrite) {
  // spec/azure-amqp.md 6.2
  EXPECT_EQ(read("amqp.annotation.x-opt-offset > '-1'"), (StartPosition{By::kSequence, -1, false}));
  EXPECT_EQ(read("amqp.annotation.x-opt-offset > '@latest'").by, By::kLatest);
  EXPECT_EQ(read("amqp.annotation.x-opt-offset >= '100'"), (StartPosition{By::kSequence, 100, true}));
  EXPECT_EQ(read("amqp.annotation.x-opt-sequence-number > '2'"), (StartPosition{By::kSequence, 2, false}));
  EXPECT_EQ(read("amqp.annotation.x-opt-enqueued-time > '1795419566961'"), (StartPosition{By::kTime, 1795419566961, false}));
  EXPECT_EQ(read("amqp.annotation.x-opt-enqueuedtimeutc > 1400000000000"), (StartPosition{By::kTime, 1400000000000, false}));
}

TEST(Selector, TakesAnyWhiteSpaceQuotesAndCase) {
  for (const auto* text : {"amqp.annotation.x-opt-offset>='7'", " \t amqp.annotation.x-opt-offset  >=\t7 ", "AMQP.Annotation.X-Opt-Offset >= \"7\""})
    EXPECT_EQ(read(text), (StartPosition{By::kSequence, 7, true})) << text;
}

TEST(Selector, RefusesWhatItDoesNotKnow) {
  for (const auto* text : {"", "x", "amqp.annotation.", "amqp.annotation.x-opt-offset", "amqp.annotation.x-opt-offset < '1'",
                           "amqp.annotation.x-opt-offset = '1'", "amqp.annotation.x-opt-color > '1'", "sys.label > '1'"})
    EXPECT_EQ(refused(text), "amqp:not-implemented") << text;
  for (const auto* text : {"amqp.annotation.x-opt-offset > ", "amqp.annotation.x-opt-offset > 'x'", "amqp.annotation.x-opt-offset > '-2'",
                           "amqp.annotation.x-opt-offset > '1' OR 1", "amqp.annotation.x-opt-offset > '9223372036854775807'",
                           "amqp.annotation.x-opt-enqueued-time > '@latest'", "amqp.annotation.x-opt-enqueued-time > '9223372036854775807'",
                           "amqp.annotation.x-opt-offset > '1.5'", "amqp.annotation.x-opt-offset > ''1''"})
    EXPECT_EQ(refused(text), "com.microsoft:argument-error") << text;
}

TEST(Filter, IsAMapOfDescribedTexts) {
  const auto parsed = [](auto write) {
    static base::Bytes bytes;
    bytes.clear();
    amqp::Writer writer(bytes);
    write(writer);
    return parse_start(*amqp::Value::parse(bytes));
  };
  const auto map = [&](auto value) {
    return parsed([&](amqp::Writer& w) {
      w.begin_map();
      w.symbol("apache.org:selector-filter:string");
      value(w);
      w.end();
    });
  };
  EXPECT_EQ(parse_start({})->by, By::kEarliest);
  EXPECT_EQ(map([](amqp::Writer& w) { w.descriptor(0x468C00000004); w.string("amqp.annotation.x-opt-offset > '5'"); })->value, 5);
  EXPECT_EQ(map([](amqp::Writer& w) { w.descriptor("apache.org:selector-filter:string"); w.string("amqp.annotation.x-opt-offset > '5'"); })->value, 5);
  EXPECT_EQ(map([](amqp::Writer& w) { w.null(); })->by, By::kEarliest);
  EXPECT_EQ(map([](amqp::Writer& w) { w.string("amqp.annotation.x-opt-offset > '5'"); }).error().condition, "amqp:not-allowed");
  EXPECT_EQ(map([](amqp::Writer& w) { w.descriptor(0x468C00000004); w.int32(5); }).error().condition, "amqp:not-allowed");
  EXPECT_EQ(map([](amqp::Writer& w) { w.descriptor(0x468C00000005); w.string("x"); }).error().condition, "amqp:not-implemented");
  EXPECT_EQ(parsed([](amqp::Writer& w) { w.string("x"); }).error().condition, "amqp:not-allowed");
}

class Locate : public ::testing::Test {
 protected:
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  log::MemoryLog log_{clock_};
  log::TopicPartition partition_{};

  void SetUp() override { partition_ = {*log_.declare({.name = "telemetry", .partitions = 1}), base::PartitionId(0)}; }
  // So many events in one commit: they share a time.
  base::Timestamp append(int count) {
    log::Transaction transaction;
    const log::Properties properties;
    for (int i = 0; i < count; ++i) transaction.appends.add(partition_, {"k", properties, {}, "body"});
    log_.transact(std::move(transaction), executor_, [](auto) {});
    executor_.run_ready();
    return clock_.now();
  }
  std::uint64_t at(const StartPosition& start) { return locate(log_, partition_, start)->value; }
};

TEST_F(Locate, EndsAndNumbers) {
  append(5);
  EXPECT_EQ(at({}), 0u);
  EXPECT_EQ(at({.by = By::kLatest}), 5u);
  EXPECT_EQ(at({By::kSequence, -1, false}), 0u);
  EXPECT_EQ(at({By::kSequence, -1, true}), 0u);
  EXPECT_EQ(at({By::kSequence, 2, false}), 3u);
  EXPECT_EQ(at({By::kSequence, 2, true}), 2u);
  EXPECT_EQ(at({By::kSequence, 4, false}), 5u) << "behind the last one, where the next will be";
  EXPECT_EQ(at({By::kSequence, 5, true}), 5u);
  EXPECT_EQ(locate(log_, partition_, {By::kSequence, 5, false}).error().code, base::Errc::kInvalidArgument);
}

TEST_F(Locate, ATimeThatACommitSharesIsWhollyBeforeOrBehind) {
  using namespace std::chrono_literals;
  clock_.advance(1'700'000'000s);
  clock_.advance(300us);
  const auto first = append(3);   // 0..2
  clock_.advance(400us);          // the same millisecond
  append(2);                      // 3, 4
  clock_.advance(2ms);
  append(4);                      // 5..8
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(first.time_since_epoch()).count();
  EXPECT_EQ(at({By::kTime, ms, false}), 5u);
  EXPECT_EQ(at({By::kTime, ms, true}), 0u);
  EXPECT_EQ(at({By::kTime, ms - 1, false}), 0u);
  EXPECT_EQ(at({By::kTime, ms + 1, false}), 5u);
  EXPECT_EQ(at({By::kTime, ms + 2, true}), 5u);
  EXPECT_EQ(at({By::kTime, ms + 2, false}), 9u);
  EXPECT_EQ(at({By::kTime, 0, false}), 0u);
  EXPECT_EQ(at({By::kTime, 253'402'300'799'999, false}), 9u);
}

}  // namespace
}  // namespace meterhub::hub
