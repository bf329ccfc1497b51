// A small blocking HTTP/1.1 client for commands: the control socket of a running
// platform. Never on an event loop's thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>

namespace meterhub::http {

// One thread at a time; a connection per request.
class Client {
 public:
  // kUnavailable at the first request when nobody listens at `path`.
  static Client unix_domain(std::string path);
  static Client tcp(net::Address address);

  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }
  // Any status is a value; errors are those of the transport.
  base::Result<Response> request(Method method, std::string_view target, std::string_view body = {},
                                 const Fields& headers = {}) const;
  base::Result<Response> get(std::string_view target) const { return request(Method::kGet, target); }
  // Calls back with each piece of the body as it comes, until it ends or `take` returns
  // false. For server-sent events: no timeout between pieces.
  base::Result<Response> follow(std::string_view target, const std::function<bool(std::string_view)>& take,
                                const Fields& headers = {}) const;

 private:
  Client() = default;
  base::Result<int> connect() const;

  std::string path_;
  net::Address address_;
  std::chrono::milliseconds timeout_{30'000};
};

}  // namespace meterhub::http
