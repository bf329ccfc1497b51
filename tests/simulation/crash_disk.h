// The system's files below one folder, with a memory of what a power cut would leave: for
// databases that write by themselves and are given paths (DuckDB). As MemoryDisk, a file has
// the content of its last sync, a folder the names of its last sync_directory, and folders
// stay. Nothing is really synced, which would only cost time.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

#include <meterhub/base/disk.h>

namespace meterhub::simulation {

// One thread. A synced file is never written in place: it is replaced.
class CrashDisk final : public base::Disk {
 public:
  // `folder` is what can be lost; `shadows` lies outside it, on the same file system.
  CrashDisk(std::string folder, std::string shadows);

  // A power cut: everything below the folder is as it was synced.
  void forget_unsynced();

  base::Result<std::string> read(const std::string& path) const override { return posix_.read(path); }
  base::Result<void> write(const std::string& path, std::string_view bytes) override;
  base::Result<void> append(const std::string& path, std::string_view bytes) override { return posix_.append(path, bytes); }
  base::Result<void> sync(const std::string& path) override;
  base::Result<void> sync_directory(const std::string& path) override;
  base::Result<void> rename(const std::string& from, const std::string& to) override { return posix_.rename(from, to); }
  base::Result<void> link(const std::string& from, const std::string& to) override { return posix_.link(from, to); }
  base::Result<void> remove(const std::string& path) override { return posix_.remove(path); }
  base::Result<void> remove_directory(const std::string& path) override { return posix_.remove_directory(path); }
  base::Result<void> make_directories(const std::string& path) override;
  base::Result<std::vector<base::DirectoryEntry>> list(const std::string& path) const override { return posix_.list(path); }
  base::Result<bool> exists(const std::string& path) const override { return posix_.exists(path); }
  base::Result<std::uint64_t> size(const std::string& path) const override { return posix_.size(path); }
  base::Result<base::DiskSpace> space(const std::string& path) const override { return posix_.space(path); }

 private:
  std::string shadow(ino_t file) const { return shadows_ + "/" + std::to_string(file); }

  base::PosixDisk posix_;
  const std::string folder_;
  const std::string shadows_;
  std::map<std::string, ino_t> names_;  // that survive
  std::map<ino_t, bool> synced_;        // files whose content survives: each has a name among the shadows
};

}  // namespace meterhub::simulation
