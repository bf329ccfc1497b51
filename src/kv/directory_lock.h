// Keeps a second process out of a directory.
#pragma once

#include <filesystem>

#include <meterhub/base/result.h>

namespace meterhub::kv {

// Holds DIR/OWNER with flock for its lifetime; the kernel frees it when the process ends,
// however it ends. The file's text is the owner's process id.
class DirectoryLock {
 public:
  // kUnavailable when somebody else holds it, kIo.
  static base::Result<DirectoryLock> take(const std::filesystem::path& directory);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int file) : file_(file) {}
  int file_;
};

}  // namespace meterhub::kv
