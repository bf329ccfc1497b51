// Bytes written as in the specification: "00 53 24 45", blanks ignored.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/base/bytes.h>

namespace meterhub::amqp {

inline base::Bytes hex(std::string_view text) {
  base::Bytes out;
  std::string digits;
  for (const char c : text) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    out.push_back(static_cast<std::uint8_t>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return out;
}

}  // namespace meterhub::amqp
