#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace meterhub::app {

// A directory of its own, removed with the object.
class Folder {
 public:
  Folder() : path_((std::filesystem::temp_directory_path() / "meterhub-app-XXXXXX").string()) { path_ = ::mkdtemp(path_.data()); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace meterhub::app
