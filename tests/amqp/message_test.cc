#include <meterhub/amqp/message.h>

#include <gtest/gtest.h>

#include "hex.h"

namespace meterhub::amqp {
namespace {

using base::as_bytes;
using base::as_text;
using base::Bytes;

Bytes event(std::string_view body, std::int64_t n) {
  Bytes out;
  MessageWriter w(out);
  w.header(Header{});
  w.begin_message_annotations();
  w.writer().symbol("x-opt-partition-key");
  w.writer().string("k");
  w.end();
  Properties properties;
  properties.content_type = Symbol{"application/json"};
  w.properties(properties);
  w.begin_application_properties();
  w.writer().string("n");
  w.writer().int64(n);
  w.end();
  w.data(as_bytes(body));
  return out;
}

TEST(Message, GivesTheSectionsAsTheyStand) {
  const Bytes bytes = event("{}", 5);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message) << message.error().text;
  EXPECT_EQ(as_text(message->data), "{}");
  EXPECT_EQ(message->message_annotations.find("x-opt-partition-key")->string(), "k");
  EXPECT_EQ(message->application_properties.find("n")->integer(), 5);
  EXPECT_EQ(message->properties()->content_type->text, "application/json");
  Bytes joined;
  for (const auto part : {message->header_section, message->message_annotations_section, message->properties_section,
                          message->application_properties_section, message->body_sections}) {
    joined.insert(joined.end(), part.begin(), part.end());
  }
  EXPECT_EQ(joined, bytes);
}

TEST(Message, GivesAValueBody) {
  const Bytes bytes = hex("00 53 77 a1 03 53 41 53");
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->body, Body::kValue);
  EXPECT_EQ(message->value.string(), "SAS");
}

TEST(Message, RefusesSectionsOutOfOrderOrOfAWrongType) {
  EXPECT_FALSE(Message::parse(hex("00 53 75 a0 00 00 53 74 c1 01 00")));  // properties behind the body
  EXPECT_FALSE(Message::parse(hex("00 53 75 a0 00 00 53 77 40")));       // data and a value
  EXPECT_FALSE(Message::parse(hex("00 53 77 40 00 53 77 40")));
  EXPECT_FALSE(Message::parse(hex("00 53 74 45")));                      // a list
  EXPECT_FALSE(Message::parse(hex("00 53 79 40")));
  EXPECT_FALSE(Message::parse(hex("40")));
  EXPECT_TRUE(Message::parse({}));
}

TEST(Events, AreTheMessagesOfABatch) {
  Bytes batch;
  MessageWriter w(batch);
  w.properties(Properties{});
  w.data(event("a", 1));
  w.data(event("b", 2));
  auto events = Events::of(batch, kBatchFormat);
  ASSERT_TRUE(events);
  EXPECT_EQ(as_text(Message::parse(*events->next())->data), "a");
  EXPECT_EQ(as_text(Message::parse(*events->next())->data), "b");
  EXPECT_FALSE(events->next());
}

TEST(Events, AreTheMessageItselfInFormatZero) {
  const Bytes single = event("x", 1);
  auto events = Events::of(single, 0);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->next()->size(), single.size());
  EXPECT_FALSE(events->next());
}

TEST(Events, RefuseABatchWithoutData) {
  EXPECT_FALSE(Events::of(hex("00 53 77 40"), kBatchFormat));
  EXPECT_FALSE(Events::of(hex("ff"), kBatchFormat));
}

}  // namespace
}  // namespace meterhub::amqp
