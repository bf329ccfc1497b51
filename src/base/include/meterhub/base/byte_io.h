// Little-endian numbers in our own byte formats (docs/formats/), and the checksum
// that guards them.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <meterhub/base/bytes.h>

namespace meterhub::base {

// CRC-32C (Castagnoli), as in RFC 3720 B.4. `before` chains blocks: pass the checksum so far.
std::uint32_t crc32c(BytesView bytes, std::uint32_t before = 0);
inline std::uint32_t crc32c(std::string_view bytes) { return crc32c(as_bytes(bytes)); }

// Appends to a string that it does not own. One thread.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  template <std::integral T>
  void number(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out_.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF));
    }
  }
  void raw(std::string_view bytes) { out_.append(bytes); }
  // A text of at most 65,535 bytes behind its u16 length; longer ones are cut.
  void text(std::string_view value) {
    value = value.substr(0, 0xFFFF);
    number(static_cast<std::uint16_t>(value.size()));
    raw(value);
  }

 private:
  std::string& out_;
};

// Reads what ByteWriter wrote. After the first read past the end ok() is false and every
// value is zero or empty, so a record is checked once, after its last field. One thread.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <std::integral T>
  T number() {
    const auto bytes = raw(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return static_cast<T>(value);
  }
  std::string_view raw(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view text() { return raw(number<std::uint16_t>()); }

  bool ok() const { return ok_; }
  std::size_t remaining() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace meterhub::base
