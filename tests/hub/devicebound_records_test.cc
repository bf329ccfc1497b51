// Cloud-to-device messages in the log and on the wire.
#include "devicebound_records.h"

#include <gtest/gtest.h>

#include <limits>

#include "devicebound_message.h"

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using base::Offset;
using base::Timestamp;

constexpr Timestamp kNow{1'700'000'000s};

// As a service sends it.
struct Sent {
  std::string to = "/devices/gw-1/messages/devicebound";
  std::string id = "m-1";
  std::string ack{};
  std::optional<std::int64_t> expires_ms{};
  std::string body = "open";

  base::Bytes bytes() const {
    base::Bytes out, to_value, id_value;
    amqp::Writer(to_value).string(to);
    amqp::Writer(id_value).string(id);
    amqp::MessageWriter writer(out);
    amqp::Properties properties;
    properties.to = *amqp::Value::parse(to_value);
    if (!id.empty()) properties.message_id = *amqp::Value::parse(id_value);
    if (expires_ms) properties.absolute_expiry_time = amqp::WireTime{*expires_ms};
    writer.properties(properties);
    writer.begin_application_properties();
    writer.writer().string("valve");
    writer.writer().int32(3);
    if (!ack.empty()) {
      writer.writer().string("iothub-ack");
      writer.writer().string(ack);
    }
    writer.end();
    writer.data(base::as_bytes(body));
    return out;
  }
};

base::Result<DeviceboundMessage> read(const Sent& sent) { return read_devicebound(sent.bytes(), kNow, 1h); }

log::RecordView viewed(const log::NewRecord& record, std::uint64_t offset) {
  return {Offset(offset), kNow, record.key, record.properties, record.sections, record.body};
}

TEST(ReadDevicebound, KeepsTheSectionsOfTheServiceByteForByte) {
  const Sent sent;
  const auto bytes = sent.bytes();
  const auto message = read(sent);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payload, base::as_text(bytes));
  EXPECT_EQ(message->device, "gw-1");
  EXPECT_EQ(message->id, "m-1");
  EXPECT_EQ(message->ack, Ack::kNone);
  EXPECT_EQ(message->expires, kNow + 1h);
}

TEST(ReadDevicebound, DecodesTheDevicesNameAndTakesNoOtherAddress) {
  EXPECT_EQ(read({.to = "/devices/gw%2F1%20x/messages/devicebound"})->device, "gw/1 x");
  for (const auto* to :
       {"", "/devices/gw-1/messages/events", "/devices//messages/devicebound", "/messages/devicebound", "gw-1"})
    EXPECT_EQ(read({.to = to}).error().code, base::Errc::kInvalidArgument) << to;
}

TEST(ReadDevicebound, ReadsWhatTheServiceWantsToHear) {
  EXPECT_EQ(read({.ack = "none"})->ack, Ack::kNone);
  EXPECT_EQ(read({.ack = "positive"})->ack, Ack::kPositive);
  EXPECT_EQ(read({.ack = "negative"})->ack, Ack::kNegative);
  EXPECT_EQ(read({.ack = "full"})->ack, Ack::kFull);
  EXPECT_EQ(read({.ack = "loud"}).error().code, base::Errc::kInvalidArgument);
}

TEST(ReadDevicebound, HoldsExpiriesBetweenThePastAndTwoDays) {
  const auto ms = [](Timestamp at) {
    return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
  };
  EXPECT_EQ(read({.expires_ms = ms(kNow + 5min)})->expires, kNow + 5min);
  EXPECT_EQ(read({.expires_ms = ms(kNow + 240h)})->expires, kNow + 48h);
  EXPECT_EQ(read({.expires_ms = std::numeric_limits<std::int64_t>::max()})->expires, kNow + 48h);
  EXPECT_LE(read({.expires_ms = std::numeric_limits<std::int64_t>::min()})->expires, kNow);
}

TEST(ReadDevicebound, TakesAMessageIdOf128BytesAndNoLonger) {
  EXPECT_TRUE(read({.id = std::string(128, 'i')}));
  EXPECT_FALSE(read({.id = std::string(129, 'i')}));
  EXPECT_EQ(read({.id = ""})->id, "");
}

TEST(ReadDevicebound, WritesAUuidAsPeopleDo) {
  base::Bytes out, to, id;
  amqp::Writer(to).string("/devices/gw-1/messages/devicebound");
  amqp::Writer(id).uuid(base::as_bytes("0123456789abcdef"));
  amqp::Properties properties;
  properties.to = *amqp::Value::parse(to);
  properties.message_id = *amqp::Value::parse(id);
  amqp::MessageWriter(out).properties(properties);
  EXPECT_EQ(read_devicebound(out, kNow, 1h)->id, "30313233-3435-3637-3839-616263646566");
}

TEST(ReadDevicebound, RefusesWhatIsNoMessage) {
  EXPECT_FALSE(read_devicebound(base::as_bytes("garbage"), kNow, 1h));
  EXPECT_FALSE(read_devicebound({}, kNow, 1h));
}

TEST(DeviceboundRecords, AMessageComesBackFromTheLog) {
  auto message = *read({.ack = "full"});
  const auto record = record_of(message);
  EXPECT_EQ(record.key, "gw-1");
  const auto back = std::get<DeviceboundMessage>(*read_record(viewed(record, 7)));
  EXPECT_EQ(back.number, Offset(7));
  EXPECT_EQ(back.device, message.device);
  EXPECT_EQ(back.enqueued, kNow);
  EXPECT_EQ(back.expires, message.expires);
  EXPECT_EQ(back.ack, Ack::kFull);
  EXPECT_EQ(back.id, message.id);
  EXPECT_EQ(back.payload, message.payload);
}

TEST(DeviceboundRecords, AnEndComesBackWithWhatTheServiceIsTold) {
  const auto record = record_of(EndedMessage{Offset(7), "gw-1", "m-1", Ack::kNegative, Fate::kRejected});
  const auto back = std::get<LoggedEnd>(*read_record(viewed(record, 9)));
  EXPECT_EQ(back.message, Offset(7));
  EXPECT_TRUE(back.feedback);
  EXPECT_EQ(back.record.number, Offset(9));
  EXPECT_EQ(back.record.device, "gw-1");
  EXPECT_EQ(back.record.message_id, "m-1");
  EXPECT_EQ(back.record.fate, Fate::kRejected);
  const auto quiet = record_of(EndedMessage{Offset(7), "gw-1", "m-1", Ack::kNegative, Fate::kSuccess});
  EXPECT_FALSE(std::get<LoggedEnd>(*read_record(viewed(quiet, 9))).feedback);
}

TEST(DeviceboundRecords, WhatWasHeardComesBack) {
  const std::vector numbers{Offset(3), Offset(1'000'000'000'000)};
  const auto record = record_of_heard(numbers);
  EXPECT_EQ(std::get<LoggedHeard>(*read_record(viewed(record, 9))).feedback, numbers);
}

TEST(DeviceboundRecords, EveryCutOfARecordIsAnErrorAndNotACrash) {
  const auto whole = record_of(EndedMessage{Offset(7), "gw-1", "m-1", Ack::kFull, Fate::kSuccess});
  for (std::size_t size = 0; size < whole.body.size(); ++size) {
    auto cut = whole;
    cut.body.resize(size);
    EXPECT_EQ(read_record(viewed(cut, 1)).error().code, base::Errc::kCorrupt) << size;
  }
  auto other = whole;
  other.body[0] = 9;
  EXPECT_FALSE(read_record(viewed(other, 1)));
}

TEST(DeviceboundHead, SaysNumberTimeDeliveriesAndLock) {
  auto message = *read({});
  message.number = Offset(42);
  message.enqueued = kNow;
  const DeviceboundQueues::Taken taken{&message, DeliveryLock(5), 3};
  auto bytes = devicebound_head(taken, lock_token(Offset(42), DeliveryLock(5)));
  const auto payload = base::as_bytes(message.payload);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  const auto parsed = amqp::Message::parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->message_annotations.find("x-opt-sequence-number")->signed_integer(), 42);
  EXPECT_EQ(parsed->message_annotations.find("x-opt-enqueued-time")->timestamp_ms(), 1'700'000'000'000);
  EXPECT_EQ(parsed->message_annotations.find("x-opt-delivery-count")->unsigned_integer(), 3u);
  EXPECT_EQ(parsed->message_annotations.find("x-opt-lock-token")->uuid()->back(), 5);
  EXPECT_EQ(base::as_text(parsed->data), "open");
}

TEST(FeedbackMessage, IsAJsonArrayOfItsType) {
  const Feedback one{Offset(1), "gw \"1\"", "m-1", Fate::kDeliveryCountExceeded, kNow + 5ms};
  const Feedback two{Offset(2), "gw-2", "", Fate::kSuccess, kNow};
  const auto bytes = feedback_message({&one, &two}, kNow);
  const auto message = amqp::Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->properties()->content_type->text, "application/vnd.microsoft.iothub.feedback.json");
  EXPECT_EQ(base::as_text(message->data),
            R"([{"originalMessageId":"m-1","description":"DeliveryCountExceeded","statusCode":"DeliveryCountExceeded",)"
            R"("deviceId":"gw \"1\"","enqueuedTimeUtc":"2023-11-14T22:13:20.005Z"},)"
            R"({"originalMessageId":"","description":"Success","statusCode":"Success","deviceId":"gw-2",)"
            R"("enqueuedTimeUtc":"2023-11-14T22:13:20Z"}])");
}

}  // namespace
}  // namespace meterhub::hub
