#include "service_manager.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <meterhub/base/logging.h>

namespace meterhub::app {
namespace {

constexpr const char* kVariable = "NOTIFY_SOCKET";

}  // namespace

ServiceManager::ServiceManager() {
  if (const char* socket = std::getenv(kVariable); socket != nullptr) socket_ = socket;
  ::unsetenv(kVariable);
}

void ServiceManager::send(const std::string& lines) const {
  if (socket_.empty()) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const bool sent = socket_.size() < sizeof to.sun_path && [&] {
    std::memcpy(to.sun_path, socket_.data(), socket_.size());
    if (socket_.front() == '@') to.sun_path[0] = '\0';  // the abstract namespace
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto done = ::sendto(fd, lines.data(), lines.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size);
    if (fd >= 0) ::close(fd);
    return done == static_cast<ssize_t>(lines.size());
  }();
  if (!sent) base::logging::warn("service_manager_not_told", {{"socket", socket_}});
}

}  // namespace meterhub::app
