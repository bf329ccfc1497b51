#include <meterhub/engine/bounded.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <optional>

#include "json_reader.h"

namespace meterhub::engine {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view without_blanks(std::string_view line) {
  const auto first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

PathTree arrival_path() {
  sql::NeededPath path;
  path.path = {"EventEnqueuedUtcTime"};
  return PathTree(std::span(&path, 1));
}

// An event that waits for its turn.
struct Waiting {
  Ticks key = 0;
  std::size_t input = 0;
  OrderedEvent event;
};

std::vector<OrderedEvent> sorted(std::vector<Waiting> waiting) {
  std::ranges::stable_sort(waiting, {}, [](const Waiting& w) { return std::tuple(w.key, w.event.event.offset, w.input); });
  std::vector<OrderedEvent> out;
  out.reserve(waiting.size());
  for (auto& one : waiting) out.push_back(one.event);
  return out;
}

}  // namespace

struct BoundedInputs::Input {
  std::string name;
  std::string text;
  std::deque<std::string> elements;  // of array lines
  std::vector<OrderedEvent> events;
  JsonReader reader;

  void add_event(std::string_view body, std::size_t line);
  void add_line(std::string_view text_of_line, std::size_t line);
  std::optional<base::Timestamp> arrival_of(std::string_view body);
};

std::optional<base::Timestamp> BoundedInputs::Input::arrival_of(std::string_view body) {
  static const PathTree path = arrival_path();
  std::vector<Value> values(1);
  if (!reader.read(body, path, values) || values[0].kind != Kind::kText) return std::nullopt;
  const auto ticks = parse_datetime(values[0].text);
  return ticks ? std::optional(to_timestamp(*ticks)) : std::nullopt;
}

void BoundedInputs::Input::add_event(std::string_view body, std::size_t line) {
  OrderedEvent ordered{name, {}, line};
  ordered.event.body = body;
  ordered.event.offset = base::Offset(events.size());
  ordered.event.arrival = arrival_of(body);
  events.push_back(ordered);
}

void BoundedInputs::Input::add_line(std::string_view body, std::size_t line) {
  if (!body.starts_with('[')) return add_event(body, line);
  const auto found = reader.elements(body);
  if (!found) return add_event(body, line);
  const auto from = elements.size();
  for (const auto& element : *found) {
    std::string json;
    append_json(json, element);
    elements.push_back(std::move(json));
  }
  for (auto i = from; i < elements.size(); ++i) add_event(elements[i], line);
}

BoundedInputs::BoundedInputs() = default;
BoundedInputs::~BoundedInputs() = default;
BoundedInputs::BoundedInputs(BoundedInputs&&) noexcept = default;
BoundedInputs& BoundedInputs::operator=(BoundedInputs&&) noexcept = default;

void BoundedInputs::add(std::string name, std::string json_lines) {
  auto& input = *inputs_.emplace_back(std::make_unique<Input>());
  input.name = std::move(name);
  input.text = std::move(json_lines);
  std::string_view rest = input.text;
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto body = without_blanks(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!body.empty()) input.add_line(body, line);
  }
}

std::vector<OrderedEvent> BoundedInputs::by_time(Pipeline& pipeline) const {
  std::vector<Waiting> waiting;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    Ticks before = 0;  // an event without a time stays behind the one before it
    for (const auto& event : inputs_[i]->events) {
      before = pipeline.time_of(inputs_[i]->name, event.event).value_or(before);
      waiting.push_back({before, i, event});
    }
  }
  return sorted(std::move(waiting));
}

std::vector<OrderedEvent> BoundedInputs::by_arrival() const {
  std::vector<Waiting> waiting;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    Ticks newest = 0;
    for (const auto& event : inputs_[i]->events) {
      if (event.event.arrival) newest = std::max(newest, to_ticks(*event.event.arrival));
      waiting.push_back({newest, i, event});
    }
  }
  return sorted(std::move(waiting));
}

void append_json(std::string& out, const OutputRow& row) {
  out += '{';
  bool first = true;
  for (const auto& column : row.columns) {
    if (!first) out += ',';
    first = false;
    append_json_string(out, column.name);
    out += ':';
    append_json(out, column.value);
  }
  out += '}';
}

}  // namespace meterhub::engine
