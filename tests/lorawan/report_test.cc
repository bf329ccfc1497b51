#include <meterhub/lorawan/report.h>

#include <gtest/gtest.h>

#include <meterhub/lorawan/gwmp.h>

#include "vectors.h"

namespace meterhub::lorawan {
namespace {

Report read(std::string_view json, ExtraPolicy policy = ExtraPolicy::kIgnore) {
  ReportReader reader;
  Report out;
  EXPECT_EQ(reader.read(json, policy, out), PacketError::kNone) << json;
  return out;
}

PacketError error_of(std::string_view json) {
  ReportReader reader;
  Report out;
  return reader.read(json, ExtraPolicy::kIgnore, out);
}

TEST(Report, ReadsBackWhatAForwarderWrites) {
  Rxpk packet;
  packet.tmst = 3'512'348'611;
  packet.time = *base::parse_rfc3339("2016-12-21T03:24:34.528002Z");
  packet.tx = {.freq = 481.5, .modu = "LORA", .datr = "SF12BW125", .datr_number = {}, .codr = "4/5", .adr = false};
  packet.chan = 4;
  packet.rfch = 0;
  packet.rssi = -13;
  packet.lsnr = -7.5;
  packet.phy = {1, 2, 3};
  std::string json = R"({"rxpk":[)";
  append_rxpk(json, packet);
  const Report report = read(json + "]}");
  ASSERT_EQ(report.packets.size(), 1U);
  const Rxpk& got = report.packets[0];
  EXPECT_EQ(got.error, PacketError::kNone);
  EXPECT_EQ(got.tmst, packet.tmst);
  EXPECT_EQ(got.time, packet.time);
  EXPECT_EQ(got.tx, packet.tx);
  EXPECT_EQ(got.lsnr, packet.lsnr);
  EXPECT_EQ(got.phy, packet.phy);
  EXPECT_FALSE(got.size_differs);
}

TEST(Report, IgnoresTheExtraMemberOfAGateway) {
  const std::string json = R"({"x":{"rid":"r","t":"2016-12-21T01:00:00.250Z","i0":3,"ret":"h:1","hint":[{"a":"01a2b3c4","f":7}]}})";
  EXPECT_FALSE(read(json).extra);
  const auto extra = read(json, ExtraPolicy::kHonour).extra;
  ASSERT_TRUE(extra);
  std::string written = "{";
  append_extra(written, *extra);
  EXPECT_EQ(written + "}", json);
}

TEST(Report, RefusesWhatIsTooDeepTooLongOrNoObject) {
  EXPECT_EQ(error_of(std::string(100'000, '[')), PacketError::kJson);
  EXPECT_EQ(error_of(R"({"a":)" + std::string(20, '[') + std::string(20, ']') + "}"), PacketError::kJson);
  EXPECT_EQ(error_of(std::string(kBodySizeMax + 1, ' ')), PacketError::kBodySize);
  EXPECT_EQ(error_of("[1,2]"), PacketError::kJson);
  EXPECT_EQ(error_of(""), PacketError::kJson);
  EXPECT_EQ(error_of(R"({"rxpk":{}})"), PacketError::kJson);
  std::string many = R"({"rxpk":[1)";
  for (std::size_t i = 0; i < kReportPacketsMax; ++i) many += ",1";
  EXPECT_EQ(error_of(many + "]}"), PacketError::kBodySize);
}

TEST(Report, TakesTheFirstOfTwoMembersOfOneNameAsTheSplitterDoes) {
  const std::string json = R"({"rxpk":[{"data":"AQ"}],"stat":{"rxnb":1},"rxpk":[{"data":"AQ"},{"data":"Ag"}],"stat":{"rxnb":2}})";
  const Report report = read(json);
  EXPECT_EQ(report.packets.size(), 1u);
  EXPECT_EQ(report.stat, R"({"rxnb":1})");
  const auto parts = split_report(json, 1000);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->at(0).count, 1u);
  EXPECT_TRUE(parts->at(0).members.ends_with(R"("stat":{"rxnb":1})"));
}

TEST(Report, KeepsOnlyTextsOfAReasonableLength) {
  const auto report = read(R"({"rxpk":[{"data":"","modu":"LORA","datr":")" + std::string(1000, 'S') + R"("}]})");
  EXPECT_EQ(report.packets[0].tx.datr, "");
}

TEST(Report, CarriesABodyForAPluginAndWhoOpensIt) {
  RequestExtra extra;
  extra.rid = "r";
  extra.plugin = "xor";
  std::string json = "{";
  append_extra(json, extra);
  json += R"(,"raw":"AAEC"})";
  Report report;
  ASSERT_EQ(ReportReader().read(json, ExtraPolicy::kHonour, report), PacketError::kNone);
  EXPECT_EQ(report.extra->plugin, "xor");
  EXPECT_EQ(report.raw, (base::Bytes{0, 1, 2}));
}

TEST(SplitReport, CutsAtWholeElementsAndDropsWhatIsNotTheGatewaysToSay) {
  const std::string json = R"({"x":{"rid":"evil"},"rxpk":[{"data":"AAAA"},{"data":"BBBB"},{"data":"CCCC"}],"stat":{"rxnb":1},"raw":"AA"})";
  const auto parts = split_report(json, 59);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].members, R"("rxpk":[{"data":"AAAA"}],"stat":{"rxnb":1})");
  EXPECT_EQ((*parts)[1].members, R"("rxpk":[{"data":"BBBB"},{"data":"CCCC"}])");
  EXPECT_EQ((*parts)[1].first_index, 1U);
  EXPECT_EQ((*parts)[1].count, 2U);
}

TEST(SplitReport, GivesOnePartForAnEmptyReportAndOneForAnElementTooLong) {
  ASSERT_EQ(split_report("{}", 60)->size(), 1U);
  EXPECT_EQ(split_report("{}", 60)->front().members, "");
  const std::string one_element = R"({"data":")" + std::string(200, 'A') + R"("})";
  const auto parts = split_report(R"({"rxpk":[1,)" + one_element + ",2]}", 60);
  ASSERT_EQ(parts->size(), 3U);
  EXPECT_EQ((*parts)[1].members, "\"rxpk\":[" + one_element + "]");
  EXPECT_EQ(split_report("[", 60).error(), PacketError::kJson);
}

}  // namespace
}  // namespace meterhub::lorawan
