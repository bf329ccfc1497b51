// Files brought from one directory to another, with their checksums: for backup and restore.
#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>

#include "backup_set.h"

namespace meterhub::app {

// Watched from other threads.
struct BringProgress {
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> files_all{0};  // 0 = not known yet
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<bool> cancelled{false};
};

// Whether the new file may be the old one under a second name: only what is never changed in place.
enum class Bring : std::uint8_t { kLink, kCopy };

// Brings files below `to`, whose directories it makes (0700; files 0600). One thread.
class Bringer {
 public:
  Bringer(std::string to, BringProgress& progress) : to_(std::move(to)), progress_(progress) {}

  // Links, or copies where asked or on another file system. Returns the content's SHA-256.
  base::Result<std::string> file(const std::string& from, const std::string& path, Bring how);
  base::Result<std::string> text(const std::string& path, std::string_view bytes);
  // Takes a file that is written at its place already.
  base::Result<std::string> written(const std::string& path);
  std::string place(const std::string& path) const;
  // Makes the directory of a place.
  base::Result<void> make_room(const std::string& path);
  // Names of all that was brought survive a crash after this.
  base::Result<void> sync_directories();

 private:
  const std::string to_;
  BringProgress& progress_;
  std::set<std::string> directories_;
};

// Of a file's content; counts bytes. kCancelled.
base::Result<std::string> sha256_of(const std::string& file, BringProgress& progress);

}  // namespace meterhub::app
