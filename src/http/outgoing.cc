#include <meterhub/http/outgoing.h>

#include <memory>

#include "transfer.h"

namespace meterhub::http {
namespace {

using base::Errc;

using Url = std::unique_ptr<CURLU, CurlFree<&curl_url_cleanup>>;
using Text = std::unique_ptr<char, CurlFree<&curl_free>>;

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  const Text owned(text);
  return text;
}

bool is_this_machine(const std::string& host) { return host == "localhost" || host == "127.0.0.1" || host == "[::1]"; }

}  // namespace

base::Result<Response> post(const std::string& url, std::string_view body, const Fields& headers,
                            const PostOptions& options) {
  const auto transfer = MH_TRY(Transfer::of_post(url, std::string(body), headers, options));
  return transfer->result(curl_easy_perform(transfer->handle()));
}

base::Result<OutgoingUrl> parse_outgoing_url(const std::string& url) {
  const Url parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return base::fail(Errc::kInvalidArgument, "this is no URL");
  }
  if (!part_of(parsed.get(), CURLUPART_USER).empty() || !part_of(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return base::fail(Errc::kInvalidArgument, "no user and password in a URL: it is shown");
  }
  OutgoingUrl out{part_of(parsed.get(), CURLUPART_SCHEME), part_of(parsed.get(), CURLUPART_HOST), false};
  out.this_machine = is_this_machine(out.host);
  return out;
}

base::Result<void> check_post_url(const std::string& url, Plaintext plaintext) {
  const auto parsed = MH_TRY(parse_outgoing_url(url));
  if (parsed.scheme == "https") return {};
  if (parsed.scheme == "http" && (parsed.this_machine || plaintext == Plaintext::kAllowed)) return {};
  return base::fail(Errc::kInvalidArgument, "an https URL; http only for a server on this machine");
}

}  // namespace meterhub::http
