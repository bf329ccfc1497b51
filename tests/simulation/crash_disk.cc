#include "crash_disk.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

namespace meterhub::simulation {
namespace {

ino_t file_at(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? info.st_ino : 0;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

CrashDisk::CrashDisk(std::string folder, std::string shadows) : folder_(std::move(folder)), shadows_(std::move(shadows)) {
  std::filesystem::create_directories(folder_);
  std::filesystem::create_directories(shadows_);
}

base::Result<void> CrashDisk::write(const std::string& path, std::string_view bytes) {
  if (synced_.contains(file_at(path))) ::unlink(path.c_str());
  return posix_.write(path, bytes);
}

base::Result<void> CrashDisk::sync(const std::string& path) {
  const auto file = file_at(path);
  if (file == 0) return base::fail(base::Errc::kNotFound, path + ": no such file");
  if (synced_.emplace(file, true).second && ::link(path.c_str(), shadow(file).c_str()) != 0) {
    return base::fail(base::Errc::kIo, path + ": no shadow can be made");
  }
  return {};
}

base::Result<void> CrashDisk::sync_directory(const std::string& path) {
  std::erase_if(names_, [&](const auto& name) { return base::parent_path(name.first) == path; });
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory) return base::fail(base::Errc::kNotFound, path + ": no such directory");
  while (const auto* entry = ::readdir(directory.get())) {
    if (entry->d_type == DT_REG) names_[base::join_path(path, entry->d_name)] = entry->d_ino;
  }
  return {};
}

base::Result<void> CrashDisk::make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return base::fail(base::Errc::kIo, path + ": " + error.message());
  return {};
}

void CrashDisk::forget_unsynced() {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
    if (!entry.is_regular_file()) continue;
    const auto name = names_.find(entry.path().string());
    if (name == names_.end() || name->second != file_at(entry.path().string())) ::unlink(entry.path().c_str());
  }
  for (const auto& [path, file] : names_) {
    if (synced_.contains(file)) {
      if (file_at(path) == 0) (void)::link(shadow(file).c_str(), path.c_str());
    } else {
      ::unlink(path.c_str());
      (void)posix_.write(path, {});  // its name was synced, its content was not
      names_[path] = file_at(path);
    }
  }
}

}  // namespace meterhub::simulation
