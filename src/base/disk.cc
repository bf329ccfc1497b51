#include <meterhub/base/disk.h>

namespace meterhub::base {

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name);
}

std::string parent_path(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

Result<void> Disk::replace_durably(const std::string& path, std::string_view bytes) {
  const std::string beside = path + std::string(kTemporarySuffix);
  MH_TRY_VOID(write(beside, bytes));
  return install_durably(beside, path);
}

Result<void> Disk::install_durably(const std::string& written, const std::string& path) {
  MH_TRY_VOID(sync(written));
  MH_TRY_VOID(rename(written, path));
  return sync_directory(parent_path(path));
}

Result<void> Disk::create_durably(const std::string& path, std::string_view bytes, const std::string& temporary) {
  MH_TRY_VOID(write(temporary, bytes));
  MH_TRY_VOID(sync(temporary));
  const auto linked = link(temporary, path);
  MH_TRY_VOID(remove(temporary));
  if (!linked) return linked;
  return sync_directory(parent_path(path));
}

void FaultyDisk::fail_from(std::uint64_t n, Errc code) {
  const Lock lock(mutex_);
  fail_first_ = changes_ + n;
  fail_last_ = UINT64_MAX;
  code_ = code;
}

void FaultyDisk::fail_once(std::uint64_t n, Errc code) {
  const Lock lock(mutex_);
  fail_first_ = fail_last_ = changes_ + n;
  code_ = code;
}

void FaultyDisk::heal() {
  const Lock lock(mutex_);
  fail_first_ = UINT64_MAX;
}

std::uint64_t FaultyDisk::changes() const {
  const Lock lock(mutex_);
  return changes_;
}

Result<void> FaultyDisk::change(const std::function<Result<void>()>& pass_on) {
  {
    const Lock lock(mutex_);
    const std::uint64_t n = changes_++;
    if (n >= fail_first_ && n <= fail_last_) return fail(code_, "the disk was told to fail");
  }
  return pass_on();
}

Result<std::string> FaultyDisk::read(const std::string& path) const { return under_.read(path); }
Result<void> FaultyDisk::write(const std::string& path, std::string_view bytes) {
  return change([&] { return under_.write(path, bytes); });
}
Result<void> FaultyDisk::append(const std::string& path, std::string_view bytes) {
  return change([&] { return under_.append(path, bytes); });
}
Result<void> FaultyDisk::sync(const std::string& path) {
  return change([&] { return under_.sync(path); });
}
Result<void> FaultyDisk::sync_directory(const std::string& path) {
  return change([&] { return under_.sync_directory(path); });
}
Result<void> FaultyDisk::rename(const std::string& from, const std::string& to) {
  return change([&] { return under_.rename(from, to); });
}
Result<void> FaultyDisk::link(const std::string& from, const std::string& to) {
  return change([&] { return under_.link(from, to); });
}
Result<void> FaultyDisk::remove(const std::string& path) {
  return change([&] { return under_.remove(path); });
}
Result<void> FaultyDisk::remove_directory(const std::string& path) {
  return change([&] { return under_.remove_directory(path); });
}
Result<void> FaultyDisk::make_directories(const std::string& path) {
  return change([&] { return under_.make_directories(path); });
}
Result<std::vector<DirectoryEntry>> FaultyDisk::list(const std::string& path) const {
  return under_.list(path);
}
Result<bool> FaultyDisk::exists(const std::string& path) const { return under_.exists(path); }
Result<std::uint64_t> FaultyDisk::size(const std::string& path) const { return under_.size(path); }
Result<DiskSpace> FaultyDisk::space(const std::string& path) const { return under_.space(path); }

}  // namespace meterhub::base
