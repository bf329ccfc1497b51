#include "operator_state.h"

#include <meterhub/base/byte_io.h>

namespace meterhub::engine {

bool OperatorState::save_next() {
  for (std::uint32_t part = 0; part < kStateParts && pending_.any(); ++part) {
    if (!pending_[part]) continue;
    save_now(part);
    return true;
  }
  return false;
}

void OperatorState::save_now(std::uint32_t part) {
  pending_.reset(part);
  save_(part, save_part(part));
}

// Stable across builds and machines: checkpoints are written by it.
std::uint32_t part_of_key(std::string_view key) { return base::crc32c(key) % kStateParts; }

}  // namespace meterhub::engine
