#include "event_records.h"

#include <gtest/gtest.h>

#include <array>

#include <meterhub/hub/hub.h>

namespace meterhub::hub {
namespace {

struct Said {
  std::string_view body = "body";
  std::string_view key{};
  std::string_view annotation{};  // one more, of the sender's
};

base::Bytes event(const Said& said) {
  base::Bytes out;
  amqp::MessageWriter writer(out);
  if (!said.key.empty() || !said.annotation.empty()) {
    writer.begin_message_annotations();
    if (!said.key.empty()) {
      writer.writer().symbol("x-opt-partition-key");
      writer.writer().string(said.key);
    }
    if (!said.annotation.empty()) {
      writer.writer().symbol(said.annotation);
      writer.writer().int64(5);
    }
    writer.end();
  }
  writer.begin_application_properties();
  writer.writer().string("k");
  writer.writer().int32(7);
  writer.end();
  writer.data(base::as_bytes(said.body));
  return out;
}

base::Bytes batch(std::initializer_list<Said> events, std::string_view key = {}) {
  base::Bytes out;
  amqp::MessageWriter writer(out);
  if (!key.empty()) {
    writer.begin_message_annotations();
    writer.writer().symbol("x-opt-partition-key");
    writer.writer().string(key);
    writer.end();
  }
  for (const auto& said : events) writer.data(event(said));
  return out;
}

class EventRecordsOf : public testing::Test {
 protected:
  EventRecords records_;
};

TEST_F(EventRecordsOf, ABatchIsARecordForEachEventWithTheBatchsKey) {
  const auto payload = batch({{"one", "k"}, {"two", "k"}}, "k");
  const auto read = records_.read(payload, amqp::kBatchFormat);
  ASSERT_TRUE(read) << read.error().text;
  ASSERT_EQ(read->events.size(), 2u);
  EXPECT_EQ(read->partition_key, "k");
  EXPECT_EQ(read->events[1].body, "two");
  EXPECT_EQ(read->events[1].key, "k");
  EXPECT_EQ(read->events[1].sections.size(), amqp::Message::parse(event({"two"}))->application_properties_section.size());
}

TEST_F(EventRecordsOf, APlainMessageIsOneEvent) {
  const auto payload = event({"one"});
  const auto read = records_.read(payload, 0);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->events.size(), 1u);
  EXPECT_EQ(read->partition_key, "");
}

TEST_F(EventRecordsOf, AKeyOfTheEnvelopeOrOfAnyEventIsTheWholeBatchs) {
  const auto envelope = batch({{"one"}, {"two"}}, "k");
  EXPECT_EQ(records_.read(envelope, amqp::kBatchFormat)->events[1].key, "k");
  const auto second = batch({{"one"}, {"two", "k"}});
  EXPECT_EQ(records_.read(second, amqp::kBatchFormat)->events[0].key, "k");
}

TEST_F(EventRecordsOf, SeveralKeysInABatchAreRefused) {
  const auto two = batch({{"one", "k"}, {"two", "l"}});
  EXPECT_EQ(records_.read(two, amqp::kBatchFormat).error().code, base::Errc::kInvalidArgument);
  const auto other = batch({{"one", "k"}}, "l");
  EXPECT_EQ(records_.read(other, amqp::kBatchFormat).error().code, base::Errc::kInvalidArgument);
}

TEST_F(EventRecordsOf, AnEndlessKeyIsRefused) {
  const std::string longest(kPartitionKeyMax, 'x');
  const std::string longer = longest + "x";
  EXPECT_TRUE(records_.read(event({"one", longest}), 0));
  EXPECT_FALSE(records_.read(event({"one", longer}), 0));
}

TEST_F(EventRecordsOf, ABatchWithOneBadEventGivesNothing) {
  base::Bytes payload;
  amqp::MessageWriter writer(payload);
  writer.data(event({"one"}));
  writer.data(base::as_bytes("no message"));
  EXPECT_EQ(records_.read(payload, amqp::kBatchFormat).error().code, base::Errc::kInvalidArgument);
  EXPECT_FALSE(records_.read({}, amqp::kBatchFormat));
  EXPECT_FALSE(records_.read(base::as_bytes("garbage"), 0));
}

TEST_F(EventRecordsOf, AnnotationsOfTheSenderAreKeptThoseOfTheHubAreNot) {
  const auto own = event({"one", "k", "my-note"});
  const auto kept = amqp::Message::parse(base::as_bytes(records_.read(own, 0)->events.front().sections));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->message_annotations.size(), 2u);  // key and value: one annotation
  EXPECT_EQ(kept->message_annotations.find("my-note")->signed_integer(), 5);
  EXPECT_EQ(kept->application_properties.find("k")->signed_integer(), 7);
  for (const auto* forged : {"x-opt-sequence-number", "x-opt-offset", "iothub-connection-device-id"}) {
    const auto message = event({"one", "", forged});
    const auto sections = amqp::Message::parse(base::as_bytes(records_.read(message, 0)->events.front().sections));
    EXPECT_TRUE(sections->message_annotations.is_null()) << forged;
  }
}

TEST_F(EventRecordsOf, ABodyThatIsNoDataIsKeptAsASection) {
  base::Bytes value;
  amqp::MessageWriter writer(value);
  writer.begin_value();
  writer.writer().int32(5);
  const auto read = records_.read(value, 0);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->events.front().body, "");
  const auto back = amqp::Message::parse(base::as_bytes(read->events.front().sections));
  EXPECT_EQ(back->body, amqp::Body::kValue);
  EXPECT_EQ(back->value.signed_integer(), 5);
  const std::array<std::uint8_t, 8> sequence{0x00, 0x53, 0x76, 0xc0, 0x03, 0x01, 0x54, 0x05};  // amqp-sequence [5]
  EXPECT_EQ(records_.read(sequence, 0)->events.front().sections, base::as_text(sequence));
}

TEST_F(EventRecordsOf, SeveralDataSectionsAreOneBody) {
  base::Bytes payload;
  amqp::MessageWriter writer(payload);
  writer.data(base::as_bytes("one "));
  writer.data(base::as_bytes("two"));
  EXPECT_EQ(records_.read(payload, 0)->events.front().body, "one two");
}

// docs/formats/event-hub-keys.md.
TEST(KeyPartition, IsAsWrittenDown) {
  const std::string longest(512, 'x');
  const std::tuple<std::string_view, std::uint32_t, std::uint32_t> vectors[] = {
      {"a", 0, 0},        {"b", 2, 2},                {"7", 1, 5},                  {"orders", 2, 2},
      {"order-17", 1, 5}, {"ffffffffffffff01", 3, 3}, {"\xe5\xb0\x8f\xe5\x8c\xba-3", 3, 7}, {longest, 1, 1}};
  for (const auto& [key, of_four, of_eight] : vectors) {
    EXPECT_EQ(key_partition(key, 4).value, of_four) << key;
    EXPECT_EQ(key_partition(key, 8).value, of_eight) << key;
  }
}

}  // namespace
}  // namespace meterhub::hub
