// A database as it is at one moment, copied while others go on writing to it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include <meterhub/base/result.h>

namespace meterhub::db {

// Holds the moment by an open read transaction: the database's write-ahead log grows until this
// object goes. One thread.
class Snapshot {
 public:
  // The moment is during this call. kNotFound when there is no such file.
  static base::Result<Snapshot> take(const std::filesystem::path& file);
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  // Writes the picture into a new file (mode 0600), some pages at a time; `go_on` is asked between
  // them and ends the copy with kCancelled by false. The file is not synced.
  base::Result<void> copy_to(const std::filesystem::path& file, const std::function<bool()>& go_on);

 private:
  struct Source;
  explicit Snapshot(std::unique_ptr<Source> source);
  std::unique_ptr<Source> source_;
};

}  // namespace meterhub::db
