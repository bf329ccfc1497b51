// Deliveries as datagrams to a network server (spec/lorawan-ns.md 2.1): pure. Private.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <meterhub/connector/transport.h>
#include <meterhub/lorawan/report.h>

namespace meterhub::connector {

// The longest UDP payload over IPv4.
inline constexpr std::size_t kDatagramMax = 65'507;

// What one datagram is about.
struct WirePart {
  std::uint32_t number = 0;       // of the delivery's parts
  std::uint32_t first_index = 0;  // of its packets
  std::uint32_t count = 0;
  bool raw = false;               // a whole body for a plug-in
  std::string members;            // JSON members of the root
  std::vector<base::DevAddr> addresses{};

  // Lines that an answer to it may have: one a packet and one for `stat`.
  std::size_t lines_max() const;
};

struct CutDelivery {
  std::vector<WirePart> parts;
  std::vector<lorawan::Answer> errors;  // what cannot be sent
};
CutDelivery cut_delivery(const Delivery& delivery, std::size_t datagram_max, std::string_view answer_to,
                         lorawan::ReportReader& reader);
// One part a packet: to find out which of them servers fail on.
std::vector<WirePart> cut_single(const WirePart& part, lorawan::ReportReader& reader);

// <log>-<partition>-<offset>-<part>-<attempt>-<64 random bits>
std::string request_id(const log::Origin& origin, std::uint32_t part, std::uint32_t attempt, std::uint64_t random);

struct WireEnvelope {
  std::array<std::uint8_t, 2> token;
  std::string rid;
  std::string_view answer_to;
  std::span<const lorawan::CounterHint> hints;  // as many as fit are taken
  std::size_t datagram_max;
};
std::string build_datagram(const Delivery& delivery, const WirePart& part, const WireEnvelope& envelope);

}  // namespace meterhub::connector
