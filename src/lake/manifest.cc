#include <meterhub/lake/manifest.h>

#include <algorithm>
#include <charconv>

#include <meterhub/base/commit_point.h>

namespace meterhub::lake {
namespace {

using base::Errc;

constexpr std::string_view kFolder = "_manifest";
constexpr std::string_view kCheckpoint = "checkpoint-";
constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kDigits = 20;
constexpr int kAttempts = 8;

std::string numbered(std::uint64_t sequence) {
  const std::string digits = std::to_string(sequence);
  return std::string(kDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

// The number in "00000000000000000007.json"; nothing for other names.
std::optional<std::uint64_t> number_in(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, number);
  if (error != std::errc() || end != name.data() + kDigits) return std::nullopt;
  return number;
}

struct Listing {
  std::vector<std::uint64_t> records;      // rising
  std::vector<std::uint64_t> checkpoints;  // rising
  std::vector<std::string> temporary;
};

base::Result<Listing> list(const base::Disk& disk, const std::string& folder) {
  Listing listing;
  for (const auto& entry : MH_TRY(disk.list(folder))) {
    const std::string_view name = entry.name;
    if (name.ends_with(base::kTemporarySuffix)) listing.temporary.push_back(entry.name);
    if (name.starts_with(kCheckpoint)) {
      if (const auto n = number_in(name.substr(kCheckpoint.size()))) listing.checkpoints.push_back(*n);
    } else if (const auto n = number_in(name)) {
      listing.records.push_back(*n);
    }
  }
  return listing;
}

base::Result<void> read_records(const base::Disk& disk, const std::string& folder, const Listing& listing,
                                State& state) {
  for (const std::uint64_t sequence : listing.records) {
    if (sequence <= state.sequence) continue;
    if (sequence != state.sequence + 1) {
      return base::fail(Errc::kCorrupt, folder + ": record " + std::to_string(state.sequence + 1) + " is missing");
    }
    const std::string path = base::join_path(folder, numbered(sequence));
    auto record = parse_record(MH_TRY(disk.read(path)));
    if (!record) return std::unexpected(std::move(record.error()).in(path));
    MH_TRY_VOID(apply(state, *record));
    state.sequence = sequence;
  }
  return {};
}

base::Result<void> read_new(const base::Disk& disk, const std::string& folder, State& state) {
  const Listing listing = MH_TRY(list(disk, folder));
  if (!listing.checkpoints.empty() && listing.checkpoints.back() > state.sequence) {
    const std::string path = base::join_path(folder, std::string(kCheckpoint) + numbered(listing.checkpoints.back()));
    auto checkpoint = parse_checkpoint(MH_TRY(disk.read(path)));
    if (!checkpoint) return std::unexpected(std::move(checkpoint.error()).in(path));
    state = std::move(*checkpoint);
  }
  return read_records(disk, folder, listing, state);
}

// A checkpoint by another process may remove what we just saw listed: look again.
base::Result<void> catch_up(const base::Disk& disk, const std::string& folder, State& state) {
  for (int attempt = 1;; ++attempt) {
    auto done = read_new(disk, folder, state);
    const bool moved = !done && (done.error().code == Errc::kNotFound || done.error().code == Errc::kCorrupt);
    if (!moved || attempt == kAttempts) return done;
  }
}

base::Result<void> check_owner(const State& state, const Record& record) {
  for (const base::Shard shard : record.owner.shards()) {
    const State::Shard& known = state.shards[shard.value];
    if (record.owner.epoch < known.epoch) {
      return base::fail(Errc::kFenced, "shard " + std::to_string(shard.value) + " belongs to epoch " +
                                           std::to_string(known.epoch.value) + ", not " +
                                           std::to_string(record.owner.epoch.value));
    }
    if (record.from < record.to && record.to <= known.next) {
      return base::fail(Errc::kFenced, "the lake already has shard " + std::to_string(shard.value) + " up to " +
                                           std::to_string(known.next.value));
    }
  }
  return {};
}

void place_files(State& state, const Record& record) {
  for (const FreshFile& file : record.fresh) state.fresh[file.path] = file;
  for (const ChangesFile& file : record.changes) state.changes[file.path] = file;
  const auto placed = [&](PlacedFile file) {
    file.record = state.sequence + 1;
    return file;
  };
  for (const PlacedFile& file : record.base) state.hours[file.hour].base[file.shard] = placed(file);
  for (const PlacedFile& file : record.late) state.hours[file.hour].late.push_back(placed(file));
  for (const std::string& path : record.drop) {
    state.fresh.erase(path);
    state.changes.erase(path);
  }
  // A late file is only dropped by a record that replaces its shard's object.
  for (const PlacedFile& file : record.base) {
    std::erase_if(state.hours[file.hour].late, [&](const PlacedFile& late) {
      return std::ranges::find(record.drop, late.path) != record.drop.end();
    });
  }
}

}  // namespace

base::Result<void> apply(State& state, const Record& record) {
  MH_TRY_VOID(check_owner(state, record));
  state.partitions = record.owner.partitions;
  for (const base::Shard shard : record.owner.shards()) {
    State::Shard& known = state.shards[shard.value];
    known.epoch = record.owner.epoch;
    if (record.from < record.to) known.next = record.to;
  }
  place_files(state, record);
  return {};
}

base::Result<Manifest> Manifest::open(base::Disk& disk, std::string directory) {
  const std::string folder = base::join_path(directory, kFolder);
  MH_TRY_VOID(disk.make_directories(folder));
  Manifest manifest(disk, std::move(directory));
  MH_TRY_VOID(catch_up(disk, folder, manifest.state_));
  return manifest;
}

base::Result<State> Manifest::load(const base::Disk& disk, const std::string& directory) {
  State state;
  const std::string folder = base::join_path(directory, kFolder);
  if (!MH_TRY(disk.exists(folder))) return state;
  MH_TRY_VOID(catch_up(disk, folder, state));
  return state;
}

base::Result<void> Manifest::refresh() { return catch_up(*disk_, base::join_path(directory_, kFolder), state_); }

base::Result<void> Manifest::commit(const Record& record) {
  for (int attempt = 1;; ++attempt) {
    // Applied in place: a copy of the whole state a commit would cost more with every hour of history.
    MH_TRY_VOID(check_owner(state_, record));
    auto written = write_next(record, state_.sequence + 1);
    if (written) {
      base::commit_point("manifest.record_before_memory");
      MH_TRY_VOID(apply(state_, record));
      ++state_.sequence;
      return state_.sequence % kRecordsPerCheckpoint == 0 ? checkpoint() : base::Result<void>();
    }
    if (written.error().code != Errc::kAlreadyExists || attempt == kAttempts) return written;
    MH_TRY_VOID(refresh());
  }
}

base::Result<void> Manifest::write_next(const Record& record, std::uint64_t sequence) {
  const std::string folder = base::join_path(directory_, kFolder);
  const std::string path = base::join_path(folder, numbered(sequence));
  const std::string temporary = path + "-" + std::to_string(record.owner.partition.value) + "-" +
                                std::to_string(record.owner.epoch.value) + std::string(base::kTemporarySuffix);
  MH_TRY_VOID(disk_->create_durably(path, record_json(record, sequence), temporary));
  // An owner that slept while others wrote a checkpoint finds its number free again;
  // nobody reads a record older than a checkpoint, so it does not count.
  const Listing listing = MH_TRY(list(*disk_, folder));
  if (!listing.checkpoints.empty() && listing.checkpoints.back() >= sequence) {
    MH_TRY_VOID(disk_->remove(path));
    return base::fail(Errc::kFenced, "the manifest has gone on without this owner");
  }
  return {};
}

// The commit before it stands, whatever becomes of this: errors here only delay tidying.
base::Result<void> Manifest::checkpoint() {
  const std::string folder = base::join_path(directory_, kFolder);
  const auto settle = [&](PlacedFile& file) {
    const auto waiting = disk_->exists(base::join_path(directory_, file.staged));
    if (waiting && !*waiting) file.staged.clear();
  };
  for (auto& [hour, files] : state_.hours) {
    for (auto& [shard, file] : files.base) {
      if (!file.staged.empty()) settle(file);
    }
    for (auto& file : files.late) {
      if (!file.staged.empty()) settle(file);
    }
  }
  const std::string name = std::string(kCheckpoint) + numbered(state_.sequence);
  if (!disk_->replace_durably(base::join_path(folder, name), checkpoint_json(state_))) return {};
  base::commit_point("manifest.checkpoint_before_delete");
  // The checkpoint before stays, for readers that have just listed it.
  const auto listing = list(*disk_, folder);
  if (!listing || listing->checkpoints.size() < 2) return {};
  const std::uint64_t previous = *(listing->checkpoints.end() - 2);
  for (const std::uint64_t old : listing->records) {
    if (old <= previous && !disk_->remove(base::join_path(folder, numbered(old)))) return {};
  }
  for (const std::uint64_t old : listing->checkpoints) {
    if (old < previous && !disk_->remove(base::join_path(folder, std::string(kCheckpoint) + numbered(old)))) return {};
  }
  return {};
}

}  // namespace meterhub::lake
