// What can go wrong, by the names of the command line.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>

namespace meterhub::chaos {

enum class Form : std::uint8_t {
  kInside,  // network server inside the platform's process
  kBeside,  // three processes of the role ns beside it, over UDP and TCP
};
std::string_view form_name(Form form);

enum class Fault : std::uint8_t {
  kKill,          // SIGKILL
  kTerm,          // SIGTERM in the middle of the work, and a start
  kStop,          // SIGSTOP, later SIGCONT
  kLoss5,         // datagrams between connector and network servers: 5 % lost, some late
  kLoss30,        // 30 %
  kReset,         // TCP resets
  kSlowDisk,
  kSyncError,     // one fsync fails
  kTorn,          // a part of a write, and SIGKILL
  kFullDisk,
  kClock,         // the platform's wall clock jumps by an hour
  kExpiredToken,  // gateways let their tokens expire
};
std::string_view fault_name(Fault fault);

// "kill,stop"; empty = all of them.
base::Result<std::set<Fault>> parse_faults(std::string_view text);
std::string all_fault_names();

}  // namespace meterhub::chaos
