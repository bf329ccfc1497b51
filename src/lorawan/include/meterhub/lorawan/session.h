// A LoRaWAN session as the network server needs it: made by the registry
// (enrolment or join), carried by the session feed, read by decrypt.
#pragma once

#include <array>
#include <cstdint>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>

namespace meterhub::lorawan {

// An AES-128 key, big endian as printed. Wiped by whoever stops using it; never logged.
using AesKey = std::array<std::uint8_t, 16>;

// DevAddr is not unique: several sessions may share one and all are tried.
struct Session {
  base::DevAddr dev_addr;
  base::Eui64 dev_eui;
  base::MeterNumber meter;
  base::SessionNumber number;
  AesKey nwk_skey{};
  AesKey app_skey{};
  // High 16 bits of the last counter known to deduplication; used when the record
  // brings no hint (spec/lorawan-ns.md 2.1).
  std::uint16_t last_high_word = 0;
};

}  // namespace meterhub::lorawan
