#include "restore.h"

#include <algorithm>
#include <filesystem>

namespace meterhub::app {
namespace {

using base::Errc;
namespace fs = std::filesystem;

struct Backup {
  BackupFacts facts;
  std::vector<SummedFile> files;
};

base::Result<Backup> read_backup(const base::Disk& disk, const std::string& from) {
  const auto facts_file = base::join_path(from, kBackupFacts);
  if (!MH_TRY(disk.exists(facts_file))) {
    return base::fail(Errc::kNotFound, from + ": there is no finished backup here (no " + std::string(kBackupFacts) + ")");
  }
  auto facts = parse_facts(MH_TRY(disk.read(facts_file)));
  if (!facts) return std::unexpected(std::move(facts).error().in(facts_file));
  const auto sums = MH_TRY(disk.read(base::join_path(from, kBackupSums)));
  Backup out{std::move(*facts), {}};
  if (hex(crypto::sha256(base::as_bytes(sums))) != out.facts.sums_sha256) {
    return base::fail(Errc::kCorrupt, from + ": the backup was altered: " + std::string(kBackupSums) + " is not what was written");
  }
  out.files = MH_TRY(parse_sums(sums));
  std::uint64_t bytes = 0;
  for (const auto& file : out.files) {
    const auto size = disk.size(base::join_path(from, file.path));
    if (!size) return base::fail(Errc::kCorrupt, from + ": the backup is incomplete: " + size.error().text);
    bytes += *size;
  }
  if (out.files.size() == out.facts.files && bytes == out.facts.bytes) return out;
  return base::fail(Errc::kCorrupt, from + ": the backup was altered: " + std::to_string(out.files.size()) + " files of " +
                                        std::to_string(bytes) + " bytes instead of " + std::to_string(out.facts.files) + " of " +
                                        std::to_string(out.facts.bytes));
}

bool is_sealed(const SummedFile& file) { return file.path.ends_with(kSealedSuffix); }
std::string opened_path(const SummedFile& file) { return file.path.substr(0, file.path.size() - kSealedSuffix.size()); }

// What another file system or a later start may write to is copied.
Bring how_to_bring(const std::string& path) {
  const bool never_changed = path.ends_with(".parquet") || path.ends_with(".sst") || path.ends_with(".blob") || path.ends_with(".jsonl");
  return never_changed ? Bring::kLink : Bring::kCopy;
}

base::Result<void> check_empty(const base::Disk& disk, const DataPaths& paths) {
  for (const auto& entry : MH_TRY(disk.list(paths.root))) {
    const auto path = base::join_path(paths.root, entry.name);
    if (path == paths.lock() || path == paths.master_key()) continue;
    if (entry.name == kRestoreFolder) return check_restored(disk, paths);
    return base::fail(Errc::kAlreadyExists, paths.root + " is not empty (" + entry.name + "); restore into a new directory");
  }
  return {};
}

base::Result<void> bring_all(const base::Disk& disk, const std::string& from, const Backup& backup, const crypto::Key256& key, Bringer& to) {
  for (const auto& file : backup.files) {
    const auto source = base::join_path(from, file.path);
    std::string sum;
    if (is_sealed(file)) {
      const auto sealed = MH_TRY(disk.read(source));
      sum = hex(crypto::sha256(base::as_bytes(sealed)));
      const auto secret = MH_TRY(open_secret(key, opened_path(file), sealed));
      if (const auto written = to.text(opened_path(file), secret); !written) return std::unexpected(written.error());
    } else {
      sum = MH_TRY(to.file(source, file.path, how_to_bring(file.path)));
    }
    if (sum != file.sha256) return base::fail(Errc::kCorrupt, source + ": the backup was altered: this file is not what was written");
  }
  return to.sync_directories();
}

// The key is checked before gigabytes are moved.
base::Result<void> check_key(const base::Disk& disk, const std::string& from, const Backup& backup, const crypto::Key256& key) {
  for (const auto& file : backup.files) {
    if (!is_sealed(file)) continue;
    const auto sealed = MH_TRY(disk.read(base::join_path(from, file.path)));
    if (const auto opened = open_secret(key, opened_path(file), sealed); !opened) return std::unexpected(opened.error());
  }
  return {};
}

base::Result<void> move_up(base::Disk& disk, const std::string& staged, const std::string& root) {
  for (const auto& entry : MH_TRY(disk.list(staged))) {
    MH_TRY_VOID(disk.rename(base::join_path(staged, entry.name), base::join_path(root, entry.name)));
  }
  MH_TRY_VOID(disk.sync_directory(root));
  MH_TRY_VOID(disk.remove_directory(staged));
  return disk.sync_directory(root);
}

}  // namespace

base::Result<void> check_restored(const base::Disk& disk, const DataPaths& paths) {
  const auto folder = base::join_path(paths.root, kRestoreFolder);
  if (!MH_TRY(disk.exists(folder))) return {};
  return base::fail(Errc::kPrecondition, folder + ": a restore did not end here; remove all but master.key from " + paths.root + " and restore again");
}

base::Result<BackupFacts> restore(const std::string& from, const std::string& data, const crypto::Key256& key, BringProgress& progress) {
  base::PosixDisk disk;
  const DataPaths paths{data};
  const auto backup = MH_TRY(read_backup(disk, from));
  MH_TRY_VOID(check_key(disk, from, backup, key));
  const auto lock = MH_TRY(DirectoryLock::take(disk, paths));
  MH_TRY_VOID(check_empty(disk, paths));
  progress.files_all = backup.files.size();
  const auto staged = base::join_path(paths.root, kRestoreFolder);
  MH_TRY_VOID(disk.make_directories(staged));
  Bringer bringer(staged, progress);
  if (const auto brought = bring_all(disk, from, backup, key, bringer); !brought) {
    std::error_code ignored;
    fs::remove_all(staged, ignored);
    return std::unexpected(brought.error());
  }
  MH_TRY_VOID(move_up(disk, staged, paths.root));
  return backup.facts;
}

}  // namespace meterhub::app
