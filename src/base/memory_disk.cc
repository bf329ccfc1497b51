#include <meterhub/base/disk.h>

namespace meterhub::base {
namespace {

std::unexpected<Error> missing(const std::string& path) {
  return fail(Errc::kNotFound, path + ": no such file or directory");
}

}  // namespace

std::uint64_t MemoryDisk::used() const {
  std::uint64_t bytes = 0;
  for (const auto& [path, file] : names_) bytes += file->content.size();
  return bytes;
}

void MemoryDisk::forget_unsynced() {
  const Lock lock(mutex_);
  names_ = synced_names_;
  for (auto& [path, file] : names_) file->content = file->synced;
}

void MemoryDisk::limit(std::uint64_t capacity) {
  const Lock lock(mutex_);
  capacity_ = capacity;
}

Result<std::string> MemoryDisk::read(const std::string& path) const {
  const Lock lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return missing(path);
  return found->second->content;
}

Result<void> MemoryDisk::store(const std::string& path, std::string_view bytes, bool append) {
  const Lock lock(mutex_);
  const std::string parent = parent_path(path);
  if (parent != "." && parent != "/" && !directories_.contains(parent)) return missing(parent);
  const auto found = names_.find(path);
  const std::uint64_t old = found == names_.end() || append ? 0 : found->second->content.size();
  if (used() - old + bytes.size() > capacity_) {
    return fail(Errc::kResourceExhausted, path + ": no space left on device");
  }
  auto& file = found == names_.end() ? names_[path] : found->second;
  if (!file) file = std::make_shared<File>();
  if (!append) file->content.clear();
  file->content.append(bytes);
  return {};
}

Result<void> MemoryDisk::write(const std::string& path, std::string_view bytes) {
  return store(path, bytes, false);
}
Result<void> MemoryDisk::append(const std::string& path, std::string_view bytes) {
  return store(path, bytes, true);
}

Result<void> MemoryDisk::sync(const std::string& path) {
  const Lock lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return missing(path);
  found->second->synced = found->second->content;
  return {};
}

Result<void> MemoryDisk::sync_directory(const std::string& path) {
  const Lock lock(mutex_);
  std::erase_if(synced_names_, [&](const auto& name) { return parent_path(name.first) == path; });
  for (const auto& [name, file] : names_) {
    if (parent_path(name) == path) synced_names_[name] = file;
  }
  return {};
}

Result<void> MemoryDisk::rename(const std::string& from, const std::string& to) {
  const Lock lock(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) return missing(from);
  auto file = std::move(found->second);
  names_.erase(found);
  names_[to] = std::move(file);
  return {};
}

Result<void> MemoryDisk::link(const std::string& from, const std::string& to) {
  const Lock lock(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) return missing(from);
  if (names_.contains(to)) return fail(Errc::kAlreadyExists, to + ": file exists");
  names_[to] = found->second;
  return {};
}

Result<void> MemoryDisk::remove(const std::string& path) {
  const Lock lock(mutex_);
  names_.erase(path);
  return {};
}

Result<void> MemoryDisk::remove_directory(const std::string& path) {
  const Lock lock(mutex_);
  for (const auto& [name, file] : names_) {
    if (parent_path(name) == path) return fail(Errc::kIo, path + ": directory not empty");
  }
  directories_.erase(path);
  return {};
}

Result<void> MemoryDisk::make_directories(const std::string& path) {
  const Lock lock(mutex_);
  for (std::string at = path; at != "." && at != "/"; at = parent_path(at)) directories_.insert(at);
  return {};
}

Result<std::vector<DirectoryEntry>> MemoryDisk::list(const std::string& path) const {
  const Lock lock(mutex_);
  if (!directories_.contains(path)) return missing(path);
  std::map<std::string, DirectoryEntry> entries;
  for (const auto& [name, file] : names_) {
    if (parent_path(name) != path) continue;
    std::string leaf = name.substr(name.rfind('/') + 1);
    entries[leaf] = DirectoryEntry{leaf, false, file->content.size()};
  }
  for (const auto& name : directories_) {
    if (parent_path(name) != path) continue;
    std::string leaf = name.substr(name.rfind('/') + 1);
    entries[leaf] = DirectoryEntry{leaf, true, 0};
  }
  std::vector<DirectoryEntry> sorted;
  for (auto& [name, entry] : entries) sorted.push_back(std::move(entry));
  return sorted;
}

Result<bool> MemoryDisk::exists(const std::string& path) const {
  const Lock lock(mutex_);
  return names_.contains(path) || directories_.contains(path);
}

Result<std::uint64_t> MemoryDisk::size(const std::string& path) const {
  const Lock lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return missing(path);
  return found->second->content.size();
}

Result<DiskSpace> MemoryDisk::space(const std::string&) const {
  const Lock lock(mutex_);
  const std::uint64_t bytes = used();
  return DiskSpace{capacity_, capacity_ > bytes ? capacity_ - bytes : 0};
}

}  // namespace meterhub::base
