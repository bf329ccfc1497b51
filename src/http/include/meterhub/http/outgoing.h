// POST to somebody else's server: webhooks. libcurl does names, TLS and proxies.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>

namespace meterhub::http {

struct PostOptions {
  // For everything: name, connection, TLS, answer.
  std::chrono::milliseconds timeout{10'000};
  // PEM file of the authorities to trust; empty: the system's.
  std::string ca_file;
};

// Blocks: never on an event loop's thread. Any thread. Any status is a value, with at most 4 KiB of its body;
// redirects are not followed. kUnavailable, kTimeout: worth another attempt; kInvalidArgument: the URL.
base::Result<Response> post(const std::string& url, std::string_view body, const Fields& headers,
                            const PostOptions& options);

struct OutgoingUrl {
  std::string scheme;  // lower case
  std::string host;    // as it stands; [::1] with its brackets
  bool this_machine = false;
};
// kInvalidArgument: no URL, or one with user and password.
base::Result<OutgoingUrl> parse_outgoing_url(const std::string& url);

enum class Plaintext : bool { kThisMachine, kAllowed };
// kInvalidArgument unless it is an https URL without user and password, or an http one of this machine
// (localhost, 127.0.0.1, [::1]): what is posted is nobody else's business. An http one of any machine where the
// user has said so.
base::Result<void> check_post_url(const std::string& url, Plaintext plaintext = Plaintext::kThisMachine);

}  // namespace meterhub::http
