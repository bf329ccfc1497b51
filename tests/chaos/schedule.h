// What goes wrong when: drawn from a seed alone, so that a seed repeats it.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "faults.h"

namespace meterhub::chaos {

// Whom a step hits.
enum class Target : std::uint8_t { kPlatform, kNs1, kNs2, kNs3, kGateways };
std::string_view target_name(Target target);

struct Step {
  Fault fault = Fault::kKill;
  Target target = Target::kPlatform;
  // After the step before, or once the target is at work again.
  std::chrono::milliseconds pause{0};
  bool from_ready = true;
  std::chrono::milliseconds lasts{0};   // how long it is so; of kills: until the start
  std::string area;                     // disk: part of the files' paths
  std::uint32_t count = 0;              // which sync, write or send from then on; bytes left on a full disk
  std::uint32_t share = 0;              // of 256: how much of a torn write, how slow, how many connections
  std::int32_t hours = 0;               // clock

  std::string text() const;
};

struct SchedulePlan {
  std::uint64_t seed = 1;
  Form form = Form::kInside;
  std::uint32_t kills = 10;  // of the platform and of network servers; gateways' come on top
  std::set<Fault> faults;
};

// Ends with the last kill. Without kills among the faults: as many steps.
std::vector<Step> make_schedule(const SchedulePlan& plan);

}  // namespace meterhub::chaos
