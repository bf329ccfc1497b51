#include "backup.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <meterhub/base/logging.h>
#include <meterhub/base/time_text.h>
#include <meterhub/lake/copy.h>

#include "jobs.h"

namespace meterhub::app {
namespace {

using base::Errc;
namespace fs = std::filesystem;

constexpr std::string_view kLeftover = "backup.tmp";       // in the data directory
constexpr std::string_view kMark = "backup-is-unfinished";  // in the target until the end
// What of the platform's own secrets lies in the data directory in the clear.
constexpr const char* kSecrets[] = {"tls/ca.key", "tls/server.key", "console.key"};
constexpr const char* kOpenFiles[] = {"tls/ca.pem", "tls/server.pem"};

std::string store_leftover(const DataPaths& paths) { return base::join_path(paths.root, kLeftover); }

// Settlement goes before: the copy takes what CPU and disk nobody else wants.
void be_kind() {
  constexpr int kOfThisThread = 1, kIdle = 3, kClassShift = 13;
  ::syscall(SYS_ioprio_set, kOfThisThread, 0, kIdle << kClassShift);
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);
}

base::Result<void> check_target(const std::string& to) {
  std::error_code error;
  if (!to.starts_with('/')) return base::fail(Errc::kInvalidArgument, "the backup's directory is an absolute path");
  if (!fs::exists(to, error)) return {};
  if (fs::is_directory(to, error) && fs::is_empty(to, error)) return {};
  return base::fail(Errc::kAlreadyExists,
                    to + ": there is something here already; give a directory that does not exist yet");
}

// Only what carries our mark is removed.
base::Result<void> make_unfinished(const std::string& directory) {
  std::error_code error;
  if (fs::exists(base::join_path(directory, kMark), error)) fs::remove_all(directory, error);
  fs::create_directories(base::parent_path(directory), error);
  if (::mkdir(directory.c_str(), 0700) != 0)
    return base::fail(Errc::kIo, directory + ": cannot be made: " + std::strerror(errno));
  base::PosixDisk disk;
  return disk.write(base::join_path(directory, kMark), "");
}

base::Result<void> finish(const std::string& unfinished, const std::string& to) {
  base::PosixDisk disk;
  MH_TRY_VOID(disk.remove(base::join_path(unfinished, kMark)));
  MH_TRY_VOID(disk.sync_directory(unfinished));
  MH_TRY_VOID(disk.rename(unfinished, to));
  return disk.sync_directory(base::parent_path(to));
}

// Number of "part-07-00000000000000000912.jsonl", or of such a Parquet file, and the offset it begins with.
std::optional<std::pair<std::uint32_t, std::uint64_t>> blob_place(std::string_view name) {
  constexpr std::string_view kPart = "part-";
  const std::string_view kind = name.ends_with(".jsonl") ? ".jsonl" : ".parquet";
  if (!name.starts_with(kPart) || !name.ends_with(kind)) return std::nullopt;
  std::uint32_t part = 0;
  std::uint64_t offset = 0;
  const char* const end = name.data() + name.size() - kind.size();
  const auto first = std::from_chars(name.data() + kPart.size(), end, part);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, offset);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return std::pair{part, offset};
}

// Brings everything of one moment into the target.
class Carrier {
 public:
  Carrier(const DataPaths& paths, Bringer& to, BringProgress& progress) : paths_(paths), to_(to), progress_(progress) {}

  base::Result<void> store(const std::string& checkpoint) {
    for (const auto& entry : MH_TRY(disk_.list(checkpoint))) {
      // RocksDB never changes a table once it is written; the rest it does.
      const auto how = entry.name.ends_with(".sst") || entry.name.ends_with(".blob") ? Bring::kLink : Bring::kCopy;
      MH_TRY_VOID(bring(base::join_path(checkpoint, entry.name), base::join_path("store", entry.name), how));
    }
    return {};
  }

  base::Result<void> database(std::optional<db::Snapshot>& snapshot, const std::string& path) {
    if (!snapshot) return {};
    MH_TRY_VOID(to_.make_room(path));
    MH_TRY_VOID(snapshot->copy_to(to_.place(path), [this] { return !progress_.cancelled; }));
    snapshot.reset();
    add(path, MH_TRY(to_.written(path)));
    return {};
  }

  base::Result<void> lake(lake::State state) {
    for (const auto& file : lake::files_of(state)) {
      const auto path = base::join_path("lake", file.path);
      if (!file.staged.empty()) {
        const auto waiting = bring(base::join_path(paths_.lake(), file.staged), path, Bring::kLink);
        if (waiting) continue;
        if (waiting.error().code != Errc::kNotFound) return waiting;  // renamed by now
      }
      MH_TRY_VOID(bring(base::join_path(paths_.lake(), file.path), path, Bring::kLink));
    }
    if (state.sequence == 0) return {};
    const auto path = base::join_path("lake", lake::checkpoint_path(state));
    add(path, MH_TRY(to_.text(path, lake::checkpoint_json(state))));
    return {};
  }

  base::Result<void> blobs(const BlobFiles& blobs) {
    const auto folder = base::join_path(paths_.root, blobs.folder);
    if (!MH_TRY(disk_.exists(folder))) return {};
    for (const auto& entry : MH_TRY(disk_.list(folder))) {
      const auto place = blob_place(entry.name);
      if (!place || place->first >= blobs.next.size() || place->second >= blobs.next[place->first].value) continue;
      MH_TRY_VOID(bring(base::join_path(folder, entry.name), base::join_path(blobs.folder, entry.name), Bring::kLink));
    }
    return {};
  }

  base::Result<void> own_files(const crypto::Key256& key) {
    for (const std::string path : kOpenFiles) {
      const auto file = base::join_path(paths_.root, path);
      if (MH_TRY(disk_.exists(file))) MH_TRY_VOID(bring(file, path, Bring::kCopy));
    }
    for (const std::string path : kSecrets) {
      const auto file = base::join_path(paths_.root, path);
      if (!MH_TRY(disk_.exists(file))) continue;
      const auto sealed = path + std::string(kSealedSuffix);
      const auto secret = MH_TRY(disk_.read(file));
      add(sealed, MH_TRY(to_.text(sealed, seal_secret(key, path, secret))));
    }
    return {};
  }

  base::Result<BackupFacts> describe(base::Timestamp taken) {
    std::ranges::sort(files_, {}, &SummedFile::path);
    BackupFacts out;
    out.program = METERHUB_VERSION;
    out.taken = taken;
    out.files = files_.size();
    for (const auto& file : files_) out.bytes += MH_TRY(disk_.size(to_.place(file.path)));
    out.sums_sha256 = MH_TRY(to_.text(std::string(kBackupSums), sums_text(files_)));
    MH_TRY_VOID(to_.text(std::string(kBackupFacts), facts_json(out)));
    MH_TRY_VOID(to_.sync_directories());
    return out;
  }

 private:
  base::Result<void> bring(const std::string& from, const std::string& path, Bring how) {
    add(path, MH_TRY(to_.file(from, path, how)));
    return {};
  }
  void add(std::string path, std::string sum) { files_.push_back({std::move(path), std::move(sum)}); }

  const DataPaths& paths_;
  base::PosixDisk disk_;
  Bringer& to_;
  BringProgress& progress_;
  std::vector<SummedFile> files_;
};

// Whatever happens, the platform's files are let go and nothing half is left.
class Cleanup {
 public:
  Cleanup(const BackupWorld& world, std::string unfinished) : world_(world), unfinished_(std::move(unfinished)) {}
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;
  ~Cleanup() {
    if (!released_) world_.release();
    remove_backup_leftovers(world_.paths);
    std::error_code ignored;
    if (!unfinished_.empty()) fs::remove_all(unfinished_, ignored);
  }
  void release() {
    released_ = true;
    world_.release();
  }
  void keep() { unfinished_.clear(); }

 private:
  const BackupWorld& world_;
  std::string unfinished_;
  bool released_ = false;
};

std::string text_of(const base::Result<void>& outcome) { return outcome ? std::string() : outcome.error().text; }

}  // namespace

base::Result<std::vector<BlobFiles>> blob_files(const log::Log& log, const registry::Store& registry) {
  std::vector<BlobFiles> out;
  for (const auto& output : blob_outputs(MH_TRY(registry.jobs()), registry)) {
    BlobFiles files{output.folder, {}};
    const auto topic = MH_TRY(log.topic(output.log));
    for (std::uint32_t number = 0; number < log.partitions(topic); ++number) {
      const auto done = MH_TRY(log.committed(output.group, {topic, base::PartitionId(number)}));
      files.next.push_back(done.value_or(base::Offset(0)));
    }
    out.push_back(std::move(files));
  }
  return out;
}

void remove_backup_leftovers(const DataPaths& paths) {
  std::error_code ignored;
  fs::remove_all(store_leftover(paths), ignored);
}

base::Result<void> Backups::start(const std::string& to) {
  MH_TRY_VOID(check_target(to));
  {
    const base::Lock lock(mutex_);
    if (stopped_) return base::fail(Errc::kUnavailable, "the platform is stopping");
    if (running_) return base::fail(Errc::kUnavailable, "a backup to " + to_ + " is under way");
    running_ = true;
    to_ = to;
    phase_ = "begins";
    outcome_.reset();
    facts_.reset();
    progress_ = std::make_shared<BringProgress>();
  }
  if (thread_.joinable()) thread_.join();  // the last one's, which has ended
  thread_ = std::thread([this, to] {
    std::shared_ptr<BringProgress> progress;
    {
      const base::Lock lock(mutex_);
      progress = progress_;
    }
    auto outcome = run(to, *progress);
    base::logging::info("backup_ended", {{"to", to}, {"error", text_of(outcome)}, {"bytes", progress->bytes.load()}});
    const base::Lock lock(mutex_);
    outcome_ = std::move(outcome);
    running_ = false;
  });
  return {};
}

void Backups::cancel() {
  const base::Lock lock(mutex_);
  if (running_) progress_->cancelled = true;
}

void Backups::stop() {
  {
    const base::Lock lock(mutex_);
    stopped_ = true;
  }
  cancel();
  if (thread_.joinable()) thread_.join();
}

void Backups::say(std::string phase) {
  const base::Lock lock(mutex_);
  phase_ = std::move(phase);
}

base::Result<void> Backups::run(const std::string& to, BringProgress& progress) {
  const auto key = MH_TRY(world_.master_key());
  const auto unfinished = to + std::string(kUnfinishedSuffix);
  MH_TRY_VOID(make_unfinished(unfinished));
  Cleanup cleanup(world_, unfinished);
  remove_backup_leftovers(world_.paths);
  MH_TRY_VOID(base::PosixDisk().make_directories(store_leftover(world_.paths)));

  say("takes the moment");
  const auto checkpoint = base::join_path(store_leftover(world_.paths), "store");
  auto moment = MH_TRY(world_.take(checkpoint));
  be_kind();
  Bringer bringer(unfinished, progress);
  Carrier carrier(world_.paths, bringer, progress);
  say("databases");  // first: their write-ahead logs grow meanwhile
  MH_TRY_VOID(carrier.database(moment.registry, "registry.sqlite"));
  MH_TRY_VOID(carrier.database(moment.database, "database.sqlite"));
  say("logs");
  MH_TRY_VOID(carrier.store(checkpoint));
  remove_backup_leftovers(world_.paths);
  say("lake");
  MH_TRY_VOID(carrier.lake(std::move(moment.lake)));
  cleanup.release();
  say("blobs");
  for (const auto& blobs : moment.blobs) MH_TRY_VOID(carrier.blobs(blobs));
  MH_TRY_VOID(carrier.own_files(key));
  say("ends");
  auto facts = MH_TRY(carrier.describe(moment.taken));
  MH_TRY_VOID(finish(unfinished, to));
  cleanup.keep();
  const base::Lock lock(mutex_);
  facts_ = std::move(facts);
  return {};
}

std::string Backups::status_json() const {
  const base::Lock lock(mutex_);
  nlohmann::json out;
  out["state"] = running_ ? "running" : !outcome_ ? "none" : *outcome_ ? "done" : "failed";
  if (!running_ && !outcome_) return out.dump();
  out["to"] = to_;
  out["phase"] = phase_;
  out["files"] = progress_->files.load();
  out["bytes"] = progress_->bytes.load();
  if (outcome_ && !*outcome_) out["error"] = outcome_->error().text;
  if (facts_) {
    out["taken"] = base::rfc3339(facts_->taken);
    out["files"] = facts_->files;
    out["bytes"] = facts_->bytes;
  }
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void add_backup_routes(http::Server& server, Backups& backups) {
  const auto add = [&](http::Method method, std::string_view path, auto answer) {
    server.route(method, path, [&backups, answer](const http::Request& request, http::Reply reply) {
      if (!request.local) {
        return std::move(reply).send(
            base::Result<http::Response>(base::fail(Errc::kForbidden, "backups are made through the control socket")));
      }
      const base::Result<void> done = answer(backups, request);
      if (!done) return std::move(reply).send(http::Response::error(done.error()));
      std::move(reply).send(http::Response::json(200, backups.status_json()));
    });
  };
  add(http::Method::kPost, "/api/v1/backup",
      [](Backups& b, const http::Request& r) { return b.start(std::string(r.query_value("to"))); });
  add(http::Method::kPost, "/api/v1/backup/cancel", [](Backups& b, const http::Request&) {
    b.cancel();
    return base::Result<void>();
  });
  add(http::Method::kGet, "/api/v1/backup", [](Backups&, const http::Request&) { return base::Result<void>(); });
}

}  // namespace meterhub::app
