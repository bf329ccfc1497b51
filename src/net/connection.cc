#include <meterhub/net/connection.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include <meterhub/net/sockets.h>

#include "stream.h"
#include "unix_address.h"

namespace meterhub::net {

std::string_view close_reason_name(CloseReason reason) {
  switch (reason) {
    case CloseReason::kLocal: return "local";
    case CloseReason::kPeer: return "peer";
    case CloseReason::kReset: return "reset";
    case CloseReason::kTls: return "tls";
    case CloseReason::kTimeout: return "timeout";
    case CloseReason::kSlow: return "slow";
  }
  return "unknown";
}

void Connection::move_to(EventLoop& /*other*/, std::move_only_function<void(std::shared_ptr<Connection>)> /*arrived*/) { abort(); }

base::Result<UnixAddress> unix_address(const std::string& path) {
  UnixAddress out;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof name.sun_path)
    return base::fail(base::Errc::kInvalidArgument, "the socket path '" + path + "' must have 1 to 107 characters");
  std::memcpy(name.sun_path, path.data(), path.size());
  std::memcpy(&out.storage, &name, sizeof name);
  out.length = static_cast<socklen_t>(sizeof name);
  return out;
}

namespace {

base::Result<SslPtr> client_ssl(const ConnectOptions& options) {
  if (!options.tls) return SslPtr();
  auto ssl = options.tls->state().make();
  if (!ssl) return base::fail(base::Errc::kInternal, "OpenSSL: " + tls_error());
  const auto& expected = options.tls->state().expected_name;
  const auto& name = expected.empty() ? options.server_name : expected;
  if (name.empty()) return base::fail(base::Errc::kInvalidArgument, "TLS needs the name of the server");
  if (Address::parse(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str());
  } else {
    SSL_set1_host(ssl.get(), name.c_str());
    std::string shown = options.server_name.empty() ? name : options.server_name;
    SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, shown.data());
  }
  SSL_set_connect_state(ssl.get());
  if (options.session) use_session(ssl.get(), *options.session);
  return ssl;
}

base::Result<void> come_from(int fd, const Address& from) {
  const auto source = to_socket(from);
  const int on = 1;
  // The port is chosen by connect(), which knows the whole pair: else there are 28,000 in all.
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (::bind(fd, source.get(), source.length) == 0) return {};
  return base::fail(base::Errc::kIo, system_error("cannot come from " + from.text(), errno));
}

base::Result<ConnectionPtr> begin(EventLoop& loop, const sockaddr* to, socklen_t length, Stream::Setup setup,
                                  ConnectionHandler& handler) {
  if (setup.fd.get() < 0) return base::fail(base::Errc::kIo, system_error("socket", errno));
  if (::connect(setup.fd.get(), to, length) != 0 && errno != EINPROGRESS)
    return base::fail(base::Errc::kUnavailable, system_error("connect", errno));
  auto stream = std::make_shared<Stream>(loop, std::move(setup));
  stream->set_handler(handler);
  MH_TRY_VOID(stream->start(true));
  return stream;
}

}  // namespace

base::Result<ConnectionPtr> connect(EventLoop& loop, const Address& to, ConnectOptions options,
                                    ConnectionHandler& handler) {
  if (loop.sockets() != nullptr) return loop.sockets()->connect(loop, to, handler);
  const auto target = to_socket(to);
  Stream::Setup setup;
  setup.fd = OwnedFd(::socket(target.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(setup.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (options.from) MH_TRY_VOID(come_from(setup.fd.get(), *options.from));
  setup.peer = to;
  setup.limits = options.limits;
  setup.ssl = MH_TRY(client_ssl(options));
  setup.session = std::move(options.session);
  return begin(loop, target.get(), target.length, std::move(setup), handler);
}

base::Result<ConnectionPtr> connect_unix(EventLoop& loop, const std::string& path, ConnectionLimits limits,
                                         ConnectionHandler& handler) {
  const auto target = MH_TRY(unix_address(path));
  Stream::Setup setup;
  setup.fd = OwnedFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  setup.local = true;
  setup.limits = limits;
  return begin(loop, target.get(), target.length, std::move(setup), handler);
}

}  // namespace meterhub::net
