// What is known about a transmission and its receptions, and time on air.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/ids.h>
#include <meterhub/base/time_text.h>

namespace meterhub::lorawan {

// `motetx`: how the device sent. Empty text = null.
struct Transmission {
  std::optional<double> freq;           // MHz
  std::string modu;                     // "LORA", "FSK"
  std::string datr;                     // "SF12BW125"
  std::optional<double> datr_number;    // FSK: bits per second
  std::string codr;                     // "4/5"; empty for FSK
  bool adr = false;

  bool operator==(const Transmission&) const = default;
};

// One entry of `gwrx`: how one gateway heard it. Numbers as received.
struct Reception {
  base::Eui64 gateway;
  base::PreciseTime time;
  bool time_from_gateway = false;
  std::optional<double> chan;
  std::optional<double> rfch;
  std::optional<double> rssi;  // dBm
  std::optional<double> lsnr;  // dB

  bool operator==(const Reception&) const = default;
};

// Orders best first (lsnr high to low, missing last; rssi high to low; EUI low to high) and
// keeps identical entries once (spec/lorawan-ns.md section 6).
void merge_receptions(std::vector<Reception>& receptions);

// LoRa time on air, explicit header and CRC (Semtech AN1200.13).
struct LoraSettings {
  int spreading_factor = 7;      // 7..12
  int bandwidth_hz = 125'000;
  int coding_rate = 5;           // 5..8 for 4/5..4/8
  int preamble_symbols = 8;
};
std::chrono::microseconds airtime(const LoraSettings& settings, std::size_t phy_bytes);

}  // namespace meterhub::lorawan
