// The page's files, compiled in.
#pragma once

#include <span>
#include <string_view>

namespace meterhub::console {

struct PageFile {
  std::string_view path;
  std::string_view media_type;
  std::string_view bytes;
};
// Its style, and its scripts.
std::span<const PageFile> page_files();
// The page itself, for those who showed the key; and what others see at `/`.
std::string_view page_html();
std::string_view locked_html();

}  // namespace meterhub::console
