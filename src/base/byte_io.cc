#include <meterhub/base/byte_io.h>

#include <array>

namespace meterhub::base {
namespace {

constexpr std::uint32_t kReversedCastagnoli = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? kReversedCastagnoli : 0);
    table[i] = value;
  }
  return table;
}
constexpr auto kTable = make_table();

}  // namespace

std::uint32_t crc32c(BytesView bytes, std::uint32_t before) {
  std::uint32_t value = ~before;
  for (const auto byte : bytes) value = value >> 8 ^ kTable[(value ^ byte) & 0xFF];
  return ~value;
}

}  // namespace meterhub::base
