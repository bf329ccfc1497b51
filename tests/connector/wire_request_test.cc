#include "wire_request.h"

#include <gtest/gtest.h>

#include "wire_fixture.h"

namespace meterhub::connector {
namespace {

using namespace test;
using lorawan::PacketError;

CutDelivery cut(const std::string& body, std::size_t datagram_max = 1400) {
  lorawan::ReportReader reader;
  return cut_delivery(block_of({body}).deliveries[0], datagram_max, "127.0.0.1:1", reader);
}

TEST(WireRequest, NamesTheRequestByOriginPartAttemptAndRandomBits) {
  const log::Origin origin{"telemetry", base::PartitionId(3), base::Offset(77), 0, {}};
  EXPECT_EQ(request_id(origin, 1, 2, 0), "telemetry-3-77-1-2-0000000000000000");
}

TEST(WireRequest, KeepsEveryDatagramWithinItsLimitHintsIncluded) {
  std::string body = R"({"rxpk":[)";
  for (std::uint32_t i = 0; i < 60; ++i) body += (i == 0 ? "" : ",") + packet(1 + i % 50, i);
  const auto block = block_of({body + "]}"});
  lorawan::ReportReader reader;
  const auto parts = cut_delivery(block.deliveries[0], 1400, "127.0.0.1:1", reader).parts;
  std::uint32_t packets = 0;
  for (const auto& part : parts) {
    std::vector<lorawan::CounterHint> hints;
    for (const auto address : part.addresses) hints.push_back({address, UINT32_MAX});
    for (int more = 0; more < 100; ++more) hints.push_back({base::DevAddr(1), UINT32_MAX});
    const WireEnvelope envelope{{}, request_id(block.deliveries[0].origin, part.number, 9, 1), "127.0.0.1:1", hints, 1400};
    const auto datagram = build_datagram(block.deliveries[0], part, envelope);
    EXPECT_LE(datagram.size(), 1400U);
    EXPECT_GT(datagram.size(), 700U);
    EXPECT_EQ(part.first_index, packets);
    packets += part.count;
  }
  EXPECT_EQ(packets, 60U);
}

TEST(WireRequest, SendsOneLongElementAloneAndRefusesOneBeyondAnyDatagram) {
  const auto element = [](std::size_t size) { return R"({"modu":"LORA","data":"","pad":")" + std::string(size, 'x') + R"("})"; };
  const auto cuts = cut(body_of({packet(1, 1), element(3'000), element(70'000), packet(2, 2)}));
  ASSERT_EQ(cuts.parts.size(), 3U);
  EXPECT_EQ(cuts.parts[1].count, 1U);
  EXPECT_GT(cuts.parts[1].members.size(), 3'000U);
  ASSERT_EQ(cuts.errors.size(), 1U);
  EXPECT_EQ(cuts.errors[0].error, PacketError::kBodySize);
  EXPECT_EQ(cuts.errors[0].index, 2U);
}

TEST(WireRequest, JudgesABodyThatCannotBeReadItself) {
  EXPECT_EQ(cut("{").errors.at(0).error, PacketError::kJson);
  EXPECT_EQ(cut("").errors.at(0).error, PacketError::kGwmpShort);
  EXPECT_EQ(cut(std::string("\2\0\0\0", 4) + "12345678{}").errors.at(0).error, PacketError::kGwMismatch);
}

TEST(WireRequest, CutsAPartIntoSinglesWithTheirOwnIndexes) {
  lorawan::ReportReader reader;
  auto parts = cut(body_of({packet(1, 1), packet(2, 2), packet(3, 3)})).parts;
  ASSERT_EQ(parts.size(), 1U);
  parts[0].first_index = 10;
  const auto singles = cut_single(parts[0], reader);
  ASSERT_EQ(singles.size(), 3U);
  EXPECT_EQ(singles[2].first_index, 12U);
  EXPECT_EQ(singles[2].addresses.at(0), session(3).dev_addr);
}

}  // namespace
}  // namespace meterhub::connector
