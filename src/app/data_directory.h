// The directory that holds everything of one platform (design part 6), and its lock.
#pragma once

#include <cstdint>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>

namespace meterhub::app {

// Where things lie below a data directory; says nothing about who owns it.
struct DataPaths {
  std::string root;

  std::string lake() const { return base::join_path(root, "lake"); }
  std::string store() const { return base::join_path(root, "store"); }
  std::string office() const { return base::join_path(root, "office"); }
  std::string tls() const { return base::join_path(root, "tls"); }
  std::string database() const { return base::join_path(root, "database.sqlite"); }
  std::string registry() const { return base::join_path(root, "registry.sqlite"); }
  std::string master_key() const { return base::join_path(root, "master.key"); }
  std::string exports() const { return base::join_path(root, "exports"); }
  std::string control_socket() const { return base::join_path(root, "control.sock"); }
  std::string lock() const { return base::join_path(root, "lock"); }
};

// What a process takes the lock for.
enum class Holding : std::uint8_t {
  kPlatform,  // until it is told to stop
  kCommand,   // to answer one question: whoever comes meanwhile waits for its end
};

// The lock of a data directory, held as long as the object lives and at most as long as the
// process: a crash leaves nothing behind.
class DirectoryLock {
 public:
  // Makes the directory when it is missing. Waits for commands that hold it. kUnavailable names
  // the directory and the process that holds it.
  static base::Result<DirectoryLock> take(base::Disk& disk, const DataPaths& paths, Holding holding = Holding::kPlatform);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

// Replaces or makes a file that only its owner may read (0600), durably.
base::Result<void> write_private(base::Disk& disk, const std::string& path, std::string_view bytes);

}  // namespace meterhub::app
