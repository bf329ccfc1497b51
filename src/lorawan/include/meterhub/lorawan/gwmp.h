// The packet forwarders' UDP protocol (spec/lorawan-ns.md section 2). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/bytes.h>
#include <meterhub/base/ids.h>
#include <meterhub/lorawan/packet_error.h>

namespace meterhub::lorawan {

enum class GwmpType : std::uint8_t { kPushData, kPushAck, kPullData, kPullResp, kPullAck, kTxAck };

// A datagram as a server receives it: types PUSH_DATA, PULL_DATA and TX_ACK.
struct Datagram {
  std::uint8_t version = 2;
  std::array<std::uint8_t, 2> token{};  // opaque
  GwmpType type = GwmpType::kPushData;
  base::Eui64 gateway;
  base::BytesView body;                 // after the header; view into the datagram
};
std::expected<Datagram, PacketError> parse_datagram(base::BytesView bytes);

// Four bytes to send back before looking at the body; nullopt for TX_ACK.
std::optional<std::array<std::uint8_t, 4>> acknowledgement(const Datagram& datagram);

// Header of 12 bytes and the JSON.
std::string build_push_data(std::array<std::uint8_t, 2> token, base::Eui64 gateway, std::string_view json,
                            std::uint8_t version = 2);
// Downlink request: header of 4 bytes and {"txpk":…} as given.
std::string build_pull_resp(std::array<std::uint8_t, 2> token, std::string_view json, std::uint8_t version = 2);

// A gateway's message in the hub: the JSON alone or a whole PUSH_DATA datagram.
struct GatewayBody {
  std::optional<Datagram> datagram;  // header, when there was one
  base::BytesView json;
};
// `sender` = EUI registered for the hub device that sent it; another one in a datagram's
// header is kGwMismatch. More than kBodySizeMax bytes are kBodySize.
inline constexpr std::size_t kBodySizeMax = 256 * 1024;
std::expected<GatewayBody, PacketError> parse_gateway_body(base::BytesView body, base::Eui64 sender);

}  // namespace meterhub::lorawan
