#include "directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace meterhub::kv {
namespace {

std::string read_owner(int file) {
  std::array<char, 32> text{};
  const auto size = ::pread(file, text.data(), text.size(), 0);
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : "unknown";
}

}  // namespace

base::Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory) {
  const auto path = directory / "OWNER";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return base::fail(base::Errc::kIo, path.string() + ": " + std::strerror(errno));
  DirectoryLock lock(file);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return base::fail(base::Errc::kUnavailable, "the directory " + directory.string() +
                                                    " is in use by another process (process id " +
                                                    read_owner(file) + "); stop that one first");
  }
  const auto owner = std::to_string(::getpid());
  const bool written = ::ftruncate(file, 0) == 0 &&
                       ::pwrite(file, owner.data(), owner.size(), 0) == static_cast<ssize_t>(owner.size());
  if (!written) return base::fail(base::Errc::kIo, path.string() + ": " + std::strerror(errno));
  return lock;
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace meterhub::kv
