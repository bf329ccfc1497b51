// A message as its channel's server takes it, and what the server's answer means. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/http/courier.h>
#include <meterhub/notify/message.h>
#include <meterhub/registry/channels.h>

namespace meterhub::notify {

struct Post {
  std::string url;
  std::string body;
  http::Fields headers;
};
using Parcel = std::variant<Post, http::Mail>;

// A message on its way: the same id, text and time at every attempt.
struct Letter {
  std::string message_id;  // hex
  Message message;
  base::Timestamp created{};
};

// A channel whose fields can be sent to: addresses, URL, server. kInvalidArgument with what is wrong and, where known,
// what to do. `url`: that of the spec, or the one that is kept.
base::Result<void> check_channel(const registry::ChannelSpec& spec, const std::string& url, http::Plaintext plaintext);

// `now`: of this attempt; it is part of signatures. Errors as check_channel().
base::Result<Parcel> pack(const registry::Channel& channel, const registry::ChannelSecrets& secrets,
                          const Letter& letter, base::Timestamp now, http::Plaintext plaintext);

struct Outcome {
  enum class Kind : std::uint8_t {
    kSent,
    kRefused,  // the same again would be refused again
    kRetry,    // may pass later
  };
  Kind kind = Kind::kRetry;
  std::string text;    // what the server said, or why there was no answer
  std::string advice;  // what to do, for people; may be empty
};
Outcome judge(registry::ChannelKind kind, const base::Result<http::Response>& answer);

// --- parts of it that tests compare with values of other programs

// RFC 2047 words for a header that may hold anything.
std::string encoded_words(std::string_view text);
// "sha256=…" over "seconds.body": header X-Meterhub-Signature.
std::string webhook_signature(std::string_view secret, std::string_view seconds, std::string_view body);
// DingTalk's `sign` (percent-encoded base64 of HMAC-SHA256 over "milliseconds\nsecret").
std::string dingtalk_sign(std::string_view secret, std::string_view milliseconds);

}  // namespace meterhub::notify
