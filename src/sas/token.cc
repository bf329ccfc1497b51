#include <meterhub/sas/token.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <utility>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/crypto/secret.h>

namespace meterhub::sas {
namespace {

using base::Errc;
using base::fail;

constexpr std::string_view kScheme = "SharedAccessSignature ";
constexpr std::size_t kMaxTokenSize = 4096;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}
bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, [](char c) { return lower(c); }, [](char c) { return lower(c); });
}

// Removes one of the schemes when it leads the text.
bool drop_scheme(std::string_view& text, std::initializer_list<std::string_view> schemes) {
  for (const auto scheme : schemes) {
    if (text.size() >= scheme.size() && same_ignoring_case(text.substr(0, scheme.size()), scheme)) {
      text.remove_prefix(scheme.size());
      return true;
    }
  }
  return false;
}

std::string_view without_slashes(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

// Removes and returns what stands before the first '/'.
std::string_view take_segment(std::string_view& path) {
  const auto slash = path.find('/');
  const std::string_view segment = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  return segment;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

base::Result<void> set_host(Resource& resource, std::string_view text) {
  // The colon of a port; those of an IPv6 address stand in brackets.
  const auto colon = text.ends_with(']') ? std::string_view::npos : text.rfind(':');
  resource.host = lower(text.substr(0, colon));
  if (resource.host.empty()) return fail(Errc::kInvalidArgument, "a resource without a host");
  if (colon == std::string_view::npos) return {};
  if (!is_port(text.substr(colon + 1))) return fail(Errc::kInvalidArgument, "a resource with a malformed port");
  resource.port = text.substr(colon + 1);
  return {};
}

// devices/<id>[/modules/<m>][/…]
base::Result<void> set_device(Resource& resource) {
  std::string_view rest = resource.path;
  if (take_segment(rest) != "devices") return fail(Errc::kInvalidArgument, "a resource that is neither hub nor device");
  resource.kind = Resource::Kind::kDevice;
  resource.device_id = take_segment(rest);
  if (resource.device_id.empty()) return fail(Errc::kInvalidArgument, "a resource without a device id");
  if (take_segment(rest) == "modules") resource.module_id = take_segment(rest);
  return {};
}

// One field of a token, by name.
base::Result<void> take_field(std::string_view field, std::array<std::pair<std::string_view, std::string_view>, 4>& fields) {
  const auto equals = field.find('=');
  const std::string_view name = field.substr(0, equals);
  const auto at = std::ranges::find(fields, name, [](const auto& f) { return f.first; });
  if (at == fields.end()) return {};  // a field of another time
  if (equals == std::string_view::npos || !at->second.empty()) {
    return fail(Errc::kInvalidArgument, "a token with a field without value, or twice");
  }
  at->second = field.substr(equals + 1);
  return {};
}

base::Result<std::chrono::sys_seconds> parse_expiry(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  // Bounded so that no clock arithmetic on it can overflow.
  constexpr std::int64_t kLatest = 253'402'300'800;  // the year 10000
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0 || seconds > kLatest) {
    return fail(Errc::kInvalidArgument, "a token whose expiry is not in seconds since 1970");
  }
  return std::chrono::sys_seconds(std::chrono::seconds(seconds));
}

// Section 3.2: Event Hubs resources are signed with the key's text, all others with its bytes.
base::Result<base::Bytes> signing_key(Resource::Kind kind, std::string_view key_text) {
  if (kind == Resource::Kind::kEventHub) {
    const auto bytes = base::as_bytes(key_text);
    return base::Bytes(bytes.begin(), bytes.end());
  }
  auto key = base::base64_decode(key_text);
  if (!key) return fail(Errc::kInvalidArgument, "the key is not base64");
  return key;
}

base::Result<std::string> signature_of(Resource::Kind kind, std::string_view resource_text, std::string_view expiry_text,
                                       std::string_view key_text) {
  base::Bytes key = MH_TRY(signing_key(kind, key_text));
  std::string text(resource_text);
  text += '\n';
  text += expiry_text;
  const auto digest = crypto::hmac_sha256(key, base::as_bytes(text));
  crypto::wipe(key);
  return base::base64_encode(digest);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

base::Result<Resource> parse_resource(std::string_view decoded) {
  Resource resource;
  const bool event_hub = drop_scheme(decoded, {"sb://"});
  if (!event_hub) drop_scheme(decoded, {"amqps://", "amqp://", "https://"});
  MH_TRY_VOID(set_host(resource, decoded.substr(0, decoded.find('/'))));
  resource.path = without_slashes(decoded.substr(std::min(decoded.find('/'), decoded.size())));
  if (event_hub) resource.kind = Resource::Kind::kEventHub;
  else if (!resource.path.empty()) MH_TRY_VOID(set_device(resource));
  return resource;
}

bool covers(const Resource& have, const Resource& asked) {
  const bool same_place = have.host == asked.host &&
                          (have.kind == asked.kind || have.kind == Resource::Kind::kHub);
  if (!same_place || (have.kind == Resource::Kind::kHub && asked.kind == Resource::Kind::kEventHub)) return false;
  if (have.path.empty() || have.path == asked.path) return true;
  return asked.path.starts_with(have.path) && asked.path[have.path.size()] == '/';
}

base::Result<Token> parse_token(std::string_view text) {
  if (text.size() > kMaxTokenSize) return fail(Errc::kInvalidArgument, "a token longer than any real one");
  if (!text.starts_with(kScheme)) return fail(Errc::kInvalidArgument, "not a shared access signature");
  text.remove_prefix(kScheme.size());
  std::array<std::pair<std::string_view, std::string_view>, 4> fields{{{"sr", {}}, {"sig", {}}, {"se", {}}, {"skn", {}}}};
  while (!text.empty()) {
    const auto end = text.find('&');
    MH_TRY_VOID(take_field(text.substr(0, end), fields));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  if (fields[0].second.empty() || fields[1].second.empty() || fields[2].second.empty()) {
    return fail(Errc::kInvalidArgument, "a token without sr, sig or se");
  }
  Token token;
  token.resource_text = fields[0].second;
  token.expiry_text = fields[2].second;
  token.signature = MH_TRY(percent_decode(fields[1].second));
  token.policy = MH_TRY(percent_decode(fields[3].second));
  const std::string decoded = MH_TRY(percent_decode(token.resource_text));
  token.resource = MH_TRY(parse_resource(decoded));
  token.expiry = MH_TRY(parse_expiry(token.expiry_text));
  return token;
}

bool signed_by(const Token& token, std::string_view key_text) {
  if (key_text.empty()) return false;
  const auto expected = signature_of(token.resource.kind, token.resource_text, token.expiry_text, key_text);
  return expected && crypto::equal_constant_time(base::as_bytes(*expected), base::as_bytes(token.signature));
}

bool alive(const Token& token, base::Timestamp now, std::chrono::seconds skew) { return now < token.expiry + skew; }

base::Result<std::string> make_token(std::string_view resource_text, std::string_view key_text,
                                     std::chrono::sys_seconds expiry, std::string_view policy) {
  const std::string decoded = MH_TRY(percent_decode(resource_text));
  const Resource resource = MH_TRY(parse_resource(decoded));
  const std::string expiry_text = std::to_string(expiry.time_since_epoch().count());
  const std::string signature = MH_TRY(signature_of(resource.kind, resource_text, expiry_text, key_text));
  std::string token(kScheme);
  token += "sr=" + std::string(resource_text) + "&sig=" + percent_encode(signature) + "&se=" + expiry_text;
  if (!policy.empty()) token += "&skn=" + percent_encode(policy);
  return token;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain = "-._~";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = lower(c) >= 'a' && lower(c) <= 'z';
    if (letter || (c >= '0' && c <= '9') || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

base::Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return fail(Errc::kInvalidArgument, "a '%' without two hex digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace meterhub::sas
