// What the rows of channels and routes share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store_state.h"

namespace meterhub::registry {

inline std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = text.find(separator);
    out.emplace_back(text.substr(0, end));
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

inline std::string joined_list(const std::vector<std::string>& list, char separator) {
  std::string out;
  for (const auto& text : list) (out += out.empty() ? "" : std::string(1, separator)) += text;
  return out;
}

// 0 for an empty name.
base::Result<std::int64_t> tenant_or_all(Store::State& state, std::string_view name);

}  // namespace meterhub::registry
