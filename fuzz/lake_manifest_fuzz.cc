// The lake's manifest, which anybody may have edited: records and checkpoints.
#include <meterhub/lake/manifest.h>

#include "input.h"

namespace meterhub::lake {
namespace {

using fuzz::require;

bool stays_inside(const std::string& path) { return !path.empty() && path.front() != '/' && path.find("..") == std::string::npos; }

void check_placed(const PlacedFile& file) {
  require(stays_inside(file.path) && (file.staged.empty() || stays_inside(file.staged)) && file.shard.value < base::kShards);
}

void check_state(const State& state) {
  for (const auto& [path, file] : state.fresh) require(path == file.path && stays_inside(path));
  for (const auto& [hour, files] : state.hours) {
    require(parse_hour(text_of(hour)).value() == hour);
    for (const auto& [shard, file] : files.base) check_placed(file);
    for (const auto& file : files.late) check_placed(file);
  }
  const auto again = parse_checkpoint(checkpoint_json(state));
  require(again && *again == state);
}

// Applying it gives a state that a checkpoint keeps, or changes nothing.
void apply_to(State state, const Record& record) {
  const State before = state;
  if (!apply(state, record)) return require(state == before);
  check_state(state);
  // The same record once more adds nothing to the log's offsets.
  if (record.from < record.to) require(!apply(state, record) || record.owner.shards().empty());
}

void read_record(std::string_view json, const State& state) {
  const auto record = parse_record(json);
  if (!record) return require(record.error().code == base::Errc::kCorrupt && !record.error().text.empty());
  for (const auto& file : record->base) check_placed(file);
  for (const auto& file : record->late) check_placed(file);
  const auto again = parse_record(record_json(*record, 5));
  require(again && *again == *record);
  require(!record->owner.shards().empty());
  apply_to({}, *record);
  apply_to(state, *record);
}

}  // namespace
}  // namespace meterhub::lake

MH_FUZZER(lake_manifest, input) {
  using namespace meterhub;
  lake::State state;
  auto rest = input;
  // A checkpoint, then records, each on its line.
  if (const auto checkpoint = lake::parse_checkpoint(base::as_text(input.take_until('\n')))) {
    state = *checkpoint;
    lake::check_state(state);
    rest = input;
  }
  while (!rest.empty()) lake::read_record(base::as_text(rest.take_until('\n')), state);
}
