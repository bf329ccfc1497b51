#include <meterhub/lorawan/packet_error.h>

#include <array>

namespace meterhub::lorawan {
namespace {

struct Entry {
  PacketError error;
  std::string_view text;
  bool noise;
};

using enum PacketError;
constexpr std::array kEntries{
    Entry{kNone, "", false},
    Entry{kGwmpShort, "gwmp_short", false},
    Entry{kGwmpVersion, "gwmp_version", false},
    Entry{kGwmpType, "gwmp_type", false},
    Entry{kGwMismatch, "gw_mismatch", false},
    Entry{kBodySize, "body_size", false},
    Entry{kJson, "json", false},
    Entry{kCrc, "crc", true},
    Entry{kModulation, "modulation", true},
    Entry{kBase64, "b64", false},
    Entry{kBadLength, "bad_length", false},
    Entry{kProprietary, "proprietary", true},
    Entry{kBadMajor, "bad_major", true},
    Entry{kUnsupportedMtype, "unsupported_mtype", true},
    Entry{kMtype, "mtype", true},
    Entry{kFoptsWithPort0, "fopts_with_port0", false},
    Entry{kPortReserved, "port_reserved", false},
    Entry{kUnknownDevaddr, "unknown_devaddr", true},
    Entry{kMic, "mic", false},
    Entry{kJoinUnknownDeveui, "join_unknown_deveui", true},
    Entry{kJoinMic, "join_mic", false},
    Entry{kJoinNonce, "join_nonce", false},
    Entry{kNoPlugin, "no_plugin", false},
    Entry{kPluginFailed, "plugin_failed", false},
    Entry{kNsFailed, "ns_failed", false},
    Entry{kNsUnanswered, "ns_unanswered", false},
};

constexpr bool in_order_of_the_codes() {
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    if (static_cast<std::size_t>(kEntries[i].error) != i) return false;
  }
  return true;
}
static_assert(in_order_of_the_codes());

}  // namespace

std::string_view text(PacketError error) { return kEntries[static_cast<std::size_t>(error)].text; }

std::optional<PacketError> packet_error_from(std::string_view text) {
  for (const Entry& entry : kEntries) {
    if (!text.empty() && entry.text == text) return entry.error;
  }
  return std::nullopt;
}

bool is_noise(PacketError error) { return kEntries[static_cast<std::size_t>(error)].noise; }

}  // namespace meterhub::lorawan
