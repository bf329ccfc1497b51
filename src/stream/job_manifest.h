// The record that makes a checkpoint of a job with state count, and what stands beside it.
// Format: docs/formats/job-state.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/value.h>
#include <meterhub/log/log.h>

namespace meterhub::stream {

// Where a job was at a barrier. What came later is read again after a restart and gives the
// same rows, which are known by their sequence.
struct JobManifest {
  std::uint64_t number = 0;  // of the checkpoint whose pieces belong to it
  bool fresh = true;         // begins without state: there are no pieces
  std::map<log::TopicPartition, base::Offset> offsets;  // to read from
  std::map<std::string, std::uint64_t> sequences;       // of the next row with state, by output
  std::uint64_t letters = 0;                            // of events whose turn failed, so far
  // Another version of the job gave out everything up to here: rows at or before it are not given
  // out again.
  std::optional<engine::Ticks> taken_over_at;
  std::optional<engine::Ticks> watermark;
  std::uint64_t plan = 0;                               // hash of the job's text and inputs
};
std::string encode(const JobManifest& manifest);
// kCorrupt: not one of encode().
base::Result<JobManifest> decode_manifest(std::string_view bytes);

// A watermark that came from the clock and not from an event, at its place in the log: a replay
// takes the same (stream-sql 5.3).
struct IdleNote {
  log::TopicPartition partition;
  base::Offset before;  // the record that it came before
  engine::Ticks watermark = 0;
};
std::string encode(const std::vector<IdleNote>& notes);
base::Result<std::vector<IdleNote>> decode_idle(std::string_view bytes);

// What outputs hold: rows and letters before these are stored, whatever a replay gives again.
struct StoredNote {
  std::map<std::string, std::uint64_t> sequences;       // by output
  std::map<log::TopicPartition, base::Offset> offsets;  // letters of events, rows without state
  std::uint64_t letters = 0;
};
std::string encode(const StoredNote& note);
base::Result<StoredNote> decode_stored(std::string_view bytes);

}  // namespace meterhub::stream
