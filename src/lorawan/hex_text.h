// Identifiers as JSON strings. Private.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/base/encoding.h>
#include <meterhub/base/ids.h>

namespace meterhub::lorawan {

inline void append_quoted_hex(std::string& out, base::BytesView bytes) {
  out += '"';
  base::append_hex(out, bytes);
  out += '"';
}

template <std::size_t kBytes>
void append_quoted_number(std::string& out, std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  char text[2 * kBytes + 2];
  text[0] = text[2 * kBytes + 1] = '"';
  for (std::size_t i = 2 * kBytes; i > 0; --i, value >>= 4) text[i] = kDigits[value & 0xF];
  out.append(text, sizeof text);
}

inline void append_eui(std::string& out, base::Eui64 eui) { append_quoted_number<8>(out, eui.value); }
inline void append_address(std::string& out, base::DevAddr address) { append_quoted_number<4>(out, address.value); }

}  // namespace meterhub::lorawan
