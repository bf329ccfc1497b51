// Files are reached through a Disk, so that tests can lose what was not synced,
// fill the disk up or fail any operation. Databases that do their own I/O (RocksDB,
// SQLite, DuckDB) are given paths; what is made around them goes through here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/mutex.h>
#include <meterhub/base/result.h>

namespace meterhub::base {

struct DirectoryEntry {
  std::string name;  // without the directory
  bool directory = false;
  std::uint64_t size = 0;  // bytes; 0 for a directory
};

struct DiskSpace {
  std::uint64_t capacity = 0;   // bytes
  std::uint64_t available = 0;  // bytes this process may still use
};

// Paths use '/'. Any thread; two writers of one path are the caller's business.
// Errors: kNotFound (no such file or directory), kResourceExhausted (disk full),
// kIo (all else), each with the path in its text.
class Disk {
 public:
  virtual ~Disk() = default;

  // The whole file.
  virtual Result<std::string> read(const std::string& path) const = 0;
  // Replaces or makes the file. Not durable before sync().
  virtual Result<void> write(const std::string& path, std::string_view bytes) = 0;
  // Adds to the end, makes the file when there is none. Not durable before sync().
  virtual Result<void> append(const std::string& path, std::string_view bytes) = 0;
  // The file's content survives a crash after this; its name only after sync_directory().
  virtual Result<void> sync(const std::string& path) = 0;
  // Names made, renamed and removed in this directory survive a crash after this.
  virtual Result<void> sync_directory(const std::string& path) = 0;
  // Atomic: a reader sees the old or the new file. Durable after sync_directory().
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  // A second name for a file; kAlreadyExists when `to` is taken: "only if it is new", atomic.
  virtual Result<void> link(const std::string& from, const std::string& to) = 0;
  // Removes a file; none there is fine.
  virtual Result<void> remove(const std::string& path) = 0;
  // Removes an empty directory; none there is fine.
  virtual Result<void> remove_directory(const std::string& path) = 0;
  // With all parents, durably. Existing ones are fine.
  virtual Result<void> make_directories(const std::string& path) = 0;

  // In order of name. kNotFound when the directory does not exist.
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) const = 0;
  // A file or a directory.
  virtual Result<bool> exists(const std::string& path) const = 0;
  virtual Result<std::uint64_t> size(const std::string& path) const = 0;
  // Of the file system that holds `path`.
  virtual Result<DiskSpace> space(const std::string& path) const = 0;

  // Writes beside, syncs, renames, syncs the directory: after a crash at any moment the
  // file is the old or the new one, whole; after success it is the new one.
  Result<void> replace_durably(const std::string& path, std::string_view bytes);
  // Makes a file that must not exist yet, durably; `temporary` is written first and must be
  // nobody else's name. kAlreadyExists when another was faster: nothing has changed then.
  Result<void> create_durably(const std::string& path, std::string_view bytes, const std::string& temporary);
  // As replace_durably() for a file that is already written at `written` (same file system).
  Result<void> install_durably(const std::string& written, const std::string& path);
};

// What replace_durably() adds to a name while it writes; such a file may be swept.
inline constexpr std::string_view kTemporarySuffix = ".tmp";

// "a/b" + "c" = "a/b/c".
std::string join_path(std::string_view directory, std::string_view name);
// "a/b/c" = "a/b"; "c" = ".".
std::string parent_path(std::string_view path);

// The operating system's files.
class PosixDisk final : public Disk {
 public:
  Result<std::string> read(const std::string& path) const override;
  Result<void> write(const std::string& path, std::string_view bytes) override;
  Result<void> append(const std::string& path, std::string_view bytes) override;
  Result<void> sync(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> link(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) const override;
  Result<bool> exists(const std::string& path) const override;
  Result<std::uint64_t> size(const std::string& path) const override;
  Result<DiskSpace> space(const std::string& path) const override;
};

// Files in memory, for tests and simulation. Remembers what was synced.
class MemoryDisk final : public Disk {
 public:
  explicit MemoryDisk(std::uint64_t capacity = UINT64_MAX) : capacity_(capacity) {}

  // A power cut: contents not synced and names whose directory was not synced are lost.
  void forget_unsynced();
  // kResourceExhausted beyond this many bytes.
  void limit(std::uint64_t capacity);

  Result<std::string> read(const std::string& path) const override;
  Result<void> write(const std::string& path, std::string_view bytes) override;
  Result<void> append(const std::string& path, std::string_view bytes) override;
  Result<void> sync(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> link(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) const override;
  Result<bool> exists(const std::string& path) const override;
  Result<std::uint64_t> size(const std::string& path) const override;
  Result<DiskSpace> space(const std::string& path) const override;

 private:
  struct File {
    std::string content;
    std::string synced;
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;

  Result<void> store(const std::string& path, std::string_view bytes, bool append);
  std::uint64_t used() const MH_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::uint64_t capacity_ MH_GUARDED_BY(mutex_);
  Names names_ MH_GUARDED_BY(mutex_);                        // as programs see them
  Names synced_names_ MH_GUARDED_BY(mutex_);                 // as a crash leaves them
  std::set<std::string> directories_ MH_GUARDED_BY(mutex_);  // always durable
};

// Passes everything on until the n-th change (write, append, sync, rename, link, remove, make),
// which fails as do all later ones: a process that died at that point, or a broken disk.
// Reading goes on. Tests step n through every crash point of an action.
class FaultyDisk final : public Disk {
 public:
  explicit FaultyDisk(Disk& under) : under_(under) {}

  // The n-th change from now (0 = the next one) and all later ones fail with `code`.
  void fail_from(std::uint64_t n, Errc code = Errc::kIo);
  // Only the n-th change from now fails.
  void fail_once(std::uint64_t n, Errc code = Errc::kIo);
  void heal();
  // Changes asked for so far, failed ones too.
  std::uint64_t changes() const;

  Result<std::string> read(const std::string& path) const override;
  Result<void> write(const std::string& path, std::string_view bytes) override;
  Result<void> append(const std::string& path, std::string_view bytes) override;
  Result<void> sync(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> link(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) const override;
  Result<bool> exists(const std::string& path) const override;
  Result<std::uint64_t> size(const std::string& path) const override;
  Result<DiskSpace> space(const std::string& path) const override;

 private:
  Result<void> change(const std::function<Result<void>()>& pass_on);

  Disk& under_;
  mutable Mutex mutex_;
  std::uint64_t changes_ MH_GUARDED_BY(mutex_) = 0;
  std::uint64_t fail_first_ MH_GUARDED_BY(mutex_) = UINT64_MAX;
  std::uint64_t fail_last_ MH_GUARDED_BY(mutex_) = 0;
  Errc code_ MH_GUARDED_BY(mutex_) = Errc::kIo;
};

}  // namespace meterhub::base
