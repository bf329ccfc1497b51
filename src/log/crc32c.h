// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: guards stored blocks.
#pragma once

#include <cstdint>
#include <string_view>

namespace meterhub::log {

// Any thread. Uses the processor's instruction where it has one.
std::uint32_t crc32c(std::string_view bytes);
// The same without the instruction; for machines without it, and to check the other.
std::uint32_t crc32c_by_table(std::string_view bytes);

}  // namespace meterhub::log
