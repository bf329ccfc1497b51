// One reading as the console keeps it, and how it is written as JSON. Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>

#include <meterhub/base/clock.h>

namespace meterhub::fleet {

inline constexpr std::int64_t kNoAmount = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int16_t kNoSignal = std::numeric_limits<std::int16_t>::min();

// 64 bytes a reading: a fleet of a million meters has one each.
struct Reading {
  base::Timestamp time{};  // event time
  std::int64_t bought = kNoAmount;  // litres
  std::int64_t left = kNoAmount;
  std::int64_t used = kNoAmount;
  std::uint32_t session = 0;
  std::uint32_t generation = 0;
  std::uint32_t fcnt = 0;
  std::uint32_t status = 0;
  std::int16_t rssi = kNoSignal;        // dBm, best gateway
  std::int16_t snr_tenths = kNoSignal;  // 0.1 dB, best gateway
  std::uint8_t gateways = 0;            // that heard the first copy
  bool has_status = false;
  std::array<char, 10> version{};  // cut there; padded with NULs

  void set_version(std::string_view text);
  std::string_view version_text() const;
};
static_assert(sizeof(Reading) == 64);

// The order in which a meter sent its readings; equal = the same reading (design, promise 2).
inline auto order_of(const Reading& reading) {
  return std::tuple(reading.session, reading.generation, reading.fcnt);
}

// {"time","bought","left","used","status","version","seq","gateways","rssi","snr"}
void append_reading(std::string& out, const Reading& reading);

}  // namespace meterhub::fleet
