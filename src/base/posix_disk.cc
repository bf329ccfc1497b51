#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <meterhub/base/disk.h>

namespace meterhub::base {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> refused(const std::string& path, int code) {
  const Errc kind = code == ENOENT || code == ENOTDIR              ? Errc::kNotFound
                    : code == ENOSPC || code == EDQUOT              ? Errc::kResourceExhausted
                                                                    : Errc::kIo;
  return fail(kind, path + ": " + std::strerror(code));
}

// Closes on the way out.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

Result<void> write_all(const std::string& path, int flags, std::string_view bytes) {
  const Descriptor file(path, flags);
  if (!file) return refused(path, errno);
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return refused(path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Result<std::string> PosixDisk::read(const std::string& path) const {
  const Descriptor file(path, O_RDONLY);
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return refused(path, errno);
  if (S_ISDIR(info.st_mode)) return refused(path, EISDIR);
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return refused(path, errno);
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
  }
  bytes.resize(filled);
  return bytes;
}

Result<void> PosixDisk::write(const std::string& path, std::string_view bytes) {
  return write_all(path, O_WRONLY | O_CREAT | O_TRUNC, bytes);
}

Result<void> PosixDisk::append(const std::string& path, std::string_view bytes) {
  return write_all(path, O_WRONLY | O_CREAT | O_APPEND, bytes);
}

Result<void> PosixDisk::sync(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  if (!file || ::fdatasync(file.get()) != 0) return refused(path, errno);
  return {};
}

Result<void> PosixDisk::sync_directory(const std::string& path) {
  const Descriptor directory(path, O_RDONLY | O_DIRECTORY);
  if (!directory || ::fsync(directory.get()) != 0) return refused(path, errno);
  return {};
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return refused(from + " -> " + to, errno);
  return {};
}

Result<void> PosixDisk::link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return {};
  if (errno == EEXIST) return fail(Errc::kAlreadyExists, to + ": file exists");
  return refused(from + " -> " + to, errno);
}

Result<void> PosixDisk::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return refused(path, errno);
  return {};
}

Result<void> PosixDisk::remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return refused(path, errno);
  return {};
}

Result<void> PosixDisk::make_directories(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) {
    const int code = errno;
    std::error_code ignored;
    if (code == EEXIST && fs::is_directory(path, ignored)) return {};
    if (code != ENOENT) return refused(path, code);
    const std::string parent = parent_path(path);
    if (parent == path) return refused(path, code);
    MH_TRY_VOID(make_directories(parent));
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return refused(path, errno);
  }
  return sync_directory(parent_path(path));
}

Result<std::vector<DirectoryEntry>> PosixDisk::list(const std::string& path) const {
  std::error_code error;
  std::vector<DirectoryEntry> entries;
  for (auto it = fs::directory_iterator(path, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    // A file may vanish while we look: then it is not there.
    std::error_code gone;
    const bool directory = it->is_directory(gone);
    const std::uint64_t size = directory || gone ? 0 : it->file_size(gone);
    if (!gone) entries.push_back({it->path().filename().string(), directory, size});
  }
  if (error) return refused(path, error.value());
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<bool> PosixDisk::exists(const std::string& path) const {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return refused(path, errno);
}

Result<std::uint64_t> PosixDisk::size(const std::string& path) const {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return refused(path, errno);
  return static_cast<std::uint64_t>(info.st_size);
}

Result<DiskSpace> PosixDisk::space(const std::string& path) const {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return refused(path, errno);
  return DiskSpace{info.f_blocks * info.f_frsize, info.f_bavail * info.f_frsize};
}

}  // namespace meterhub::base
