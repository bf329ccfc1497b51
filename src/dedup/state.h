// The windows of one meter and of all meters.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <meterhub/dedup/windows.h>

#include "window.h"

namespace meterhub::dedup {

inline constexpr std::size_t kGoneMax = 16;

// What a meter keeps of before its last join and its last restart.
struct OlderWindows {
  std::optional<Window> session;     // the newest generation of the session before
  std::optional<Window> generation;  // the generation before, of the newest session
  base::Timestamp restarted{};       // when the newest generation began
  // Sessions whose window is gone and whose newest generation was not the first: (session,
  // generation), the newest last. Rare: most sessions never see a restart.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> gone;

  void remember(const Window& window) {
    if (window.generation == 0) return;
    if (gone.size() == kGoneMax) gone.erase(gone.begin());
    gone.emplace_back(window.session, window.generation);
  }
  std::uint32_t generation_of(std::uint32_t session_number) const {
    const auto found = std::ranges::find(gone, session_number, &std::pair<std::uint32_t, std::uint32_t>::first);
    return found == gone.end() ? 0 : found->second;
  }
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
