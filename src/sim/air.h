// What the radio does: who hears a frame and how the forwarder reports it (spec/lorawan-ns.md 2, 11, 12).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/clock.h>
#include <meterhub/sim/town.h>

namespace meterhub::sim {

// Gateways that hear packet `number` of the meter, nearest first; never empty. On average two,
// as far as the town has them.
std::vector<std::uint32_t> hearers(const Town& town, std::uint32_t meter, std::uint64_t number);

// How one gateway heard one frame.
struct Heard {
  std::uint32_t gateway = 0;
  std::uint32_t meter = 0;
  std::uint32_t rank = 0;           // 0 = nearest
  std::uint64_t number = 0;
  base::Timestamp time{};           // on the air
  base::Timestamp gateway_time{};   // as the gateway's clock has it
  bool crc_ok = true;
};
// The JSON object of one reception, an element of `rxpk`.
std::string rxpk_json(const Town& town, const Heard& heard, base::BytesView frame);

struct GatewayTotals {
  std::uint64_t received = 0, crc_ok = 0, forwarded = 0;
};
// The JSON of a status report: {"stat":{…}}.
std::string stat_json(base::Timestamp gateway_time, const GatewayTotals& totals);

}  // namespace meterhub::sim
