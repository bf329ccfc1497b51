// Handling of secrets: random bytes, comparison and wiping. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <meterhub/base/bytes.h>

namespace meterhub::crypto {

// From the operating system's generator. Ends the process when there is none: no
// key is ever made from weak randomness.
void random_bytes(std::span<std::uint8_t> out);
base::Bytes random_bytes(std::size_t count);
template <std::size_t N>
std::array<std::uint8_t, N> random_array() {
  std::array<std::uint8_t, N> out;
  random_bytes(out);
  return out;
}

// Time depends on the lengths only; different lengths are unequal.
bool equal_constant_time(base::BytesView a, base::BytesView b);

// Overwrites with zeros; the compiler cannot leave it out.
void wipe(std::span<std::uint8_t> bytes);
void wipe(std::string& text);

}  // namespace meterhub::crypto
