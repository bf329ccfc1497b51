// Text forms of bytes: base64 (RFC 4648) and hex. Pure functions, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>

namespace meterhub::base {

enum class Padding : bool { kNone, kPadded };

// Standard alphabet. What the network server writes has no padding.
std::string base64_encode(BytesView bytes, Padding padding = Padding::kPadded);
void append_base64(std::string& out, BytesView bytes, Padding padding = Padding::kPadded);

// For keys and tokens: standard alphabet, padding required, no white space, no
// non-zero trailing bits. kInvalidArgument otherwise.
Result<Bytes> base64_decode(std::string_view text);

// For packets from gateways (spec/lorawan-ns.md section 2): standard and URL-safe alphabets,
// mixed too; padding optional but right when present; no white space, no non-zero trailing
// bits. The second form replaces the content of `out` without giving back its memory
// and returns false on bad text.
Result<Bytes> base64_decode_lenient(std::string_view text);
bool base64_decode_lenient(std::string_view text, Bytes& out);

// Lower-case hex, two digits a byte.
std::string hex_encode(BytesView bytes);
void append_hex(std::string& out, BytesView bytes);

// Either case, an even number of digits, nothing between them.
Result<Bytes> hex_decode(std::string_view text);

// Exactly N bytes.
template <std::size_t N>
Result<std::array<std::uint8_t, N>> hex_decode_array(std::string_view text) {
  if (text.size() != 2 * N) return fail(Errc::kInvalidArgument, "expected " + std::to_string(2 * N) + " hex digits");
  const Bytes bytes = MH_TRY(hex_decode(text));
  std::array<std::uint8_t, N> out{};
  std::memcpy(out.data(), bytes.data(), N);
  return out;
}

}  // namespace meterhub::base
