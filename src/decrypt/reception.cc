#include "reception.h"

namespace meterhub::decrypt {

lorawan::Reception reception_of(const lorawan::Rxpk& packet, base::Eui64 gateway, base::PreciseTime time,
                                const Opener::Options& options, OpenerCounters& counters) {
  lorawan::Reception out{.gateway = gateway,
                         .time = time,
                         .time_from_gateway = false,
                         .chan = packet.chan,
                         .rfch = packet.rfch,
                         .rssi = packet.rssi,
                         .lsnr = packet.lsnr};
  if (!packet.time) return out;
  const bool believed = packet.time->at >= time.at - options.gateway_behind_max &&
                        packet.time->at <= time.at + options.gateway_ahead_max;
  if (!believed) {
    ++counters.gateway_clock_refused;
    return out;
  }
  out.time = *packet.time;
  out.time_from_gateway = true;
  return out;
}

}  // namespace meterhub::decrypt
