// Which files make up the lake. The manifest is a sequence of records, each one commit;
// a record that exists is true, a file no record names does not count. Format:
// docs/formats/lake.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/lake/layout.h>

namespace meterhub::lake {

// A small file of rows of one hour and one partition.
struct FreshFile {
  std::string path;
  Hour hour;
  base::PartitionId partition;
  std::uint64_t rows = 0;
  // Rows that may repeat an identity (stale, redo): placed by identity, not by counting.
  bool by_identity = false;
  std::vector<base::Shard> shards;  // that have rows in it

  bool operator==(const FreshFile&) const = default;
};

// The object of a closed hour and shard, or a late file beside it.
struct PlacedFile {
  std::string path;
  Hour hour;
  base::Shard shard;
  std::uint64_t rows = 0;
  // Where the bytes were written; renamed to `path` after the commit. Empty = in place.
  std::string staged;
  // In a State: the record that placed it, so that a reader knows whether a path has other bytes now. 0 in a Record,
  // and for what was placed before checkpoints said so.
  std::uint64_t record = 0;

  bool operator==(const PlacedFile&) const = default;
};

// Rows of table `changes`: which readings have other values now, and since when. Small ones are put together.
struct ChangesFile {
  std::string path;
  base::PartitionId partition;
  std::uint64_t rows = 0;

  bool operator==(const ChangesFile&) const = default;
};

// One commit.
struct Record {
  Owner owner;
  // The readings of the log this adds, [from, to). Equal when it only moves rows.
  base::Offset from;
  base::Offset to;
  std::vector<FreshFile> fresh;
  std::vector<PlacedFile> base;  // replaces the shard's object whole
  std::vector<PlacedFile> late;
  std::vector<std::string> drop;  // fresh, late and changes files that no longer count
  std::vector<ChangesFile> changes{};

  bool operator==(const Record&) const = default;
};

// What all records so far add up to.
struct State {
  struct Shard {
    base::Epoch epoch;   // of the newest record
    base::Offset next;   // first offset of the log not in the lake
    bool operator==(const Shard&) const = default;
  };
  struct HourFiles {
    std::map<base::Shard, PlacedFile> base;
    std::vector<PlacedFile> late;
    bool operator==(const HourFiles&) const = default;
  };
  std::uint64_t sequence = 0;    // of the newest record; 0 = none
  std::uint32_t partitions = 0;  // of the log; 0 = nothing written yet
  std::array<Shard, base::kShards> shards{};
  std::map<std::string, FreshFile> fresh;
  std::map<Hour, HourFiles> hours;
  std::map<std::string, ChangesFile> changes;

  bool operator==(const State&) const = default;
};

// Pure. kFenced when a newer owner wrote one of the shards, or when [from, to) does not
// follow on what is there; nothing has changed then.
base::Result<void> apply(State& state, const Record& record);

// Pure; kCorrupt with the place for text that is not a record or checkpoint of ours.
std::string record_json(const Record& record, std::uint64_t sequence);
base::Result<Record> parse_record(std::string_view json);
std::string checkpoint_json(const State& state);
base::Result<State> parse_checkpoint(std::string_view json);

// The manifest of one directory. Several processes may hold one: each commit takes the
// next sequence number, which only one can get. One thread.
class Manifest {
 public:
  // Makes `directory`/_manifest when there is none.
  static base::Result<Manifest> open(base::Disk& disk, std::string directory);
  // For readers: changes nothing; a lake that does not exist is empty.
  static base::Result<State> load(const base::Disk& disk, const std::string& directory);

  const State& state() const { return state_; }
  // Takes in what others committed.
  base::Result<void> refresh();
  // Durable and visible when it succeeds. kFenced (apply), kIo, kResourceExhausted.
  base::Result<void> commit(const Record& record);

 private:
  Manifest(base::Disk& disk, std::string directory) : disk_(&disk), directory_(std::move(directory)) {}
  base::Result<void> write_next(const Record& record, std::uint64_t sequence);
  base::Result<void> checkpoint();

  base::Disk* disk_;
  std::string directory_;
  State state_;
};

// A checkpoint is written every this many records; older records are then removed.
inline constexpr std::uint64_t kRecordsPerCheckpoint = 256;

}  // namespace meterhub::lake
