#include "words.h"

#include <array>
#include <utility>

namespace meterhub::notify {
namespace {

struct RuleWords {
  std::string_view rule, chinese, english;
};

constexpr std::array<RuleWords, 15> kRules{{
    {"low_balance", "余额不足", "Balance low"},
    {"own_limit", "余额低于用户自设限额", "Balance below the customer's own limit"},
    {"silent_meter", "表具失联", "Meter silent"},
    {"silent_gateway", "网关失联", "Gateway silent"},
    {"leak", "疑似燃气泄漏", "Possible gas leak"},
    {"tamper", "表具被拆动", "Meter tampered with"},
    {"reverse_counter", "读数倒走", "Counter runs backwards"},
    {"stuck_counter", "读数不走", "Counter stuck"},
    {"high_flow", "流量超过表具上限", "Flow above the meter's maximum"},
    {"battery_low", "电池电量低", "Battery low"},
    {"valve_closed", "阀门已关闭", "Valve closed"},
    {"sensor_fault", "传感器故障", "Sensor fault"},
    {"decrypt_failures", "网关数据解密失败", "Packets of a gateway cannot be decrypted"},
    {"counter_reset", "表具通信计数器重新开始", "A meter's frame counter began anew"},
    {"incomplete", "数据不完整", "Readings missing"},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSeverities{
    {{"提示", "info"}, {"警告", "warning"}, {"紧急", "urgent"}, {"特急", "emergency"}}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kEvents{{{"", ""},
                                                                                {"再次发生", "again"},
                                                                                {"已恢复", "cleared"},
                                                                                {"大量报警", "flood"},
                                                                                {"大量报警结束", "flood over"},
                                                                                {"测试", "test"}}};

constexpr Phrases kChinese{.place = "位置",
                           .subject = "设备",
                           .time = "时间",
                           .detail = "说明",
                           .tenant = "公司",
                           .district = "片区",
                           .episode = "报警编号",
                           .not_acknowledged = "至今无人确认",
                           .and_more = "另有未列出的报警：",
                           .list_separator = "、",
                           .colon = "：",
                           .open = "【",
                           .close = "】",
                           .test_subject = "测试消息",
                           .test_line = "这是一条测试消息。收到它，说明报警可以发到这里。"};
constexpr Phrases kEnglish{.place = "Place",
                           .subject = "Device",
                           .time = "Time",
                           .detail = "Detail",
                           .tenant = "Company",
                           .district = "District",
                           .episode = "Episode",
                           .not_acknowledged = "not acknowledged yet",
                           .and_more = "And not listed: ",
                           .list_separator = ", ",
                           .colon = ": ",
                           .open = "[",
                           .close = "] ",
                           .test_subject = "Test message",
                           .test_line = "This is a test message: alarms can reach you here."};

std::string_view pick(Language language, const std::pair<std::string_view, std::string_view>& words) {
  return language == Language::kEnglish ? words.second : words.first;
}

}  // namespace

std::string rule_words(Language language, std::string_view rule) {
  for (const auto& words : kRules) {
    if (words.rule == rule) return std::string(language == Language::kEnglish ? words.english : words.chinese);
  }
  return std::string(rule);
}

std::string_view severity_words(Language language, Severity severity) {
  return pick(language, kSeverities[std::to_underlying(severity)]);
}
std::string_view event_words(Language language, NoticeEvent event) {
  return pick(language, kEvents[std::to_underlying(event)]);
}
const Phrases& phrases(Language language) { return language == Language::kEnglish ? kEnglish : kChinese; }

std::string count_words(Language language, std::uint64_t count) {
  const auto number = std::to_string(count);
  return language == Language::kEnglish ? number + " alarms" : number + "条报警";
}

std::string flood_words(Language language, const Notice& notice) {
  if (notice.event != NoticeEvent::kFloodBegins && notice.event != NoticeEvent::kFloodEnds) return {};
  const auto number = std::to_string(notice.count);
  const bool over = notice.event == NoticeEvent::kFloodEnds;
  if (language == Language::kEnglish)
    return number + (over ? " episodes in all; single ones are told again"
                          : " episodes so far; single ones are not told while the flood lasts");
  return over ? "共" + number + "起；此后恢复逐条发送" : "已有" + number + "起；期间不再逐条发送";
}

}  // namespace meterhub::notify
