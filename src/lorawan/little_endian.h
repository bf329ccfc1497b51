// Little-endian numbers of 1 to 8 bytes, as LoRaWAN sends them. Private.
#pragma once

#include <cstddef>
#include <cstdint>

#include <meterhub/base/bytes.h>

namespace meterhub::lorawan {

inline std::uint64_t load_le(const std::uint8_t* bytes, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

inline void store_le(std::uint8_t* bytes, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(value >> 8 * i);
}

inline void append_le(base::Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

}  // namespace meterhub::lorawan
