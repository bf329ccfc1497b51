// Shared access signatures (spec/azure-amqp.md section 3): read, sign, verify.
// Tokens and keys are secrets: nothing here puts them into an error text.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

namespace meterhub::sas {

// What a token is for: its resource (`sr`), decoded and taken apart.
struct Resource {
  enum class Kind : std::uint8_t { kHub, kDevice, kEventHub };
  Kind kind = Kind::kHub;
  std::string host;       // lower case, without port
  std::string port;       // digits, or empty
  std::string device_id;  // kDevice; case-sensitive
  std::string module_id;  // kDevice, of a module
  std::string path;       // what follows the host, without leading or trailing '/'
};

// `decoded` is a resource without percent-encoding: host[:port][/path] or sb://host[:port][/path];
// amqps:// and https:// are dropped. kInvalidArgument: no host, or not of the forms in 3.4.
base::Result<Resource> parse_resource(std::string_view decoded);

// True when a token for `have` may be used for `asked`: the same kind of thing and host, and
// a path that is equal or a prefix ending at a '/' (3.4, rule 5). Ports are not compared (rule 6).
bool covers(const Resource& have, const Resource& asked);

struct Token {
  std::string resource_text;  // `sr` exactly as it stands, which is what was signed
  std::string expiry_text;    // `se` as it stands
  std::string signature;      // `sig`, percent-decoded base64
  std::string policy;         // `skn`, decoded; empty = signed with a device's own key
  Resource resource;
  std::chrono::sys_seconds expiry;
};

// kInvalidArgument: a field is missing, doubled or malformed. Nothing is verified yet.
base::Result<Token> parse_token(std::string_view text);

// True when the token was signed with this key, compared in constant time. `key_text` is the
// key as configured; section 3.2 decides whether its base64 is decoded. A key that must be
// decoded and is not base64 verifies nothing.
bool signed_by(const Token& token, std::string_view key_text);

// True while `now` is before the token's expiry plus `skew`.
bool alive(const Token& token, base::Timestamp now, std::chrono::seconds skew = std::chrono::seconds(5));

// A complete token over `resource_text` as it will stand in `sr` (see percent_encode).
// kInvalidArgument: the key had to be base64 and is not.
base::Result<std::string> make_token(std::string_view resource_text, std::string_view key_text,
                                     std::chrono::sys_seconds expiry, std::string_view policy = {});

// Everything but A-Z a-z 0-9 - . _ ~ as %XX, upper-case hex.
std::string percent_encode(std::string_view text);
// kInvalidArgument: a '%' without two hex digits.
base::Result<std::string> percent_decode(std::string_view text);

}  // namespace meterhub::sas
