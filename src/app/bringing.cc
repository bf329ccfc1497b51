#include "bringing.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <meterhub/base/disk.h>
#include <meterhub/crypto/sha256.h>

namespace meterhub::app {
namespace {

using base::Errc;

constexpr std::size_t kPiece = 1 << 20;

std::unexpected<base::Error> refused(const std::string& path) {
  const auto code = errno == ENOSPC || errno == EDQUOT ? Errc::kResourceExhausted : errno == ENOENT ? Errc::kNotFound : Errc::kIo;
  return base::fail(code, path + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  const int fd_;
};

base::Result<void> write_whole(int fd, const std::string& path, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return refused(path);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

// Reads all of it, piece by piece; into `target` too when there is one.
base::Result<std::string> read_through(const std::string& from, const Descriptor* target, const std::string& to, BringProgress& progress) {
  const Descriptor source(from, O_RDONLY);
  if (!source) return refused(from);
  ::posix_fadvise(source.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  std::vector<std::uint8_t> piece(kPiece);
  crypto::Sha256 sum;
  for (;;) {
    if (progress.cancelled) return base::fail(Errc::kCancelled, "cancelled");
    const auto n = ::read(source.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return refused(from);
    if (n == 0) break;
    const std::span<const std::uint8_t> read(piece.data(), static_cast<std::size_t>(n));
    sum.add(read);
    if (target != nullptr) MH_TRY_VOID(write_whole(target->get(), to, read));
    progress.bytes += read.size();
  }
  if (target != nullptr && ::fsync(target->get()) != 0) return refused(to);
  return hex(sum.finish());
}

}  // namespace

base::Result<std::string> sha256_of(const std::string& file, BringProgress& progress) { return read_through(file, nullptr, {}, progress); }

std::string Bringer::place(const std::string& path) const { return base::join_path(to_, path); }

base::Result<void> Bringer::make_room(const std::string& path) {
  std::string folder = base::parent_path(place(path));
  if (directories_.contains(folder)) return {};
  std::error_code error;
  std::vector<std::string> missing;
  for (auto at = folder; !std::filesystem::exists(at, error); at = base::parent_path(at)) missing.push_back(at);
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    if (::mkdir(at->c_str(), 0700) != 0 && errno != EEXIST) return refused(*at);
  }
  // Up to the target's own directory: all of them hold a new name.
  for (; folder.size() >= to_.size(); folder = base::parent_path(folder)) directories_.insert(folder);
  return {};
}

base::Result<std::string> Bringer::file(const std::string& from, const std::string& path, Bring how) {
  MH_TRY_VOID(make_room(path));
  const auto to = place(path);
  if (how == Bring::kLink) {
    if (::link(from.c_str(), to.c_str()) == 0) return written(path);
    // Another file system, one that cannot link, or a file of another user: then a copy.
    const bool copy_helps = errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP;
    if (!copy_helps) return refused(from + " -> " + to);
  }
  const Descriptor target(to, O_WRONLY | O_CREAT | O_TRUNC);
  if (!target) return refused(to);
  auto sum = MH_TRY(read_through(from, &target, to, progress_));
  ++progress_.files;
  return sum;
}

base::Result<std::string> Bringer::text(const std::string& path, std::string_view bytes) {
  MH_TRY_VOID(make_room(path));
  const auto to = place(path);
  const Descriptor target(to, O_WRONLY | O_CREAT | O_TRUNC);
  if (!target) return refused(to);
  MH_TRY_VOID(write_whole(target.get(), to, base::as_bytes(bytes)));
  if (::fsync(target.get()) != 0) return refused(to);
  progress_.bytes += bytes.size();
  ++progress_.files;
  return hex(crypto::sha256(base::as_bytes(bytes)));
}

base::Result<std::string> Bringer::written(const std::string& path) {
  const auto to = place(path);
  const Descriptor file(to, O_RDONLY);
  if (!file || ::fsync(file.get()) != 0) return refused(to);
  auto sum = MH_TRY(sha256_of(to, progress_));
  ++progress_.files;
  return sum;
}

base::Result<void> Bringer::sync_directories() {
  for (const auto& directory : directories_) {
    const Descriptor file(directory, O_RDONLY | O_DIRECTORY);
    if (!file || ::fsync(file.get()) != 0) return refused(directory);
  }
  return {};
}

}  // namespace meterhub::app
