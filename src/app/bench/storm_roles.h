// The two processes beside the server in `meterhub bench storm`: the gateways that must not notice,
// and those that make the storm. Both speak in lines of JSON on stdout, each with a member "event".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <meterhub/base/result.h>

namespace meterhub::app::bench {

enum class Storm : std::uint8_t { kReturn, kHalfOpen, kOneAddress, kTokens, kFlood, kDeaf };
inline constexpr Storm kStorms[] = {Storm::kReturn, Storm::kHalfOpen, Storm::kOneAddress, Storm::kTokens, Storm::kFlood, Storm::kDeaf};
std::string storm_name(Storm storm);

// Gateways of the registry, by index: first the steady ones, then the newcomers, then the storm's.
struct StormTown {
  std::uint32_t meters = 20'000;
  std::uint32_t steady = 200;
  std::uint32_t returning = 10'000;
  std::uint32_t newcomers() const { return 20; }
  std::uint32_t gateways() const { return steady + newcomers() + returning; }
};

struct StormRole {
  StormTown town;
  std::string hub, ca;  // HOST:PORT, file
  double rate = 2'000;  // of packets (steady gateways); of half-open connections
  bool tickets = false;  // those that return resume their TLS sessions
};

// The steady gateways, and newcomers of which one connects anew ten times a second.
//   connected → for each line "mark": window {latency_us, newcomers_us}; at "end": done {…}
base::Result<int> play_steady(const StormRole& role, const std::string& states);

// ready → waits for a line → done {text, seconds, …}
base::Result<int> play_storm(const StormRole& role, Storm storm, std::chrono::milliseconds span);

}  // namespace meterhub::app::bench
