#include <meterhub/base/encoding.h>

namespace meterhub::base {
namespace {

constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::uint8_t kNoDigit = 0xFF;

constexpr std::array<std::uint8_t, 256> base64_values(bool url_safe_too) {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::size_t i = 0; i < kBase64Digits.size(); ++i) {
    values[static_cast<std::uint8_t>(kBase64Digits[i])] = static_cast<std::uint8_t>(i);
  }
  if (url_safe_too) {
    values['-'] = 62;
    values['_'] = 63;
  }
  return values;
}
constexpr auto kStandardValues = base64_values(false);
constexpr auto kLenientValues = base64_values(true);

enum class PaddingRule { kRequired, kOptional };

// Length of the text without its padding, or npos where the padding or length is wrong.
std::size_t digits_in(std::string_view text, PaddingRule rule) {
  std::size_t digits = text.size();
  while (digits > 0 && text[digits - 1] == '=') --digits;
  const std::size_t padding = text.size() - digits;
  const std::size_t wanted = (4 - digits % 4) % 4;
  if (digits % 4 == 1) return std::string_view::npos;
  if (padding != wanted && (padding != 0 || rule == PaddingRule::kRequired)) return std::string_view::npos;
  return digits;
}

bool decode(std::string_view text, const std::array<std::uint8_t, 256>& values, PaddingRule rule, Bytes& out) {
  out.clear();
  const std::size_t digits = digits_in(text, rule);
  if (digits == std::string_view::npos) return false;
  out.resize(digits * 3 / 4);
  std::uint32_t all = 0;  // a character that is no digit sets high bits
  const auto value = [&](std::size_t i) {
    const std::uint32_t digit = values[static_cast<std::uint8_t>(text[i])];
    all |= digit;
    return digit;
  };
  auto* to = out.data();
  std::size_t i = 0;
  for (; i + 4 <= digits; i += 4) {
    const std::uint32_t bits = value(i) << 18 | value(i + 1) << 12 | value(i + 2) << 6 | value(i + 3);
    *to++ = static_cast<std::uint8_t>(bits >> 16);
    *to++ = static_cast<std::uint8_t>(bits >> 8);
    *to++ = static_cast<std::uint8_t>(bits);
  }
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (; i < digits; ++i) {
    bits = bits << 6 | value(i);
    held += 6;
    if (held >= 8) {
      held -= 8;
      *to++ = static_cast<std::uint8_t>(bits >> held);
    }
  }
  return all < 64 && (bits & ((1U << held) - 1)) == 0;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void append_base64(std::string& out, BytesView bytes, Padding padding) {
  std::size_t i = 0;
  const auto digit = [](std::uint32_t bits, unsigned shift) { return kBase64Digits[bits >> shift & 0x3F]; };
  const std::size_t before = out.size();
  out.resize(before + bytes.size() / 3 * 4);
  char* to = out.data() + before;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t bits = std::uint32_t{bytes[i]} << 16 | std::uint32_t{bytes[i + 1]} << 8 | bytes[i + 2];
    for (unsigned shift = 24; shift > 0;) *to++ = digit(bits, shift -= 6);
  }
  const std::size_t rest = bytes.size() - i;
  if (rest == 0) return;
  const std::uint32_t bits = std::uint32_t{bytes[i]} << 16 | (rest == 2 ? std::uint32_t{bytes[i + 1]} << 8 : 0U);
  out += digit(bits, 18);
  out += digit(bits, 12);
  if (rest == 2) out += digit(bits, 6);
  if (padding == Padding::kPadded) out.append(3 - rest, '=');
}

std::string base64_encode(BytesView bytes, Padding padding) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  append_base64(out, bytes, padding);
  return out;
}

Result<Bytes> base64_decode(std::string_view text) {
  Bytes out;
  if (!decode(text, kStandardValues, PaddingRule::kRequired, out)) return fail(Errc::kInvalidArgument, "not base64");
  return out;
}

bool base64_decode_lenient(std::string_view text, Bytes& out) {
  return decode(text, kLenientValues, PaddingRule::kOptional, out);
}

Result<Bytes> base64_decode_lenient(std::string_view text) {
  Bytes out;
  if (!base64_decode_lenient(text, out)) return fail(Errc::kInvalidArgument, "not base64");
  return out;
}

void append_hex(std::string& out, BytesView bytes) {
  const std::size_t before = out.size();
  out.resize(before + 2 * bytes.size());
  char* to = out.data() + before;
  for (const std::uint8_t byte : bytes) {
    *to++ = kHexDigits[byte >> 4];
    *to++ = kHexDigits[byte & 0xF];
  }
}

std::string hex_encode(BytesView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  append_hex(out, bytes);
  return out;
}

Result<Bytes> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return fail(Errc::kInvalidArgument, "an odd number of hex digits");
  Bytes out(text.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return fail(Errc::kInvalidArgument, "not hex digits");
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return out;
}

}  // namespace meterhub::base
