// The windows of one meter and of all meters.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include <absl/container/flat_hash_map.h>

#include <meterhub/dedup/windows.h>

#include "window.h"

namespace meterhub::dedup {

// What a meter keeps of before its last join and its last restart.
struct OlderWindows {
  std::optional<Window> session;     // the newest generation of the session before
  std::optional<Window> generation;  // the generation before, of the newest session
  base::Timestamp restarted{};       // when the newest generation began
};

struct Meter {
  Window newest;
  std::unique_ptr<OlderWindows> older;

  OlderWindows& make_older() {
    if (!older) older = std::make_unique<OlderWindows>();
    return *older;
  }
};

using ShardMeters = absl::flat_hash_map<std::uint32_t, std::unique_ptr<Meter>>;

struct MeterWindows::State {
  BlockStore& blocks;
  std::array<ShardMeters, base::kShards> shards;

  ShardMeters& shard(base::MeterNumber meter) { return shards[base::shard_of(meter).value]; }
};

}  // namespace meterhub::dedup
