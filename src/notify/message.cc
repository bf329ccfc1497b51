#include <meterhub/notify/message.h>

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/assert.h>

#include "notice_json.h"
#include "words.h"

namespace meterhub::notify {
namespace {

using nlohmann::json;

constexpr std::size_t kRulesInSubject = 3;

// Everything a text of this channel needs to know.
struct Writer {
  const Setup& setup;
  const registry::Channel& channel;
  Language language = language_of(channel.spec.language);
  const Phrases& words = phrases(language);

  // A platform's channel hears of several companies.
  std::string tenant_of(const Notice& notice) const {
    const auto found = setup.tenants.find(notice.tenant);
    const bool several = channel.tenant.value == 0 && setup.tenants.size() > 1;
    return several && found != setup.tenants.end() ? found->second.name : std::string();
  }
  std::string time_of(const Notice& notice, base::Timestamp at) const {
    const auto civil = setup.zone(notice.tenant).civil(at);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", civil.year, civil.month, civil.day, civil.hour, civil.minute);
  }
};

void append(std::string& out, std::string_view more, std::string_view separator) {
  if (more.empty()) return;
  if (!out.empty()) out += separator;
  out += more;
}

std::string place_of(const PlaceText& place) {
  std::string out;
  for (const auto& part : {place.building, place.floor, place.unit}) append(out, part, " ");
  return out;
}

// A line of a text and of a mail's head: names from files may hold anything.
std::string one_line(std::string text) {
  for (auto& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

// Figures come with units in ASCII.
std::string with_units(std::string text) {
  for (auto at = text.find("m3"); at != text.npos; at = text.find("m3", at + 2)) text.replace(at, 2, "m³");
  return text;
}

std::string detail_of(const Writer& writer, const Notice& notice) {
  auto out = with_units(notice.detail);
  append(out, flood_words(writer.language, notice), "; ");
  return out;
}

std::string where_of(const Notice& notice) {
  const auto place = place_of(notice.place);
  return place.empty() ? notice.subject : place;
}

std::string what_of(const Writer& writer, const Waiting& waiting) {
  auto out = rule_words(writer.language, waiting.notice.rule);
  std::string state(event_words(writer.language, waiting.notice.event));
  if (waiting.escalation && waiting.notice.event != NoticeEvent::kCleared)
    append(state, writer.words.not_acknowledged, writer.words.list_separator);
  if (!state.empty())
    out += (writer.language == Language::kEnglish ? " (" : "（") + state +
           (writer.language == Language::kEnglish ? ")" : "）");
  return out;
}

std::string tag_of(const Writer& writer, Severity severity) {
  return std::string(writer.words.open) + std::string(severity_words(writer.language, severity)) +
         std::string(writer.words.close);
}

// When it began and, of what has cleared, when it ended.
std::string times_of(const Writer& writer, const Notice& notice) {
  if (notice.event != NoticeEvent::kCleared || notice.raised == base::Timestamp{})
    return writer.time_of(notice, notice.at);
  return writer.time_of(notice, notice.raised) + " – " + writer.time_of(notice, notice.at);
}

Message single(const Writer& writer, const Waiting& waiting) {
  const auto& notice = waiting.notice;
  const auto& words = writer.words;
  Message out;
  const auto what = what_of(writer, waiting);
  const auto where = where_of(notice);
  out.subject = tag_of(writer, notice.severity) + what + (where.empty() ? "" : std::string(words.colon) + where);
  out.lines.push_back(tag_of(writer, notice.severity) + what);
  const auto field = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out.lines.push_back(std::string(name) + std::string(words.colon) + value);
  };
  field(words.tenant, writer.tenant_of(notice));
  field(words.district, notice.place.district);
  field(words.place, place_of(notice.place));
  field(words.subject, notice.subject);
  field(words.time, times_of(writer, notice));
  field(words.detail, detail_of(writer, notice));
  if (notice.episode != 0) field(words.episode, std::to_string(notice.episode));
  return out;
}

std::string listed(const Writer& writer, const Waiting& waiting, std::size_t number) {
  const auto& notice = waiting.notice;
  auto out = fmt::format("{}. {}{} {}", number, tag_of(writer, notice.severity), times_of(writer, notice),
                         what_of(writer, waiting));
  append(out, writer.tenant_of(notice), writer.words.list_separator);
  append(out, where_of(notice), writer.words.colon);
  if (!place_of(notice.place).empty()) append(out, notice.subject, " ");
  append(out, detail_of(writer, notice), writer.words.list_separator);
  return out;
}

std::string counts_text(const Writer& writer, const RuleCounts& counts, std::size_t rules_max) {
  std::vector<std::pair<std::uint64_t, std::string>> order;
  for (const auto& [rule, count] : counts) order.emplace_back(count, rule);
  std::ranges::sort(
      order, [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  std::string out;
  for (std::size_t i = 0; i < std::min(order.size(), rules_max); ++i) {
    append(out, rule_words(writer.language, order[i].second) + " " + std::to_string(order[i].first),
           writer.words.list_separator);
  }
  return order.size() > rules_max ? out + "…" : out;
}

// Of an episode the last word is enough: raised and cleared within a night are one line.
std::vector<Waiting> last_of_each(const std::vector<Waiting>& waiting) {
  std::vector<Waiting> out;
  std::unordered_set<std::uint64_t> seen;
  for (auto at = waiting.rbegin(); at != waiting.rend(); ++at) {
    if (at->notice.episode == 0 || seen.insert(at->notice.episode).second) out.push_back(*at);
  }
  std::ranges::reverse(out);
  return out;
}

// Moves what there is no room for out of `told` into counts.
RuleCounts count_beyond(std::vector<Waiting>& told) {
  RuleCounts out;
  if (told.size() <= kListedMax) return out;
  std::vector<std::size_t> order(told.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return told[a].notice.severity > told[b].notice.severity; });
  for (std::size_t i = kListedMax; i < order.size(); ++i) ++out[told[order[i]].notice.rule];
  order.resize(kListedMax);
  std::ranges::sort(order);
  std::vector<Waiting> kept;
  for (const auto i : order) kept.push_back(std::move(told[i]));
  told = std::move(kept);
  return out;
}

Message gathered_message(const Writer& writer, const std::vector<Waiting>& told, const RuleCounts& more) {
  Message out;
  auto all = more;
  auto gravest = Severity::kInfo;
  for (const auto& waiting : told) {
    ++all[waiting.notice.rule];
    gravest = std::max(gravest, waiting.notice.severity);
    out.lines.push_back(listed(writer, waiting, out.lines.size() + 1));
  }
  std::uint64_t total = 0;
  for (const auto& [rule, count] : all) total += count;
  out.subject = tag_of(writer, gravest) + count_words(writer.language, total) + std::string(writer.words.colon) +
                counts_text(writer, all, kRulesInSubject);
  if (!more.empty()) out.lines.push_back(std::string(writer.words.and_more) + counts_text(writer, more, more.size()));
  return out;
}

Message finished(Message message, const std::vector<Waiting>& told) {
  message.subject = one_line(std::move(message.subject));
  for (auto& line : message.lines) line = one_line(std::move(line));
  json list = json::array();
  for (const auto& waiting : told) {
    auto one = json_of(waiting.notice);
    if (waiting.escalation) one["escalation"] = true;
    list.push_back(std::move(one));
  }
  message.notices = dump(list);
  return message;
}

}  // namespace

Message compose(const Setup& setup, const registry::Channel& channel, const std::vector<Waiting>& waiting,
                const RuleCounts& gathered) {
  MH_ASSERT(!waiting.empty());
  const Writer writer{setup, channel};
  auto told = last_of_each(waiting);
  auto more = count_beyond(told);
  for (const auto& [rule, count] : gathered) more[rule] += count;
  auto out = told.size() == 1 && more.empty() ? single(writer, told.front()) : gathered_message(writer, told, more);
  out.more = std::move(more);
  return finished(std::move(out), told);
}

Message test_message(const Setup& setup, const registry::Channel& channel, base::Timestamp now) {
  const Writer writer{setup, channel};
  Waiting test;
  test.notice.event = NoticeEvent::kTest;
  test.notice.severity = Severity::kInfo;
  test.notice.tenant = channel.tenant;
  test.notice.raised = test.notice.at = now;
  Message out;
  out.subject = "Meterhub" + std::string(writer.words.colon) + std::string(writer.words.test_subject);
  out.lines = {std::string(writer.words.test_line),
               std::string(writer.words.time) + std::string(writer.words.colon) + writer.time_of(test.notice, now)};
  return finished(std::move(out), {test});
}

std::string message_json(const Message& message) {
  auto notices = json::parse(message.notices, nullptr, false);
  return dump({{"subject", message.subject},
               {"lines", message.lines},
               {"notices", std::move(notices)},
               {"more", message.more}});
}

base::Result<Message> parse_message(std::string_view text) {
  const auto object = json::parse(text, nullptr, false);
  const auto has = [&](const char* key, auto is) {
    return object.is_object() && object.contains(key) && is(object[key]);
  };
  if (!has("subject", [](const json& v) { return v.is_string(); }) ||
      !has("lines", [](const json& v) { return v.is_array(); }) ||
      !has("notices", [](const json& v) { return v.is_array(); }) ||
      !has("more", [](const json& v) { return v.is_object(); })) {
    return base::fail(base::Errc::kCorrupt, "a message in the outbox is not as it was written");
  }
  Message out;
  out.subject = object["subject"].get<std::string>();
  for (const auto& line : object["lines"]) {
    if (line.is_string()) out.lines.push_back(line.get<std::string>());
  }
  out.notices = dump(object["notices"]);
  for (const auto& [rule, count] : object["more"].items()) {
    if (count.is_number_unsigned()) out.more[rule] = count.get<std::uint64_t>();
  }
  return out;
}

}  // namespace meterhub::notify
