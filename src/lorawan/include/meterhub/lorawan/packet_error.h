// Why a packet gave no reading: the codes of the network server's answers, of the dead
// letters' reasons and of the counters (spec/lorawan-ns.md sections 3, 5 and 7).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace meterhub::lorawan {

enum class PacketError : std::uint8_t {
  kNone,
  // the datagram or body
  kGwmpShort, kGwmpVersion, kGwmpType, kGwMismatch, kBodySize, kJson,
  // one reception
  kCrc, kModulation, kBase64,
  // the frame
  kBadLength, kProprietary, kBadMajor, kUnsupportedMtype, kMtype, kFoptsWithPort0, kPortReserved,
  // keys
  kUnknownDevaddr, kMic,
  // joins; the registry's owner says these
  kJoinUnknownDeveui, kJoinMic, kJoinNonce,
  // cipher plug-ins: none of that name, or it failed
  kNoPlugin, kPluginFailed,
  // servers over the wire; the connector says these: three attempts failed on this packet while
  // others were answered; a foreign server did not answer
  kNsFailed, kNsUnanswered,
};

// "unknown_devaddr"; stable. "" for kNone.
std::string_view text(PacketError error);
std::optional<PacketError> packet_error_from(std::string_view text);

// True for what is normal on shared air: goes to log `noise`, all others to `deadletter`.
bool is_noise(PacketError error);

}  // namespace meterhub::lorawan
