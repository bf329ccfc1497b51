#include "access.h"

#include <meterhub/base/encoding.h>
#include <meterhub/console/console.h>
#include <meterhub/crypto/secret.h>

namespace meterhub::console {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::size_t kKeyBytes = 16;

}  // namespace

bool Access::is_key(std::string_view text) const {
  return !key_.empty() && crypto::equal_constant_time(base::as_bytes(text), base::as_bytes(key_));
}

std::string_view Access::cookie_of(const http::Request& request) const {
  std::string_view all = request.header("Cookie");
  while (!all.empty()) {
    const auto end = all.find(';');
    std::string_view one = all.substr(0, end);
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    if (one.size() > cookie_.size() && one.starts_with(cookie_) && one[cookie_.size()] == '=') {
      return one.substr(cookie_.size() + 1);
    }
    all = end == std::string_view::npos ? std::string_view() : all.substr(end + 1);
  }
  return {};
}

std::optional<Caller> Access::caller(const http::Request& request) const {
  if (request.local) return Caller{.actor = "cli", .right = Right::kAdmin};
  const auto authorization = request.header("Authorization");
  const auto shown =
      authorization.starts_with(kBearer) ? authorization.substr(kBearer.size()) : cookie_of(request);
  if (!is_key(shown)) return std::nullopt;
  return Caller{.actor = "console", .right = Right::kAdmin};
}

base::Result<void> Access::check(http::Request& request) const {
  if (auto known = caller(request)) {
    request.asker = std::move(*known);
    return {};
  }
  const auto& path = request.path;
  if (path == "/" || path == "/health" || path == "/page.css") return {};
  return base::fail(base::Errc::kUnauthorized,
                    "the platform's key is needed: Authorization: Bearer KEY, or open /?key=KEY in a browser");
}

http::Response Access::welcome() const {
  return {303,
          {{"Location", "/"},
           {"Set-Cookie", cookie_ + "=" + key_ + "; Path=/; HttpOnly; SameSite=Strict"},
           {"Cache-Control", "no-store"}},
          {}};
}

http::Fields security_headers() {
  return {{"Content-Security-Policy",
           "default-src 'self'; img-src 'self' data:; style-src 'self'; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Cache-Control", "no-store"}};
}

std::string make_key() { return base::hex_encode(crypto::random_array<kKeyBytes>()); }

}  // namespace meterhub::console
