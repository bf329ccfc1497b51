// How a replay is told from all else that goes through the logs (docs/formats/record.md).
#pragma once

#include <string_view>

#include <meterhub/log/record.h>

namespace meterhub::log {

// Reason of a stored packet that `meterhub replay` has decoded once more. No dead letter has it.
inline constexpr std::string_view kReplay = "replay";

// True for what history alone takes: whoever makes something of new readings passes it over.
inline bool is_replay(const Properties& properties) { return properties.redo && properties.reason == kReplay; }

}  // namespace meterhub::log
