// The lake's directory as DuckDB wants it: allowed directories are compared as text.
#pragma once

#include <filesystem>
#include <string>

namespace meterhub::lake {

inline std::string absolute_path(const std::string& directory) {
  std::error_code error;
  const auto path = std::filesystem::absolute(directory, error).lexically_normal();
  std::string text = error ? directory : path.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace meterhub::lake
