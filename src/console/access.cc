#include "access.h"

#include <meterhub/base/encoding.h>
#include <meterhub/console/console.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/crypto/secret.h>

#include "scopes.h"

namespace meterhub::console {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::size_t kKeyBytes = 16;
constexpr std::chrono::minutes kUseNoted{1};

bool is_open(std::string_view path) {
  return path == "/" || path == "/health" || path == "/page.css" || is_policy_path(path);
}

base::Error no_key() {
  return {base::Errc::kUnauthorized, "a key is needed: Authorization: Bearer KEY, or open /?key=KEY in a browser"};
}

bool has_ended(const registry::ApiKey& key, base::Timestamp now) { return key.expires && *key.expires <= now; }

}  // namespace

Access::Access(std::string page_key, Keys keys, const base::Clock& clock, base::Metrics& metrics)
    : page_key_(std::move(page_key)), keys_(std::move(keys)), clock_(clock), metrics_(metrics) {}

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

// A token that is wrong is not made good by a cookie.
std::string_view Access::shown_key(const http::Request& request) const {
  const auto authorization = request.header("Authorization");
  return authorization.starts_with(kBearer) ? authorization.substr(kBearer.size()) : cookie_of(request);
}

void Access::count_refused(std::string_view reason) {
  metrics_.counter("meterhub_console_keys_refused_total", "Keys that were shown and not taken.",
                   {{"reason", std::string(reason)}}).add();
}

// Every stored hash is compared, each in constant time: how long it takes says nothing about any of them.
std::optional<Caller> Access::look_up(std::string_view key, std::string_view& refused) const {
  refused = "unknown";
  if (!page_key_.empty() && crypto::equal_constant_time(base::as_bytes(key), base::as_bytes(page_key_))) {
    return Caller{.actor = "console", .right = Right::kAdmin};
  }
  const auto all = keys_();
  const auto hash = crypto::sha256(base::as_bytes(key));
  const registry::ApiKey* found = nullptr;
  for (const auto& one : *all) {
    if (crypto::equal_constant_time(one.hash, hash)) found = &one;
  }
  if (found == nullptr) return std::nullopt;
  if (!found->enabled) refused = "disabled";
  if (found->enabled && has_ended(*found, clock_.now())) refused = "expired";
  if (refused != "unknown") return std::nullopt;
  return Caller{.actor = "api:" + found->name, .tenant = found->tenant, .right = found->right, .key = found->number};
}

base::Result<Caller> Access::judge(std::string_view key, const net::Address& from) {
  const auto now = clock_.monotonic();
  std::string_view refused;
  auto caller = look_up(key, refused);
  const bool limited = attempts_.is_limited(from, now);
  if (caller && (!limited || attempts_.was_good(from, caller->key))) {
    attempts_.good(from, caller->key);
    note_use(caller->key);
    return std::move(*caller);
  }
  if (limited) {
    count_refused("limited");
    return base::fail(base::Errc::kThrottled, "too many wrong keys came from this address: try again in a minute");
  }
  attempts_.wrong(from, now);
  count_refused(refused);
  return std::unexpected(no_key());
}

base::Result<Caller> Access::caller_of_key(std::string_view key, const net::Address& from) {
  if (key.empty()) return std::unexpected(no_key());
  return judge(key, from);
}

base::Result<void> Access::check(http::Request& request) {
  if (request.local) {
    request.asker = Caller{.actor = "cli", .right = Right::kAdmin};
    return {};
  }
  const auto key = shown_key(request);
  auto caller = caller_of_key(key, request.peer);
  if (caller) {
    request.asker = std::move(*caller);
    return {};
  }
  if (is_open(request.path)) return {};
  return std::unexpected(std::move(caller).error());
}

void Access::note_use(std::uint32_t key) {
  if (key == 0) return;
  const auto now = clock_.now();
  const auto before = noted_.find(key);
  if (before != noted_.end() && now - before->second < kUseNoted && now >= before->second) return;
  noted_[key] = now;
  used_[key] = now;
}

std::vector<registry::Store::ApiKeyUse> Access::take_used() {
  std::vector<registry::Store::ApiKeyUse> out;
  for (const auto& [key, at] : used_) out.push_back({key, at});
  used_.clear();
  return out;
}

bool Access::stands(const Caller& caller) const {
  if (caller.key == 0) return true;
  const auto all = keys_();
  for (const auto& one : *all) {
    if (one.number == caller.key) return one.enabled && !has_ended(one, clock_.now());
  }
  return false;
}

http::Response Access::welcome(std::string_view key, bool secure) const {
  return {303,
          {{"Location", "/"},
           {"Set-Cookie", cookie_ + "=" + std::string(key) + "; Path=/; HttpOnly; SameSite=Strict" + (secure ? "; Secure" : "")},
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
