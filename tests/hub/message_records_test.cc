#include "message_records.h"

#include <gtest/gtest.h>

#include <meterhub/amqp/message.h>

namespace meterhub::hub {
namespace {

base::Bytes event(std::string_view body, std::string_view key) {
  base::Bytes out;
  amqp::MessageWriter writer(out);
  writer.begin_application_properties();
  writer.writer().string(key);
  writer.writer().int32(7);
  writer.end();
  writer.data(base::as_bytes(body));
  return out;
}

class RecordsOf : public testing::Test {
 protected:
  base::Result<std::span<const log::RecordParts>> records_of(base::BytesView payload, std::uint32_t format,
                                                             std::string_view gateway) {
    properties_.gateway = gateway;
    return records_.read(payload, format, properties_);
  }
  MessageRecords records_;
  log::Properties properties_;
};

TEST_F(RecordsOf, APlainMessageIsOneRecordWithItsSectionsAsSent) {
  const auto bytes = event("body", "a");
  const auto records = records_of(bytes, 0, "gw-1");
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 1u);
  const auto& record = records->front();
  EXPECT_EQ(record.body, "body");
  EXPECT_EQ(record.key, "gw-1");
  EXPECT_EQ(record.properties.gateway, "gw-1");
  const auto message = *amqp::Message::parse(bytes);
  EXPECT_EQ(record.sections, base::as_text(message.application_properties_section));
}

TEST_F(RecordsOf, ABatchIsARecordForEachEvent) {
  base::Bytes batch;
  amqp::MessageWriter writer(batch);
  for (const auto* body : {"one", "two", "three"}) writer.data(event(body, "k"));
  const auto records = records_of(batch, amqp::kBatchFormat, "gw-1");
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[2].body, "three");
}

TEST_F(RecordsOf, ABatchWithOneBadEventGivesNothing) {
  base::Bytes batch;
  amqp::MessageWriter writer(batch);
  writer.data(event("one", "k"));
  writer.data(base::as_bytes("no message"));
  EXPECT_EQ(records_of(batch, amqp::kBatchFormat, "gw-1").error().code, base::Errc::kInvalidArgument);
}

TEST_F(RecordsOf, BothSectionsAndAllDataAreKeptWhereverTheyStand) {
  base::Bytes bytes;
  amqp::MessageWriter writer(bytes);
  amqp::Properties properties;
  const std::array<std::uint8_t, 2> seven{0x53, 0x07};  // a value is a view of its encoding
  properties.correlation_id = *amqp::Value::parse(seven);
  writer.properties(properties);
  writer.begin_application_properties();
  writer.writer().string("k");
  writer.writer().int32(7);
  writer.end();
  writer.data(base::as_bytes("one "));
  writer.data(base::as_bytes("two"));
  for (int again = 0; again < 2; ++again) {
    const auto records = records_of(bytes, 0, "gw-1");
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 1u);
    const auto message = *amqp::Message::parse(bytes);
    EXPECT_EQ(records->front().body, "one two");
    EXPECT_EQ(records->front().sections, std::string(base::as_text(message.properties_section)) +
                                             std::string(base::as_text(message.application_properties_section)));
  }
}

TEST_F(RecordsOf, GarbageIsAnError) {
  EXPECT_FALSE(records_of(base::as_bytes("garbage"), 0, "gw-1"));
  EXPECT_FALSE(records_of({}, amqp::kBatchFormat, "gw-1"));
}

TEST_F(RecordsOf, TextAndBinaryValuesAreBodiesOthersAreNot) {
  base::Bytes text;
  amqp::MessageWriter writer(text);
  writer.begin_value();
  writer.writer().string("hello");
  EXPECT_EQ(records_of(text, 0, "g")->front().body, "hello");
  base::Bytes number;
  amqp::MessageWriter number_writer(number);
  number_writer.begin_value();
  number_writer.writer().int32(5);
  EXPECT_FALSE(records_of(number, 0, "g"));
}

// Accepted and stored empty, its content would be gone.
TEST_F(RecordsOf, ASequenceIsRefused) {
  const std::uint8_t sequence[] = {0x00, 0x53, 0x76, 0xc0, 0x03, 0x01, 0x54, 0x05};  // amqp-sequence [5]
  EXPECT_EQ(records_of(sequence, 0, "g").error().code, base::Errc::kInvalidArgument);
}

}  // namespace
}  // namespace meterhub::hub
