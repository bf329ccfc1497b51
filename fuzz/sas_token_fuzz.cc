// Tokens that clients show, and resources they ask for.
#include <meterhub/sas/token.h>

#include "input.h"

namespace meterhub::sas {
namespace {

using fuzz::require;

constexpr std::string_view kKey = "MDEyMzQ1Njc4OWFiY2RlZg==";

// Encoding takes nothing away, and decoding gives nothing that cannot be encoded.
void check_percent(std::string_view text) {
  require(percent_decode(percent_encode(text)).value() == text);
  if (const auto decoded = percent_decode(text)) require(percent_decode(percent_encode(*decoded)).value() == *decoded);
}

void check_resource(const Resource& resource) {
  require(!resource.host.empty() && !resource.path.starts_with('/') && !resource.path.ends_with('/'));
  require((resource.kind == Resource::Kind::kDevice) == !resource.device_id.empty());
  require(resource.device_id.find('/') == std::string::npos);
  require(covers(resource, resource));
}

// A resource never covers one of another host, nor anything outside its path.
void check_cover(const Resource& have, const Resource& asked) {
  if (!covers(have, asked)) return;
  require(have.host == asked.host);
  require(have.path.empty() || asked.path == have.path || asked.path.starts_with(have.path + "/"));
}

// What we sign for a resource is a token for it, valid with this key and no other.
void sign(std::string_view resource_text) {
  const auto text = make_token(resource_text, kKey, std::chrono::sys_seconds(std::chrono::seconds(2'000'000'000)), "owner");
  if (!text) return;
  const auto token = parse_token(*text);
  if (!token) return require(text->size() > 4096 || resource_text.find('&') != std::string_view::npos || resource_text.empty());
  if (resource_text.find('&') != std::string_view::npos) return;
  require(token->resource_text == resource_text && token->policy == "owner");
  require(signed_by(*token, kKey) && !signed_by(*token, "b3RoZXI="));
  require(alive(*token, token->expiry) && !alive(*token, token->expiry + std::chrono::seconds(6)));
}

void read_token(std::string_view text) {
  const auto token = parse_token(text);
  if (!token) return require(!token.error().text.empty());
  check_resource(token->resource);
  require(token->expiry.time_since_epoch().count() >= 0);
  require(text.find(token->resource_text) != std::string_view::npos);
  // The key of an error or of another resource signs nothing by chance.
  require(!signed_by(*token, kKey) || text.find("sig=") != std::string_view::npos);
  require(!signed_by(*token, ""));
}

}  // namespace
}  // namespace meterhub::sas

MH_FUZZER(sas_token, input) {
  using namespace meterhub::sas;
  const auto first = meterhub::base::as_text(input.take_until('\n'));
  const auto second = input.text();
  check_percent(first);
  read_token(first);
  sign(first);
  const auto have = parse_resource(first);
  const auto asked = parse_resource(second);
  if (have) check_resource(*have);
  if (have && asked) check_cover(*have, *asked);
}
