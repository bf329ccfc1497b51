#include "vendor_body.h"

#include <meterhub/base/assert.h>

namespace meterhub::sim {
namespace {

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

}  // namespace

std::string xor_reading(base::Eui64 meter, std::uint32_t counter, base::BytesView payload, std::string_view key) {
  MH_ASSERT(!key.empty() && key.size() <= kXorKeyMax && payload.size() <= 255);
  std::string out;
  append_big_endian(out, meter.value, 8);
  append_big_endian(out, counter, 4);
  append_big_endian(out, payload.size(), 1);
  unsigned sum = 0;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(payload[i] ^ static_cast<unsigned char>(key[i % key.size()]));
    sum += payload[i];
  }
  append_big_endian(out, sum & 0xFF, 1);
  return out;
}

std::string xor_body(base::Eui64 gateway, std::string_view readings) {
  std::string out = "XR";
  append_big_endian(out, gateway.value, 8);
  out += readings;
  return out;
}

}  // namespace meterhub::sim
