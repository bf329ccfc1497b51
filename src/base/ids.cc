#include <meterhub/base/ids.h>

#include <array>

namespace meterhub::base {
namespace {

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<Eui64> Eui64::parse(std::string_view text) {
  std::uint64_t value = 0;
  int digits = 0;
  for (const char c : text) {
    const bool between_bytes = digits > 0 && digits < 16 && digits % 2 == 0;
    if ((c == '-' || c == ':') && between_bytes) continue;
    const int nibble = hex_value(c);
    if (nibble < 0 || digits == 16) return fail(Errc::kInvalidArgument, "an EUI has 16 hex digits");
    value = value << 4 | static_cast<std::uint64_t>(nibble);
    ++digits;
  }
  if (digits != 16) return fail(Errc::kInvalidArgument, "an EUI has 16 hex digits");
  return Eui64(value);
}

std::string Eui64::text() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out(16, '0');
  for (int i = 0; i < 16; ++i) {
    out[static_cast<std::size_t>(i)] = kDigits[value >> (60 - 4 * i) & 0xF];
  }
  return out;
}

}  // namespace meterhub::base
