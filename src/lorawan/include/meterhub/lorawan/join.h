// Over-the-air activation, both sides (spec/lorawan-ns.md section 5). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <meterhub/base/bytes.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/session.h>

namespace meterhub::lorawan {

// Device side: the 23 bytes to send.
base::Bytes build_join_request(const AesKey& app_key, base::Eui64 app_eui, base::Eui64 dev_eui, std::uint16_t dev_nonce);

// Server side; constant time.
bool join_request_matches(const JoinRequestFrame& request, const AesKey& app_key);

// What a join-accept tells the device.
struct JoinAccept {
  std::uint32_t app_nonce = 0;  // 24 bits
  std::uint32_t net_id = 0;     // 24 bits
  base::DevAddr dev_addr;
  std::uint8_t dl_settings = 0; // bits 6..4 RX1DRoffset, 3..0 RX2 data rate
  std::uint8_t rx_delay = 0;    // seconds; 0 means 1
  std::optional<std::array<std::uint8_t, 16>> cf_list;

  bool operator==(const JoinAccept&) const = default;
};

// Server side: 17 bytes, 33 with a channel list. Only the low 24 bits of the nonce and network id count.
base::Bytes build_join_accept(const AesKey& app_key, const JoinAccept& accept);

// Device side. kInvalidArgument for a wrong length or type, kUnauthorized for a wrong MIC.
base::Result<JoinAccept> open_join_accept(const AesKey& app_key, base::BytesView frame);

struct SessionKeys {
  AesKey nwk_skey{};
  AesKey app_skey{};
};
SessionKeys derive_session_keys(const AesKey& app_key, std::uint32_t app_nonce, std::uint32_t net_id, std::uint16_t dev_nonce);

}  // namespace meterhub::lorawan
