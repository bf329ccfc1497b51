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

TEST(RecordsOf, APlainMessageIsOneRecordWithItsSectionsAsSent) {
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

TEST(RecordsOf, ABatchIsARecordForEachEvent) {
  base::Bytes batch;
  amqp::MessageWriter writer(batch);
  for (const auto* body : {"one", "two", "three"}) writer.data(event(body, "k"));
  const auto records = records_of(batch, amqp::kBatchFormat, "gw-1");
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ(records->at(2).body, "three");
}

TEST(RecordsOf, ABatchWithOneBadEventGivesNothing) {
  base::Bytes batch;
  amqp::MessageWriter writer(batch);
  writer.data(event("one", "k"));
  writer.data(base::as_bytes("no message"));
  EXPECT_EQ(records_of(batch, amqp::kBatchFormat, "gw-1").error().code, base::Errc::kInvalidArgument);
}

TEST(RecordsOf, GarbageIsAnError) {
  EXPECT_FALSE(records_of(base::as_bytes("garbage"), 0, "gw-1"));
  EXPECT_FALSE(records_of({}, amqp::kBatchFormat, "gw-1"));
}

TEST(RecordsOf, TextAndBinaryValuesAreBodiesOthersAreNot) {
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
TEST(RecordsOf, ASequenceIsRefused) {
  const std::uint8_t sequence[] = {0x00, 0x53, 0x76, 0xc0, 0x03, 0x01, 0x54, 0x05};  // amqp-sequence [5]
  EXPECT_EQ(records_of(sequence, 0, "g").error().code, base::Errc::kInvalidArgument);
}

}  // namespace
}  // namespace meterhub::hub
