#include <meterhub/amqp/performatives.h>

#include <gtest/gtest.h>

#include "hex.h"

namespace meterhub::amqp {
namespace {

using base::Bytes;
using base::BytesView;

template <class T>
Bytes encoded(const T& fields) {
  Bytes out;
  encode(out, fields);
  return out;
}

template <class T>
base::Result<T> decoded(const Bytes& bytes) {
  BytesView in = bytes;
  return decode<T>(in);
}

TEST(Performative, OpenLeavesTrailingDefaultsOut) {
  Open open;
  open.container_id = "id";
  EXPECT_EQ(encoded(open), hex("00 53 10 c0 05 01 a1 02 69 64"));
  open.max_frame_size = 65536;
  EXPECT_EQ(encoded(open), hex("00 53 10 c0 0b 03 a1 02 69 64 40 70 00 01 00 00"));
}

TEST(Performative, AcceptedIsAnEmptyList) { EXPECT_EQ(encoded(Accepted{}), hex("00 53 24 45")); }

TEST(Performative, DispositionCarriesARangeAndAState) {
  const Bytes state = encoded(Accepted{});
  Disposition d;
  d.receiver = true;
  d.first = 3;
  d.last = 9;
  d.settled = true;
  d.state = *Value::parse(state);
  const Bytes bytes = encoded(d);
  EXPECT_EQ(bytes, hex("00 53 15 c0 0b 05 41 52 03 52 09 41 00 53 24 45"));
  const auto back = decoded<Disposition>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->last, 9u);
  EXPECT_TRUE(is<Accepted>(back->state));
}

TEST(Performative, TransferLeavesThePayloadBehind) {
  // handle 1, id 7, tag "t", format 0x80013700, settled absent, more
  const Bytes bytes = hex("00 53 14 c0 0f 06 52 01 52 07 a0 01 74 70 80 01 37 00 40 41 de ad");
  BytesView in = bytes;
  const auto transfer = decode<Transfer>(in);
  ASSERT_TRUE(transfer) << transfer.error().text;
  EXPECT_EQ(transfer->delivery_id, 7u);
  EXPECT_EQ(transfer->message_format, 0x80013700u);
  EXPECT_EQ(transfer->settled, std::nullopt);
  EXPECT_TRUE(transfer->more);
  EXPECT_EQ(in.size(), 2u);
}

TEST(Performative, TakesDescriptorsAsSymbolsAndUnknownFurtherFields) {
  Bytes bytes;
  Writer w(bytes);
  w.descriptor("amqp:end:list");
  w.begin_list();
  w.null();
  w.uint32(5);
  w.end();
  EXPECT_EQ(peek_descriptor(bytes), 0x17u);
  EXPECT_TRUE(decoded<End>(bytes));
}

TEST(Performative, SaysWhichFieldIsWrong) {
  EXPECT_EQ(decoded<Attach>(hex("00 53 12 45")).error().text, "amqp:attach: name is missing");
  EXPECT_EQ(decoded<Open>(hex("00 53 10 c0 03 01 52 07")).error().text, "amqp:open: container-id has a wrong type");
  EXPECT_FALSE(decoded<Open>(hex("00 53 11 45")));
  EXPECT_FALSE(decoded<Open>(hex("00 53 10 c0 ff 01")));
  EXPECT_FALSE(decoded<Open>(hex("00 53 10 d0 ff ff ff ff 00 00 00 01")));
  EXPECT_FALSE(decoded<Open>(hex("00 53 10")));
  EXPECT_FALSE(decoded<Open>({}));
}

TEST(Performative, PropertiesKeepTheTypeOfTheMessageId) {
  const Bytes id = hex("98 000102030405060708090a0b0c0d0e0f");
  Properties p;
  p.message_id = *Value::parse(id);
  p.content_type = Symbol{"application/json"};
  p.creation_time = WireTime{1};
  const Bytes bytes = encoded(p);
  const auto back = decoded<Properties>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->message_id, p.message_id);
  EXPECT_EQ(back->content_type, p.content_type);
  EXPECT_EQ(back->creation_time, p.creation_time);
  EXPECT_TRUE(back->correlation_id.is_null());
}

}  // namespace
}  // namespace meterhub::amqp
