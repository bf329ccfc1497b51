// One gateway's copy of a frame, with a time that can be believed. Private.
#pragma once

#include <meterhub/decrypt/opener.h>

namespace meterhub::decrypt {

// `time` stands in where the gateway has no clock, or one outside the bounds of
// spec/lorawan-ns.md section 6 (counted).
lorawan::Reception reception_of(const lorawan::Rxpk& packet, base::Eui64 gateway, base::PreciseTime time,
                                const Opener::Options& options, OpenerCounters& counters);

}  // namespace meterhub::decrypt
