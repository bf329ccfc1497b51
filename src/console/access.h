// Who asks: over TCP a key, as a bearer token or in the page's cookie; the control socket is its
// own right. What a caller may do is said in scopes.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/console/caller.h>
#include <meterhub/http/message.h>
#include <meterhub/registry/store.h>

#include "attempts.h"

namespace meterhub::console {

// Beside the page's own key, the platform's administrator, those of the registry count. One thread.
class Access {
 public:
  // The keys as they are now; asked with every request.
  using Keys = std::function<registry::ApiKeys()>;
  Access(std::string page_key, Keys keys, const base::Clock& clock, base::Metrics& metrics);
  // Cookies do not know ports: two platforms on one machine need two names.
  void set_port(std::uint16_t port) { cookie_ = "meterhub-" + std::to_string(port); }

  // The guard: leaves the caller with the request. kUnauthorized says how to come in, kThrottled that
  // too many keys from there were wrong. `/` answers people itself; /health and the page's style are open.
  base::Result<void> check(http::Request& request);
  // For `/?key=KEY`: errors as check().
  base::Result<Caller> caller_of_key(std::string_view key, const net::Address& from);
  // 303 to `/` with the cookie.
  http::Response welcome(std::string_view key, bool secure) const;
  // A caller's key is still there, enabled and not at its end: for streams that stay open.
  bool stands(const Caller& caller) const;

  // Keys that were used since the last call, each at most once a minute.
  std::vector<registry::Store::ApiKeyUse> take_used();

 private:
  std::optional<Caller> look_up(std::string_view key, std::string_view& refused) const;
  base::Result<Caller> judge(std::string_view key, const net::Address& from);
  std::string_view shown_key(const http::Request& request) const;
  std::string_view cookie_of(const http::Request& request) const;
  void count_refused(std::string_view reason);
  void note_use(std::uint32_t key);

  const std::string page_key_;
  const Keys keys_;
  const base::Clock& clock_;
  base::Metrics& metrics_;
  std::string cookie_ = "meterhub";
  Attempts attempts_;
  std::map<std::uint32_t, base::Timestamp> noted_;  // by key: when its use was last given out
  std::map<std::uint32_t, base::Timestamp> used_;   // not given out yet
};

// Content-Security-Policy and its like, for every response.
http::Fields security_headers();

}  // namespace meterhub::console
