// Events of the inputs with their times: decoding, TIMESTAMP BY and the policies of 5.2.
#include <algorithm>

#include "declared.h"
#include "event_metadata.h"
#include "json_check.h"
#include "run.h"
#include "values.h"

namespace meterhub::engine::oracle {
namespace {

// Columns that no statement uses count too: a wrong type in one drops the event (6.8).
std::vector<sql::NeededPath> paths_of(std::vector<sql::NeededPath> paths,
                                      const std::vector<sql::KnownColumn>& columns) {
  for (const auto& column : columns) paths.push_back({{column.name}, 0, column.type, false});
  return paths;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// One substream's or input's view of time, by the numbered list of 5.2.
struct Clock {
  std::optional<Ticks> newest;
};

struct Judged {
  Ticks time = 0;
  const char* dropped = nullptr;
};

Judged judge(Clock& clock, Ticks time, std::optional<Ticks> arrival, const sql::TimePolicy& policy) {
  const bool drop = policy.action == sql::DisorderAction::kDrop;
  if (arrival && time - *arrival > sql::kEarlyLimit) return {time, "early"};
  if (arrival && *arrival - time > policy.late_arrival) {
    if (drop) return {time, "late"};
    time = *arrival - policy.late_arrival;
  }
  if (clock.newest && time < *clock.newest - policy.out_of_order) {
    if (drop) return {time, "out_of_order"};
    time = *clock.newest - policy.out_of_order;
  }
  if (!clock.newest || time > *clock.newest) clock.newest = time;
  return {time, nullptr};
}

void by_time(Rows& rows) {
  std::ranges::stable_sort(rows, {}, [](const Row& row) { return std::pair(row.time, row.origin); });
}

}  // namespace

Rows Run::read(std::uint32_t reader) {
  Rows rows;
  for (const auto& input : inputs_) {
    if (equal_without_case(input.name, plan_.readers[reader].input)) read_input(reader, input, rows);
  }
  by_time(rows);
  return rows;
}

void Run::read_input(std::uint32_t index, const InputEvents& input, Rows& into) {
  const auto& reader = plan_.readers[index];
  std::vector<std::pair<std::vector<Value>, Clock>> clocks;  // by partition and substream
  for (std::uint64_t offset = 0; offset < input.events.size(); ++offset) {
    const auto& event = input.events[offset];
    if (event.stale) continue;
    const auto& of = metadata_.emplace_back(
        EventMetadata{reader.input, event.partition, offset, event.arrival.value_or(options_.start), input.device});
    const auto leave_out = [&](std::string_view why) {
      results_.dropped.push_back(input.name + ' ' + std::to_string(offset + 1) + ' ' + std::string(why));
    };
    Row row;
    row.whole = trimmed(event.body);
    row.metadata = &of;
    row.origin = {false, index, event.partition, offset};
    row.late = event.late;
    if (!decode(reader, event.body, of, row.values)) {
      leave_out("undecodable: not as declared, or not JSON");
      continue;
    }
    const auto own = own_time(reader, row);
    if (!own) {
      leave_out("no_time: TIMESTAMP BY gives no time");
      continue;
    }
    row.time = *own;
    if (reader.timestamp_by && options_.policies) {
      std::vector<Value> key{Value::bigint(event.partition)};
      const SourceRow source{row.values, row.whole, row.time, &of};
      evaluator_.bind(std::span(&source, 1), row.time);
      for (const auto& part : reader.substream) key.push_back(evaluator_.value(*part));
      auto clock = std::ranges::find_if(clocks, [&](const auto& known) { return same_group(known.first, key); });
      if (clock == clocks.end()) clock = clocks.insert(clock, {key, {}});
      const auto judged = judge(clock->second, row.time, event.arrival, plan_.policy);
      if (judged.dropped != nullptr) {
        leave_out(std::string(judged.dropped) + ": by the job's time policy");
        continue;
      }
      row.time = judged.time;
    }
    into.push_back(std::move(row));
  }
}

bool Run::decode(const sql::Reader& reader, std::string_view body, const EventMetadata& of,
                 std::vector<Value>& values) {
  const auto paths = paths_of(reader.paths, reader.columns);
  values.assign(paths.size(), Value::null());
  if (!json_.read(body, PathTree(paths), values)) return false;
  if (reader.whole_event && !json_fault(body).empty()) return false;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i].metadata) values[i] = metadata_value(paths[i].path, of, arena_);
    else if (!fit(values[i], paths[i].declared)) return false;
    values[i] = engine::keep(values[i], arena_);
  }
  return true;
}

std::optional<Ticks> Run::own_time(const sql::Reader& reader, const Row& row) {
  if (!reader.timestamp_by) return row.metadata->arrival;
  const SourceRow source{row.values, row.whole, row.metadata->arrival, row.metadata};
  evaluator_.bind(std::span(&source, 1), source.time);
  const auto time = evaluator_.value(*reader.timestamp_by);
  if (time.kind == Kind::kDatetime) return time.integer;
  return time.kind == Kind::kText ? parse_datetime(time.text) : std::nullopt;
}

// The version valid at that time: the last that had started by then; before the first there is none.
Rows Run::read_reference(const sql::Reference& reference, Ticks at) {
  const ReferenceVersion* valid = nullptr;
  for (const auto& table : references_) {
    if (!equal_without_case(table.name, reference.input)) continue;
    for (const auto& version : table.versions) {
      if (version.start <= at) valid = &version;
    }
  }
  Rows rows;
  if (valid == nullptr) return rows;
  const auto paths = paths_of(reference.paths, reference.columns);
  for (const auto& text : valid->rows) {
    Row row;
    row.values.assign(paths.size(), Value::null());
    row.whole = trimmed(text);
    row.time = at;
    if (!json_.read(text, PathTree(paths), row.values)) continue;
    bool fits = true;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      fits = fits && fit(row.values[i], paths[i].declared);
      row.values[i] = engine::keep(row.values[i], arena_);
    }
    if (fits) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace meterhub::engine::oracle
