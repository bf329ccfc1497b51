#include "data_directory.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace meterhub::app {
namespace {

base::Error io_error(const std::string& path, int number) { return {base::Errc::kIo, path + ": " + std::strerror(number)}; }

base::Result<void> write_whole(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(io_error(path, errno));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return std::unexpected(io_error(path, errno));
  return {};
}

// The file of the lock: the holder's number, and for a command a second word.
constexpr std::string_view kCommandMark = " command";
// A command opens the stores, which may take seconds after a crash, and is done.
constexpr std::chrono::seconds kCommandPatience{20};
constexpr std::chrono::milliseconds kLook{20};

std::string lock_text(Holding holding) {
  return std::to_string(::getpid()) + std::string(holding == Holding::kCommand ? kCommandMark : "") + "\n";
}

// True while it is a command, or the new holder has not said yet.
bool held_briefly(const base::Disk& disk, const DataPaths& paths) {
  const auto holder = disk.read(paths.lock());
  return holder && (holder->empty() || holder->contains(kCommandMark));
}

base::Error held_by_another(const base::Disk& disk, const DataPaths& paths) {
  const auto holder = disk.read(paths.lock());
  std::string who = holder && !holder->empty() ? "process " + holder->substr(0, holder->find_first_of(" \n")) : "another process";
  return {base::Errc::kUnavailable, paths.root + " is in use by " + who + "; stop it, or give another directory (--data)"};
}

base::Result<void> wait_for_lock(int fd, const base::Disk& disk, const DataPaths& paths) {
  const auto end = std::chrono::steady_clock::now() + kCommandPatience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return std::unexpected(io_error(paths.lock(), errno));
    if (!held_briefly(disk, paths) || std::chrono::steady_clock::now() > end) return std::unexpected(held_by_another(disk, paths));
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

}  // namespace

base::Result<DirectoryLock> DirectoryLock::take(base::Disk& disk, const DataPaths& paths, Holding holding) {
  MH_TRY_VOID(disk.make_directories(paths.root));
  const int fd = ::open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(io_error(paths.lock(), errno));
  DirectoryLock lock(fd);
  MH_TRY_VOID(wait_for_lock(fd, disk, paths));
  if (::ftruncate(fd, 0) != 0) return std::unexpected(io_error(paths.lock(), errno));
  MH_TRY_VOID(write_whole(fd, paths.lock(), lock_text(holding)));
  return lock;
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

base::Result<void> write_private(base::Disk& disk, const std::string& path, std::string_view bytes) {
  const std::string written = path + std::string(base::kTemporarySuffix);
  const int fd = ::open(written.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return std::unexpected(io_error(written, errno));
  const auto done = write_whole(fd, written, bytes);
  ::close(fd);
  MH_TRY_VOID(done);
  return disk.install_durably(written, path);
}

}  // namespace meterhub::app
