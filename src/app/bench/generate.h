// The load generator: a process of its own, so that its work is not counted as the server's.
#pragma once

#include <cstdint>
#include <string>

#include <meterhub/base/result.h>

#include "options.h"

namespace meterhub::app::bench {

struct GenerateOptions {
  PipelineOptions pipeline;
  std::uint32_t first_fcnt = 0;
  std::string ca;      // file; read once the hub is there
  std::string states;  // file to write: a byte a packet number, as sim::PacketState
};

// Speaks in lines of JSON on stdout, each with a member "event":
//   prepared                        → waits for a line "HOST:PORT" on stdin
//   first_settled {ns}, connected   → waits for a line
//   progress {…} once a second, interval {…} where asked for, then done {…}
base::Result<int> generate(const GenerateOptions& options);

}  // namespace meterhub::app::bench
