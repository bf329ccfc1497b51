// Who may ask: the key over TCP, as a bearer token or in the page's cookie; the control socket
// is its own right. Pure. What a caller may do is said in scopes.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/console/caller.h>
#include <meterhub/http/message.h>

namespace meterhub::console {

// Immutable but for set_port(), which comes before the first request.
class Access {
 public:
  explicit Access(std::string key) : key_(std::move(key)) {}
  // Cookies do not know ports: two platforms on one machine need two names.
  void set_port(std::uint16_t port) { cookie_ = "meterhub-" + std::to_string(port); }

  // Who asks; nothing: nobody it knows.
  std::optional<Caller> caller(const http::Request& request) const;
  // The guard: leaves the caller with the request. kUnauthorized says how to come in. `/` answers
  // people itself; /health and the page's style are open.
  base::Result<void> check(http::Request& request) const;
  // 303 to `/` with the cookie.
  http::Response welcome() const;
  bool is_key(std::string_view text) const;

 private:
  std::string_view cookie_of(const http::Request& request) const;

  const std::string key_;
  std::string cookie_ = "meterhub";
};

// Content-Security-Policy and its like, for every response.
http::Fields security_headers();

}  // namespace meterhub::console
