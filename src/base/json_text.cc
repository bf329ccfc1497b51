#include <meterhub/base/json_text.h>

#include <charconv>
#include <cmath>

namespace meterhub::base {
namespace {

template <class T>
void append_number(std::string& out, T value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value);
  out.append(text, static_cast<std::size_t>(end.ptr - text));
}

// What gateways and meters say: whole numbers and those with one decimal, as short as the library
// would write them. From 100,000 on an exponent may be shorter.
bool append_tenths(std::string& out, double value) {
  if (!(std::abs(value) < 100'000)) return false;
  const auto tenths = static_cast<std::int32_t>(std::round(value * 10));
  if (tenths / 10.0 != value || (tenths == 0 && std::signbit(value))) return false;
  char text[16];
  char* end = text;
  if (tenths < 0) *end++ = '-';
  end = std::to_chars(end, text + sizeof text, std::abs(tenths) / 10).ptr;
  if (tenths % 10 != 0) {
    *end++ = '.';
    *end++ = static_cast<char>('0' + std::abs(tenths) % 10);
  }
  out.append(text, static_cast<std::size_t>(end - text));
  return true;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      out += "\\u00";
      out += kDigits[static_cast<std::uint8_t>(c) >> 4];
      out += kDigits[static_cast<std::uint8_t>(c) & 0xF];
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t from = 0;  // of the part that stands as it is
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<std::uint8_t>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, from, i - from);
    append_escaped(out, c);
    from = i + 1;
  }
  out.append(text, from);
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (append_tenths(out, value)) return;
  if (std::isfinite(value)) {
    append_number(out, value);
  } else {
    out += "null";
  }
}
void append_json_number(std::string& out, std::int64_t value) { append_number(out, value); }
void append_json_number(std::string& out, std::uint64_t value) { append_number(out, value); }

}  // namespace meterhub::base
