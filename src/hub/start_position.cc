#include "start_position.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <meterhub/base/ascii.h>

#include "event_hubs.h"

namespace meterhub::hub {
namespace {

constexpr std::uint64_t kSelectorCode = 0x0000468C00000004;
constexpr std::string_view kSelectorName = "apache.org:selector-filter:string";
constexpr std::string_view kPrefix = "amqp.annotation.";
constexpr std::size_t kTextShown = 120;
// The years 1 to 9999: outside of them the arithmetic on times could overflow.
constexpr std::int64_t kTimeMin = -62'135'596'800'000;
constexpr std::int64_t kTimeMax = 253'402'300'799'999;

using By = StartPosition::By;

struct Annotation {
  std::string_view name;
  By by;
};
// The last is the spelling of clients of 2015 and 2016.
constexpr std::array<Annotation, 4> kAnnotations{{{"x-opt-offset", By::kSequence},
                                                  {"x-opt-sequence-number", By::kSequence},
                                                  {"x-opt-enqueued-time", By::kTime},
                                                  {"x-opt-enqueuedtimeutc", By::kTime}}};

std::unexpected<FilterError> wrong(std::string_view condition, std::string text) {
  return std::unexpected(FilterError{condition, std::move(text)});
}

std::unexpected<FilterError> unknown(std::string_view text) {
  return wrong("amqp:not-implemented", "this filter is not known: " + std::string(text.substr(0, kTextShown)));
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void skip_space(std::string_view& text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
}

std::string_view take_word(std::string_view& text) {
  const auto end = std::ranges::find_if(text, [](char c) { return is_space(c) || c == '>'; });
  const auto word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(word.size());
  return word;
}

std::string_view without_quotes(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

std::expected<StartPosition, FilterError> position(By by, std::string_view text, bool inclusive) {
  if (by == By::kSequence && base::same_ignoring_case(text, "@latest")) return StartPosition{.by = By::kLatest};
  StartPosition out{by, 0, inclusive};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.value);
  const bool number = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  const bool fits = by == By::kTime ? out.value >= kTimeMin && out.value <= kTimeMax : out.value >= -1 && out.value < INT64_MAX;
  if (!number || !fits)
    return wrong("com.microsoft:argument-error", "a reader cannot begin at " + std::string(text.substr(0, kTextShown)));
  return out;
}

}  // namespace

std::expected<StartPosition, FilterError> parse_selector(std::string_view whole) {
  std::string_view text = whole;
  skip_space(text);
  if (text.size() < kPrefix.size() || !base::same_ignoring_case(text.substr(0, kPrefix.size()), kPrefix)) return unknown(whole);
  text.remove_prefix(kPrefix.size());
  const auto name = take_word(text);
  const auto annotation = std::ranges::find_if(kAnnotations, [&](const auto& one) { return base::same_ignoring_case(one.name, name); });
  skip_space(text);
  if (annotation == kAnnotations.end() || !text.starts_with('>')) return unknown(whole);
  text.remove_prefix(1);
  const bool inclusive = text.starts_with('=');
  if (inclusive) text.remove_prefix(1);
  skip_space(text);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return position(annotation->by, without_quotes(text), inclusive);
}

std::expected<StartPosition, FilterError> parse_start(const amqp::Value& filter) {
  if (filter.is_null()) return StartPosition{};
  if (filter.type() != amqp::Type::kMap) return wrong("amqp:not-allowed", "a filter is a map");
  StartPosition out;
  auto items = filter.items();
  while (const auto key = items.next()) {
    const auto value = items.next();
    if (!value) break;
    if (value->is_null()) continue;
    const auto described = value->described();
    if (!described) return wrong("amqp:not-allowed", "a filter is a described value");
    if (!value->has_descriptor(kSelectorCode, kSelectorName)) return unknown(key->text().value_or("of another type"));
    const auto text = described->string();
    if (!text) return wrong("amqp:not-allowed", "a selector filter is a string");
    const auto position = parse_selector(*text);
    if (!position) return std::unexpected(position.error());
    out = *position;
  }
  return out;
}

base::Result<base::Offset> locate(const log::Log& log, log::TopicPartition partition, const StartPosition& start) {
  const auto bounds = MH_TRY(log.bounds(partition));
  switch (start.by) {
    case By::kEarliest: return bounds.first;
    case By::kLatest: return bounds.next;
    case By::kTime: {
      // Events show milliseconds: those of the one that is named are all behind, or all before.
      const auto ms = std::chrono::milliseconds(start.inclusive ? start.value : start.value + 1);
      return log.offset_for_time(partition, base::Timestamp(ms));
    }
    case By::kSequence: break;
  }
  const auto wanted = base::Offset(static_cast<std::uint64_t>(std::max<std::int64_t>(start.inclusive ? start.value : start.value + 1, 0)));
  if (wanted <= bounds.next) return wanted;
  return base::fail(base::Errc::kInvalidArgument, "the supplied position " + std::to_string(start.value) +
                                                      " is invalid: the last sequence number is " +
                                                      std::to_string(sequence_number(bounds.next) - 1));
}

}  // namespace meterhub::hub
