#include <meterhub/lorawan/gwmp.h>

#include <gtest/gtest.h>

#include "vectors.h"

namespace meterhub::lorawan {
namespace {

TEST(Gwmp, AcknowledgesOrRefusesEveryVector) {
  const auto file = vectors("ns_datagrams.json");
  ASSERT_EQ(file["cases"].size(), 62U);
  for (const auto& one : file["cases"]) {
    const auto bytes = bytes_of(one["datagram"]);
    const auto datagram = parse_datagram(bytes);
    const auto& want = one["expect"];
    if (want.contains("error")) {
      ASSERT_FALSE(datagram) << one["id"];
      EXPECT_EQ(text(datagram.error()), want["error"]) << one["id"];
      continue;
    }
    ASSERT_TRUE(datagram) << one["id"];
    const auto ack = acknowledgement(*datagram);
    EXPECT_EQ(ack ? nlohmann::json(base::hex_encode(*ack)) : nlohmann::json(nullptr), want["ack"]) << one["id"];
  }
}

TEST(GatewayBody, IsReadOrRefusedAsTheVectorsSay) {
  const auto file = vectors("amqp_bodies.json");
  ASSERT_EQ(file["cases"].size(), 7U);
  for (const auto& one : file["cases"]) {
    const auto bytes = bytes_of(one["body"]);
    const auto body = parse_gateway_body(bytes, base::Eui64(number_of(one["gweui_of_sender"])));
    EXPECT_EQ(body.has_value(), !one.contains("error")) << one["id"];
    EXPECT_EQ(body ? "" : text(body.error()), one.value("error", "")) << one["id"];
    if (body) { EXPECT_EQ(body->datagram.has_value(), one["form"] == "gwmp") << one["id"]; }
  }
}

TEST(GatewayBody, IsRefusedBeyondItsSize) {
  base::Bytes bytes(kBodySizeMax + 1, ' ');
  bytes[0] = '{';
  EXPECT_EQ(parse_gateway_body(bytes, {}).error(), PacketError::kBodySize);
}

TEST(Gwmp, BuildsWhatItReads) {
  const std::string built = build_push_data({7, 8}, base::Eui64(0xfffe020100000011), "{}", 1);
  const auto read = parse_datagram(base::as_bytes(built));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->version, 1);
  EXPECT_EQ(read->gateway.text(), "fffe020100000011");
  EXPECT_EQ(base::as_text(read->body), "{}");
  EXPECT_EQ(base::hex_encode(base::as_bytes(build_pull_resp({1, 2}, "{}"))), "020102037b7d");
}

}  // namespace
}  // namespace meterhub::lorawan
