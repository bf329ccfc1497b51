#include "event_encoder.h"

#include <gtest/gtest.h>

#include "event_source.h"
#include "memory_gateways.h"
#include "message_records.h"
#include "stored_sections.h"

#include <meterhub/log/memory.h>
#include <meterhub/log/replay.h>

namespace meterhub::hub {
namespace {

// A message as a sender writes it, with all that a reader is to get again.
template <class Body>
base::Bytes sent(Body body) {
  base::Bytes out;
  amqp::MessageWriter writer(out);
  writer.begin_message_annotations();
  auto& map = writer.writer();
  map.symbol("dt-subject");
  map.string("mine");
  for (const auto* stolen : {"x-opt-offset", "x-opt-sequence-number", "iothub-connection-device-id", "iothub-enqueuedtime"}) {
    map.symbol(stolen);
    map.string("forged");
  }
  writer.end();
  amqp::Properties properties;
  properties.subject = "subject";
  properties.content_type = amqp::Symbol{"application/json"};
  writer.properties(properties);
  writer.begin_application_properties();
  map.string("int");
  map.int32(-7);
  map.string("at");
  map.timestamp_ms(1'700'000'000'000);
  writer.end();
  body(writer);
  return out;
}

class EncodedEvent : public ::testing::Test {
 protected:
  test::MemoryGateways gateways_;
  MessageRecords records_;
  base::Bytes bytes_;
  log::Properties properties_;

  void SetUp() override {
    gateways_.put({"gw-1", true, "", "", {}, {}, Proof::kKeys, "", "", 4711});
    properties_.gateway = "gw-1";
  }
  // What a reader gets of a message that device gw-1 sent.
  amqp::Message through(const base::Bytes& message, DeviceAnnotations devices = DeviceAnnotations::kYes) {
    const auto records = records_.read(message, 0, properties_);
    EXPECT_TRUE(records) << records.error().text;
    const auto& record = records->front();
    log::RecordView view;
    view.offset = base::Offset(12);
    view.enqueued = base::Timestamp(std::chrono::microseconds(1'700'000'000'123'456));
    view.key = record.key;
    view.properties = record.properties;
    view.sections = record.sections;
    view.body = record.body;
    bytes_.clear();
    EventEncoder(gateways_, devices).encode(view, bytes_);
    const auto out = amqp::Message::parse(bytes_);
    EXPECT_TRUE(out) << out.error().text;
    return out.value_or(amqp::Message());
  }
};

TEST_F(EncodedEvent, HoldsWhatWasSentByteForByte) {
  const auto message = sent([](amqp::MessageWriter& w) { w.data(base::as_bytes("body")); });
  const auto event = through(message);
  const auto original = *amqp::Message::parse(message);
  EXPECT_EQ(base::as_text(event.properties_section), base::as_text(original.properties_section));
  EXPECT_EQ(base::as_text(event.application_properties_section), base::as_text(original.application_properties_section));
  EXPECT_EQ(base::as_text(event.body_sections), base::as_text(original.body_sections));
  EXPECT_TRUE(event.header_section.empty());
  EXPECT_TRUE(event.delivery_annotations_section.empty());
}

TEST_F(EncodedEvent, ABodyThatIsAValueStaysOne) {
  for (const auto& body : {std::string(), std::string("text"), std::string(300, 'x')}) {
    const auto text = sent([&](amqp::MessageWriter& w) { w.begin_value(); w.writer().string(body); });
    EXPECT_EQ(base::as_text(through(text).body_sections), base::as_text(amqp::Message::parse(text)->body_sections));
    const auto binary = sent([&](amqp::MessageWriter& w) { w.begin_value(); w.writer().binary(base::as_bytes(body)); });
    EXPECT_EQ(base::as_text(through(binary).body_sections), base::as_text(amqp::Message::parse(binary)->body_sections));
  }
  const auto null = sent([](amqp::MessageWriter& w) { w.begin_value(); w.writer().null(); });
  EXPECT_EQ(base::as_text(through(null).body_sections), base::as_text(amqp::Message::parse(null)->body_sections));
}

TEST_F(EncodedEvent, AMessageWithoutABodyIsAnEmptyOne) {
  const auto event = through(sent([](amqp::MessageWriter&) {}));
  EXPECT_EQ(event.body, amqp::Body::kData);
  EXPECT_TRUE(event.data.empty());
}

TEST_F(EncodedEvent, TellsWhatTheHubKnowsAndKeepsOnlyTheSendersOther) {
  const auto event = through(sent([](amqp::MessageWriter& w) { w.data(base::as_bytes("b")); }));
  const auto& map = event.message_annotations;
  EXPECT_EQ(map.find("dt-subject")->string(), "mine");
  EXPECT_EQ(map.find("x-opt-sequence-number")->type(), amqp::Type::kLong);
  EXPECT_EQ(map.find("x-opt-sequence-number")->signed_integer(), 12);
  EXPECT_EQ(map.find("x-opt-offset")->string(), "12");
  EXPECT_EQ(map.find("x-opt-enqueued-time")->timestamp_ms(), 1'700'000'000'123);
  EXPECT_EQ(map.find("x-opt-partition-key")->string(), "gw-1");
  EXPECT_EQ(map.find("iothub-connection-device-id")->string(), "gw-1");
  EXPECT_EQ(map.find("iothub-connection-auth-generation-id")->string(), "4711");
  EXPECT_EQ(map.find("iothub-enqueuedtime")->timestamp_ms(), 1'700'000'000'123);
  EXPECT_EQ(map.find("iothub-message-source")->string(), "Telemetry");
  EXPECT_EQ(map.size(), 20u) << "each once";
}

TEST_F(EncodedEvent, OfAnEventHubSaysNothingOfDevices) {
  const auto event = through(sent([](amqp::MessageWriter& w) { w.data(base::as_bytes("b")); }), DeviceAnnotations::kNo);
  EXPECT_FALSE(event.message_annotations.find("iothub-connection-device-id"));
  EXPECT_FALSE(event.message_annotations.find("iothub-message-source"));
  EXPECT_TRUE(event.message_annotations.find("x-opt-offset"));
}

TEST_F(EncodedEvent, OfADeviceThatIsGoneHasNoGeneration) {
  gateways_.remove("gw-1");
  const auto event = through(sent([](amqp::MessageWriter& w) { w.data(base::as_bytes("b")); }));
  EXPECT_EQ(event.message_annotations.find("iothub-connection-auth-generation-id")->string(), "0");
}

TEST(StoredSections, AreReadAsTheyWereBeforeBodiesHadAHead) {
  base::Bytes old;
  amqp::MessageWriter writer(old);
  writer.begin_application_properties();
  writer.writer().string("a");
  writer.writer().int32(1);
  writer.end();
  const auto sections = parse_stored(base::as_text(old));
  ASSERT_TRUE(sections);
  EXPECT_EQ(sections->properties.size(), old.size());
  EXPECT_TRUE(sections->annotations.is_null());
  EXPECT_TRUE(sections->body_head.empty());
  EXPECT_TRUE(parse_stored(""));
  EXPECT_FALSE(parse_stored("garbage"));
}

class Source : public ::testing::Test {
 protected:
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  log::MemoryLog log_{clock_};
  test::MemoryGateways gateways_;
  log::TopicPartition partition_{};

  void declare(std::chrono::seconds age = std::chrono::hours(24)) {
    partition_ = {*log_.declare({.name = "telemetry", .partitions = 1, .retention_age = age}), base::PartitionId(0)};
  }
  void append(int count, std::size_t size = 10, const log::Properties& properties = {}) {
    const std::string body(size, 'x');
    log::Transaction transaction;
    for (int i = 0; i < count; ++i) transaction.appends.add(partition_, {"k", properties, {}, body});
    log_.transact(std::move(transaction), executor_, [](auto) {});
    executor_.run_ready();
  }
  EventSource source() { return {log_, partition_, EventEncoder(gateways_, DeviceAnnotations::kNo)}; }
};

TEST_F(Source, GivesBlocksOfTheSizeAskedForAndNothingTwice) {
  declare();
  append(500, 1000);
  auto from = source();
  std::size_t events = 0;
  for (int blocks = 0; events < 500; ++blocks) {
    const auto block = from.read(64 * 1024);
    ASSERT_TRUE(block);
    ASSERT_FALSE(block->ends.empty());
    EXPECT_LE(block->bytes.size(), 64u * 1024u);
    for (std::size_t i = 0; i < block->ends.size(); ++i) {
      const auto message = amqp::Message::parse(block->event(i));
      EXPECT_EQ(message->message_annotations.find("x-opt-sequence-number")->signed_integer(), static_cast<std::int64_t>(events++));
    }
    EXPECT_EQ(block->next.value, events);
  }
  EXPECT_TRUE(from.read(1024)->ends.empty());
  append(1);
  EXPECT_EQ(from.read(1024)->ends.size(), 1u);
}

TEST_F(Source, LeavesOutWhatAReplayGave) {
  declare();
  append(2);
  log::Properties replay;
  replay.redo = true;
  replay.reason = log::kReplay;
  append(3, 10, replay);
  auto from = source();
  EXPECT_EQ(from.read(1024)->ends.size(), 2u);
  append(1);
  const auto block = from.read(1024);
  ASSERT_EQ(block->ends.size(), 1u);
  EXPECT_EQ(amqp::Message::parse(block->event(0))->message_annotations.find("x-opt-sequence-number")->signed_integer(),
            5);
  append(2, 10, replay);
  EXPECT_TRUE(from.read(1024)->ends.empty());
  EXPECT_EQ(from.read(1024)->next.value, 8u) << "the reader waits behind them";
}

TEST_F(Source, GivesAnEventThatIsLargerThanABlockAlone) {
  declare();
  append(3, 5000);
  auto from = source();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(from.read(1024)->ends.size(), 1u);
  EXPECT_TRUE(from.read(1024)->ends.empty());
}

TEST_F(Source, GoesOnAtTheFirstThatIsLeftAndSaysHowManyWereNot) {
  declare(std::chrono::hours(1));
  append(7);
  auto from = source();
  EXPECT_EQ(from.read(1)->ends.size(), 1u);
  executor_.run_for(std::chrono::hours(2));
  append(2);
  executor_.run_for(std::chrono::hours(2));
  append(3);
  log_.retain();
  const auto first = log_.bounds(partition_)->first.value;
  ASSERT_GT(first, 1u);
  auto late = source();
  const auto block = late.read(1 << 20);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->expired, first);
  EXPECT_EQ(block->ends.size(), 12 - first);
  EXPECT_EQ(block->next.value, 12u);
}

}  // namespace
}  // namespace meterhub::hub
