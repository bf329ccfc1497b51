// Numbers in network byte order.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

#include <meterhub/base/bytes.h>

namespace meterhub::amqp {

template <std::unsigned_integral T>
constexpr T byte_swapped(T value) {
  if constexpr (sizeof(T) == 1) return value;
  else if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  else if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  else return __builtin_bswap64(value);
}

template <std::unsigned_integral T>
T load_be(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return std::endian::native == std::endian::little ? byte_swapped(value) : value;
}

template <std::unsigned_integral T>
void store_be(std::uint8_t* to, T value) {
  if constexpr (std::endian::native == std::endian::little) value = byte_swapped(value);
  std::memcpy(to, &value, sizeof value);
}

// At most 8 bytes; none are 0.
inline std::uint64_t load_be_any(base::BytesView bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

}  // namespace meterhub::amqp
