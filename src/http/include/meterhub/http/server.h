// HTTP/1.1 server on an event loop: TLS, plain loopback or Unix-domain socket.
// Boost.Beast parses and writes messages; the sockets are module net's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/http/message.h>
#include <meterhub/net/connection.h>

namespace meterhub::http {

// A response whose body goes on: server-sent events, long downloads. Any thread.
class Stream {
 public:
  virtual ~Stream() = default;
  // False when the client has gone or takes so little that `stream_buffer_max` is full:
  // then nothing was taken.
  virtual bool write(std::string_view bytes) = 0;
  // One server-sent event; `data` may have several lines. As write().
  bool send_event(std::string_view event, std::string_view data);
  virtual void end() = 0;
  // Ends the connection without the body's end: what came is not all, and the client can tell.
  virtual void abort() = 0;
  virtual bool open() const = 0;
};
using StreamPtr = std::shared_ptr<Stream>;

// The answer to one request, given once, now or later, from any thread. Destroyed
// without an answer: 500.
class Reply {
 public:
  class Impl;
  explicit Reply(std::unique_ptr<Impl> impl);
  Reply(Reply&&) noexcept;
  Reply& operator=(Reply&&) noexcept;
  ~Reply();

  void send(Response response) &&;
  void send(base::Result<Response> response) &&;
  // Head now (status and headers of `head`; its body is the first part), more later.
  StreamPtr stream(Response head) &&;
  // text/event-stream, not to be cached.
  StreamPtr events() &&;

 private:
  std::unique_ptr<Impl> impl_;
};

// Loop thread.
using Handler = std::move_only_function<void(const Request&, Reply)>;
// Given the connection after a request with `Upgrade:`; `rest` = bytes after the request.
// Loop thread. AMQP over WebSocket hangs in here.
using UpgradeHandler =
    std::move_only_function<void(const Request&, net::ConnectionPtr, std::string rest)>;

struct ServerOptions {
  std::size_t header_max = 16 * 1024;
  std::size_t body_max = 1024 * 1024;
  std::size_t stream_buffer_max = 1024 * 1024;
  std::chrono::milliseconds request_timeout{30'000};  // from first byte to end of body
  std::chrono::milliseconds idle_timeout{60'000};     // between requests
  // Names that `Host` may hold (without port); empty = any. Numbers of loopback and
  // "localhost" always pass; not checked over TLS, where the certificate does it, nor on the Unix-domain socket. Against
  // DNS rebinding.
  std::vector<std::string> hosts;
  // Go out with every response that does not set them itself: security headers.
  Fields headers;
};

// Loop thread. Destroying it drops its connections.
class Server {
 public:
  static std::unique_ptr<Server> create(net::EventLoop& loop, base::Metrics& metrics, ServerOptions options);
  virtual ~Server() = default;

  // `pattern`: "/api/v1/meters/{eui}"; a last "{rest*}" takes the rest of the path.
  // Literal segments win over names. HEAD is answered by GET's handler, OPTIONS by the
  // server; a known path with another method is 405.
  virtual void route(Method method, std::string_view pattern, Handler handler) = 0;
  // A file compiled in; with ETag and If-None-Match. `bytes` live as long as the server.
  virtual void content(std::string_view path, std::string_view media_type, std::string_view bytes) = 0;
  virtual void upgrade(std::string_view pattern, UpgradeHandler handler) = 0;
  // Runs before every handler; an error is the answer. For keys and sign-in: it may leave in
  // `asker` what handlers need to know of the one who asks.
  virtual void guard(std::move_only_function<base::Result<void>(Request&)> check) = 0;

  // Any number of listeners. Returns the real address.
  virtual base::Result<net::Address> listen(const net::Address& at, net::ListenOptions options) = 0;
  virtual base::Result<void> listen_unix(const std::string& path) = 0;
  virtual std::size_t connections() const = 0;
};

}  // namespace meterhub::http
