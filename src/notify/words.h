// The words of both languages.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/notify/notice.h>

namespace meterhub::notify {

enum class Language : bool { kChinese, kEnglish };
inline Language language_of(std::string_view name) { return name == "en" ? Language::kEnglish : Language::kChinese; }

// A rule without words is shown by its name.
std::string rule_words(Language language, std::string_view rule);
std::string_view severity_words(Language language, Severity severity);
// What happened; empty for the first time, which needs no word.
std::string_view event_words(Language language, NoticeEvent event);

// Names of fields and sentences.
struct Phrases {
  std::string_view place, subject, time, detail, tenant, district, episode;
  std::string_view not_acknowledged;
  std::string_view and_more;  // before the counts by rule
  std::string_view list_separator, colon, open, close;
  std::string_view test_subject, test_line;
};
const Phrases& phrases(Language language);

// "12 alarms", as the subject of a gathered message says it.
std::string count_words(Language language, std::uint64_t count);
// How many episodes a flood has, and what it means; empty for any other event.
std::string flood_words(Language language, const Notice& notice);

}  // namespace meterhub::notify
