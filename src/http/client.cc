#include <meterhub/http/client.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "codec.h"

namespace meterhub::http {
namespace {

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

  base::Result<void> send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return base::fail(base::Errc::kUnavailable, "the platform ended the connection");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }
  // 0 bytes = the other side has ended. A negative timeout waits for ever.
  base::Result<std::string> receive(int timeout_ms) const {
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, timeout_ms);
    if (ready == 0) return base::fail(base::Errc::kTimeout, "the platform did not answer in time");
    std::array<char, 65536> buffer;
    const auto got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got < 0) return base::fail(base::Errc::kUnavailable, "the connection to the platform broke");
    return std::string(buffer.data(), static_cast<std::size_t>(got));
  }

 private:
  int fd_;
};

// Feeds the parser until `stop`; true when the response is complete.
base::Result<bool> read_response(const Socket& socket, ResponseParser& parser, int timeout_ms,
                                 const std::function<bool()>& stop) {
  std::string pending;
  while (!parser.done()) {
    const auto bytes = MH_TRY(socket.receive(timeout_ms));
    if (bytes.empty()) {
      MH_TRY_VOID(parser.end());
      break;
    }
    pending += bytes;
    pending.erase(0, MH_TRY(parser.feed(pending)));
    if (stop()) return false;
  }
  return true;
}

}  // namespace

Client Client::unix_domain(std::string path) {
  Client out;
  out.path_ = std::move(path);
  return out;
}

Client Client::tcp(net::Address address) {
  Client out;
  out.address_ = address;
  return out;
}

base::Result<int> Client::connect() const {
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (!path_.empty()) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path_.size() >= sizeof name.sun_path)
      return base::fail(base::Errc::kInvalidArgument, "the socket path " + path_ + " is too long");
    std::memcpy(name.sun_path, path_.data(), path_.size());
    std::memcpy(&storage, &name, sizeof name);
    length = sizeof name;
  } else {
    sockaddr_in6 name{};
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(address_.port);
    std::memcpy(&name.sin6_addr, address_.ip.data(), address_.ip.size());  // IPv4 in its mapped form
    std::memcpy(&storage, &name, sizeof name);
    length = sizeof name;
  }
  Socket socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0 || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    return base::fail(base::Errc::kUnavailable,
                      "no platform answers at " + (path_.empty() ? address_.text() : path_));
  return socket.release();
}

base::Result<Response> Client::request(Method method, std::string_view target, std::string_view body,
                                       const Fields& headers) const {
  const Socket socket(MH_TRY(connect()));
  MH_TRY_VOID(socket.send(write_request(method, target, path_.empty() ? address_.text() : "localhost", body, headers)));
  ResponseParser parser(method == Method::kHead);
  MH_TRY_VOID(read_response(socket, parser, static_cast<int>(timeout_.count()), [] { return false; }));
  return parser.take();
}

base::Result<Response> Client::follow(std::string_view target,
                                      const std::function<bool(std::string_view)>& take, const Fields& headers) const {
  const Socket socket(MH_TRY(connect()));
  MH_TRY_VOID(socket.send(
      write_request(Method::kGet, target, path_.empty() ? address_.text() : "localhost", {}, headers)));
  ResponseParser parser(false);
  bool wanted = true;
  const auto hand_over = [&] {
    if (!parser.head_done() || parser.status() >= 300) return false;
    const auto piece = parser.take_body();
    if (!piece.empty()) wanted = take(piece);
    return !wanted;
  };
  const bool complete = MH_TRY(read_response(socket, parser, -1, hand_over));
  if (!complete) return Response{parser.status(), {}, {}};
  return parser.take();
}

}  // namespace meterhub::http
