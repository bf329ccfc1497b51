// What people read.
#include <meterhub/notify/message.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "setup_fixture.h"

namespace meterhub::notify {
namespace {

using namespace test;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

class Text : public testing::Test {
 protected:
  Message of(registry::ChannelNumber channel, const std::vector<Waiting>& waiting,
             const RuleCounts& gathered = {}) const {
    return compose(setup_, *setup_.channel(channel), waiting, gathered);
  }
  const notify::Setup setup_ = two_companies();
};

TEST_F(Text, OfOneEpisodeInChinese) {
  const auto message = of(kDuty, {{leak()}});
  EXPECT_EQ(message.subject, "【紧急】疑似燃气泄漏：阳光小区3#楼 2 201");
  EXPECT_THAT(message.lines, ElementsAre("【紧急】疑似燃气泄漏", "公司：重庆燃气", "片区：渝中",
                                         "位置：阳光小区3#楼 2 201", "设备：70b3d50000000001", "时间：2026-01-31 14:05",
                                         "说明：0.8 m³/h since 02:00", "报警编号：1"));
}

TEST_F(Text, OfOneEpisodeInEnglishAndInItsOwnTime) {
  const auto message = of(kBerliners, {{leak(7, kBerlin)}});
  EXPECT_EQ(message.subject, "[urgent] Possible gas leak: 阳光小区3#楼 2 201");
  EXPECT_THAT(message.lines, ElementsAre("[urgent] Possible gas leak", "District: 渝中", "Place: 阳光小区3#楼 2 201",
                                         "Device: 70b3d50000000001", "Time: 2026-01-31 07:05",
                                         "Detail: 0.8 m³/h since 02:00", "Episode: 7"));
}

TEST_F(Text, SaysWhatIsOverAndWhatNobodyHasSeen) {
  auto over = of_event(leak(), NoticeEvent::kCleared);
  over.at = over.raised + minutes(65);
  EXPECT_EQ(of(kDuty, {{over}}).subject, "【紧急】疑似燃气泄漏（已恢复）：阳光小区3#楼 2 201");
  EXPECT_THAT(of(kDuty, {{over}}).lines, Contains("时间：2026-01-31 14:05 – 2026-01-31 15:10"));
  EXPECT_EQ(of(kBoss, {{leak(), true}}).subject,
            "[urgent] Possible gas leak (not acknowledged yet): 阳光小区3#楼 2 201");
  EXPECT_EQ(of(kBoss, {{of_event(leak(), NoticeEvent::kReopened)}}).subject,
            "[urgent] Possible gas leak (again): 阳光小区3#楼 2 201");
}

TEST_F(Text, GathersSeveralIntoOne) {
  auto low = leak(2);
  low.rule = "low_balance";
  low.severity = Severity::kWarning;
  const auto message = of(kDuty, {{leak(1)}, {low}});
  EXPECT_EQ(message.subject, "【紧急】2条报警：疑似燃气泄漏 1、余额不足 1") << message.subject;
  ASSERT_EQ(message.lines.size(), 2U);
  EXPECT_EQ(
      message.lines[1],
      "2. 【警告】2026-01-31 14:05 余额不足、重庆燃气：阳光小区3#楼 2 201 70b3d50000000001、0.8 m³/h since 02:00");
}

TEST_F(Text, ListsTenAndCountsTheRestByRule) {
  std::vector<Waiting> many;
  for (std::uint64_t i = 1; i <= 40; ++i) {
    auto notice = leak(i);
    notice.rule = i % 2 == 0 ? "low_balance" : "silent_meter";
    notice.severity = i == 40 ? Severity::kEmergency : Severity::kInfo;
    many.push_back({notice});
  }
  const auto message = of(kBoss, many, {{"low_balance", 1000}});
  EXPECT_EQ(message.subject, "[emergency] 1040 alarms: Balance low 1020, Meter silent 20");
  ASSERT_EQ(message.lines.size(), 11U);
  EXPECT_THAT(message.lines[9], HasSubstr("[emergency]")) << "the gravest is listed, in its place";
  EXPECT_EQ(message.lines[10], "And not listed: Balance low 1015, Meter silent 15");
  EXPECT_THAT(message.more, ElementsAre(Pair("low_balance", 1015), Pair("silent_meter", 15)));
  EXPECT_EQ(nlohmann::json::parse(message.notices).size(), 10U);
}

TEST_F(Text, TellsOfAnEpisodeOnlyTheLast) {
  auto over = of_event(leak(1), NoticeEvent::kCleared);
  over.at = over.raised + minutes(65);
  const auto message = of(kBoss, {{leak(1)}, {leak(2)}, {over}});
  ASSERT_EQ(message.lines.size(), 2U);
  EXPECT_THAT(message.lines[1], HasSubstr("(cleared)"));
  EXPECT_EQ(of(kBoss, {{leak(1)}, {over}}).subject, "[urgent] Possible gas leak (cleared): 阳光小区3#楼 2 201");
}

TEST_F(Text, OfAFloodIsOneLine) {
  Notice flood;
  flood.event = NoticeEvent::kFloodBegins;
  flood.rule = "silent_meter";
  flood.severity = Severity::kWarning;
  flood.tenant = kChongqing;
  flood.at = flood.raised = at("2026-01-31T06:05:00Z");
  flood.count = 20000;
  EXPECT_EQ(of(kDuty, {{flood}}).subject, "【警告】表具失联（大量报警）");
  EXPECT_THAT(of(kDuty, {{flood}}).lines, Contains("说明：已有20000起；期间不再逐条发送"));
  flood.event = NoticeEvent::kFloodEnds;
  EXPECT_EQ(of(kBoss, {{flood}}).subject, "[warning] Meter silent (flood over)");
}

TEST_F(Text, ANameFromAFileMakesNoSecondLine) {
  auto notice = leak();
  notice.place.building = "A\r\nBcc: x@example.org";
  const auto message = of(kBoss, {{notice}});
  EXPECT_EQ(message.subject, "[urgent] Possible gas leak: A  Bcc: x@example.org 2 201");
  for (const auto& line : message.lines) EXPECT_THAT(line, Not(HasSubstr("\n")));
}

TEST_F(Text, ARuleWithoutWordsIsShownByItsName) {
  auto notice = leak();
  notice.rule = "of_tomorrow";
  EXPECT_EQ(of(kDuty, {{notice}}).lines[0], "【紧急】of_tomorrow");
}

TEST_F(Text, EveryRuleHasWords) {
  for (const auto rule : known_rules()) {
    auto notice = leak();
    notice.rule = rule;
    EXPECT_NE(of(kDuty, {{notice}}).lines[0], "【紧急】" + notice.rule);
    EXPECT_NE(of(kBoss, {{notice}}).lines[0], "[urgent] " + notice.rule);
  }
}

TEST_F(Text, IsReadBackAsItWasKept) {
  std::vector<Waiting> many;
  for (std::uint64_t i = 1; i <= 12; ++i) many.push_back({leak(i)});
  const auto message = of(kDuty, many);
  const auto read = parse_message(message_json(message));
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(*read, message);
  for (const char* wrong : {"", "{}", "[]", R"({"subject":1,"lines":[],"notices":[],"more":{}})"})
    EXPECT_FALSE(parse_message(wrong)) << wrong;
}

TEST(StoredNotice, IsReadBackAsItWas) {
  auto notice = of_event(leak(9), NoticeEvent::kReopened);
  notice.count = 4;
  const auto read = parse_notice(notice_json(notice));
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(*read, notice);
  for (const char* wrong : {"", "[]", "{}", R"({"event":"raised","severity":"loud"})"})
    EXPECT_FALSE(parse_notice(wrong)) << wrong;
}

TEST(StoredNotice, WithBytesThatAreNoTextIsStillJson) {
  auto notice = leak();
  notice.place.building = "\xff\xfe";
  EXPECT_TRUE(parse_notice(notice_json(notice)));
}

}  // namespace
}  // namespace meterhub::notify
