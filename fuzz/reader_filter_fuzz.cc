// Where a reader wants to begin. Input: a byte that says what follows: the text of a selector, an AMQP value as the filter of
// an attach, or the sections that a record keeps.
#include "hub/start_position.h"
#include "hub/stored_sections.h"
#include "input.h"

namespace meterhub::hub {
namespace {

using fuzz::require;

void check(const std::expected<StartPosition, FilterError>& start) {
  if (!start) return require(!start.error().condition.empty() && !start.error().text.empty() && start.error().text.size() < 400);
  require(start->by != StartPosition::By::kSequence || (start->value >= -1 && start->value < INT64_MAX));
}

void check_selector(std::string_view text) {
  const auto start = parse_selector(text);
  check(start);
  // White space changes nothing.
  require(parse_selector(" \t" + std::string(text) + "\r\n ").has_value() == start.has_value());
}

void check_filter(base::BytesView bytes) {
  const auto value = amqp::Value::parse(bytes);
  if (value) check(parse_start(*value));
}

// What was taken apart is all that was there.
void check_stored(std::string_view text) {
  const auto sections = parse_stored(text);
  if (!sections) return;
  require(sections->properties.size() + sections->body_head.size() <= text.size());
  require(sections->annotations.type() == amqp::Type::kNull || text.size() > sections->properties.size() + sections->body_head.size());
}

}  // namespace
}  // namespace meterhub::hub

MH_FUZZER(reader_filter, input) {
  using namespace meterhub::hub;
  switch (input.byte()) {
    case 't': return check_selector(input.text());
    case 'v': return check_filter(input.rest());
    default: return check_stored(input.text());
  }
}
