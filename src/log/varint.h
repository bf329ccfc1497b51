// Varints (7 bits a byte, least significant first) and length-led strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace meterhub::log {

inline void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

inline void put_text(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out += text;
}

// Takes values off the front of a view. After the first failure ok() is false and
// everything read is 0 or empty.
class Reader {
 public:
  explicit Reader(std::string_view in) : rest_(in) {}

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return broken();
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    return broken();
  }

  // A varint that must fit 32 bits.
  std::uint32_t small() {
    const auto value = varint();
    if (value > 0xFFFF'FFFFu) return static_cast<std::uint32_t>(broken());
    return static_cast<std::uint32_t>(value);
  }

  std::string_view bytes(std::size_t count) {
    if (count > rest_.size()) {
      broken();
      return {};
    }
    const auto out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }

  std::string_view text() { return bytes(varint()); }

  std::string_view rest() const { return rest_; }
  bool ok() const { return ok_; }

 private:
  std::uint64_t broken() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace meterhub::log
