// Compaction where a process owns the lake: its archive must do it, since a second writer
// would be fenced or fence it.
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <meterhub/base/disk.h>

#include "commands.h"

namespace meterhub::app {
namespace {

bool somebody_listens(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool listens = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return listens;
}

}  // namespace

std::optional<base::Result<std::string>> compact_by_owner(const std::string& data) {
  if (!somebody_listens(base::join_path(data, "control.sock"))) return std::nullopt;
  return base::fail(base::Errc::kUnavailable,
                    data + " belongs to a running meterhub; stop it, then compact (it closes hours by itself)");
}

}  // namespace meterhub::app
