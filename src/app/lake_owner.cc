// Compaction where a process owns the lake: its archive must do it, since a second writer
// would be fenced or fence it.
#include "ask.h"
#include "commands.h"

namespace meterhub::app {

std::optional<base::Result<std::string>> compact_by_owner(const std::string& data) {
  if (!is_running(data)) return std::nullopt;
  const auto answer = ask_platform(data, http::Method::kPost, "/api/v1/lake/compact", {});
  if (!answer) return base::Result<std::string>(std::unexpected(answer.error()));
  return base::Result<std::string>("compacted by the running platform");
}

}  // namespace meterhub::app
