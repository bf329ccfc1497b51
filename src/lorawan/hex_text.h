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

inline void append_quoted_number(std::string& out, std::uint64_t value, int bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  for (int shift = 8 * bytes - 4; shift >= 0; shift -= 4) out += kDigits[value >> shift & 0xF];
  out += '"';
}

inline void append_eui(std::string& out, base::Eui64 eui) { append_quoted_number(out, eui.value, 8); }
inline void append_address(std::string& out, base::DevAddr address) { append_quoted_number(out, address.value, 4); }

}  // namespace meterhub::lorawan
