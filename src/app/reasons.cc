#include "reasons.h"

#include <algorithm>
#include <array>

namespace meterhub::app {
namespace {

struct Reason {
  std::string_view name;
  std::string_view meaning;
};

// As in docs/reference/reasons.md.
constexpr std::array kReasons{
    // the body that a gateway sent
    Reason{"gwmp_short", "the body is empty or shorter than a datagram's header"},
    Reason{"gwmp_version", "the body begins like neither JSON nor a datagram of protocol version 1 or 2"},
    Reason{"gwmp_type", "a datagram of another type than PUSH_DATA"},
    Reason{"gw_mismatch", "the datagram names another gateway than the one that sent it; correct the EUI in the registry"},
    Reason{"body_size", "the body is larger than a datagram can be"},
    Reason{"json", "the JSON is broken, too deep or no object"},
    // one reception
    Reason{"crc", "the radio's checksum failed: noise on the air"},
    Reason{"modulation", "not LoRa"},
    Reason{"b64", "\"data\" is not base64"},
    // the frame
    Reason{"bad_length", "the frame or its payload has a length that its kind or the meter's profile does not allow"},
    Reason{"proprietary", "a proprietary frame"},
    Reason{"bad_major", "a frame of an unknown LoRaWAN version"},
    Reason{"unsupported_mtype", "a kind of frame that is not supported"},
    Reason{"mtype", "a downlink, heard by a gateway"},
    Reason{"fopts_with_port0", "commands in the header and in the payload at once"},
    Reason{"port_reserved", "a port that LoRaWAN reserves"},
    // keys
    Reason{"unknown_devaddr", "no meter has this address: a neighbour's, or one not enrolled yet; enrol it, then retry"},
    Reason{"mic", "no key of this address fits: wrong keys in the registry, or a neighbour with the same address; correct them, then retry"},
    Reason{"join_unknown_deveui", "a join request of a meter that is not in the registry; enrol it"},
    Reason{"join_mic", "a join request under another AppKey than the registry's"},
    Reason{"join_nonce", "a join request whose nonce was used before: a replay"},
    // the meter's entry and its payload
    Reason{"unknown_meter", "the network server named a meter that is not in the registry; add it, then retry"},
    Reason{"unknown_profile", "the meter's payload profile is not there; add it, then retry"},
    Reason{"unknown_port", "a payload on another port than the meters use"},
    Reason{"bad_digits", "a payload whose decimal digits are none"},
    Reason{"document", "an event sent to readings that holds no document of a packet (hub.external_readings)"},
    // deduplication
    Reason{"conflict", "another packet has the same counter: look at the meter"},
    Reason{"counter_reset", "the counter began again and the meter's entry does not allow that (allow_resets)"},
    // network servers and plug-ins
    Reason{"no_plugin", "the gateway's entry names a cipher plug-in that is not loaded (ns.plugins)"},
    Reason{"plugin_failed", "the gateway's cipher plug-in refused the body or failed"},
    Reason{"ns_failed", "three network servers failed on this packet while others were answered"},
    Reason{"ns_unanswered", "the vendor's network server gave no answer"},
};

}  // namespace

std::string_view explain_reason(std::string_view reason) {
  const auto found = std::ranges::find(kReasons, reason, &Reason::name);
  if (found != kReasons.end()) return found->meaning;
  return reason.starts_with("job.") ? "a job could not use the reading; its name and why stand in the reason" : std::string_view();
}

}  // namespace meterhub::app
