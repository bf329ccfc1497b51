// Floods: how many new episodes a rule and tenant had in the last ten minutes (alarm/episode.h, Flow). Private.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <meterhub/alarm/episode.h>

namespace meterhub::alarm {

// Event time in whole minutes: a flood begins with the raise that is too much, and ends with a minute. A raise older
// than the window is not counted.
class Flows {
 public:
  using Key = std::pair<base::TenantNumber, Rule>;
  // A flood that ended: as it was, and when.
  using Ended = std::function<void(const Flow& flood, base::Timestamp at)>;

  void load(const std::vector<Flow>& flows);
  // Counts a new episode. True: a flood begins with it.
  bool raised(Key key, base::Timestamp at, std::uint64_t limit, const Ended& ended);
  // Whether there is one at that time.
  bool is_flood(Key key, base::Timestamp at, std::uint64_t limit, const Ended& ended);
  // Time has come to `now`; `limit` of a tenant.
  void advance(base::Timestamp now, const std::function<std::uint64_t(base::TenantNumber)>& limit, const Ended& ended);
  std::optional<Flow> find(Key key) const;
  std::vector<Flow> floods() const;

  bool changed() const { return !changed_.empty() || !gone_.empty(); }
  void take_changes(Changes& into);

 private:
  static constexpr std::int64_t kWindow = 10;  // minutes

  struct State {
    bool flood = false;
    base::Timestamp began{};
    std::uint64_t raised = 0;
    std::int64_t minute = 0;  // the newest
    std::array<std::uint32_t, kWindow> minutes{};  // by minute modulo kWindow
    std::uint64_t sum = 0;
    bool written = false;

    std::uint32_t& at(std::int64_t of) {
      return minutes[static_cast<std::size_t>(((of % kWindow) + kWindow) % kWindow)];
    }
    std::uint32_t at(std::int64_t of) const { return const_cast<State*>(this)->at(of); }
  };
  void to_minute(Key key, State& state, std::int64_t minute, std::uint64_t limit, const Ended& ended);
  static Flow flow_of(Key key, const State& state);

  absl::btree_map<Key, State> states_;
  absl::btree_set<Key> changed_;
  absl::btree_set<Key> gone_;  // and written
};

}  // namespace meterhub::alarm
