// The engine behind Episodes: tracks, their deadlines, and what has changed. Private; one thread.
//
// Each call changes tracks and then settles them: delays that end up to the call's time end in the order of their time,
// the track's deadline is set anew, and a track of which nothing is left goes.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <meterhub/alarm/episodes.h>

#include "flows.h"
#include "track.h"

namespace meterhub::alarm {

// Open episodes of one tenant, by what counts() counts.
struct Tally {
  std::array<std::array<std::array<std::uint32_t, kStates>, kSeverities>, kRules> open{};
};

class Episodes::Engine {
 public:
  Engine(Policies policies, const EpisodesOptions& options) : policies_(std::move(policies)), options_(options) {}

  // engine.cc
  void set_policies(Policies policies);
  void set_subjects(base::TenantNumber tenant, std::uint64_t count) { subjects_[tenant] = count; }
  void observe(const Observation& observation);
  void tick(base::Timestamp now);

  // actions.cc
  enum class Verb : std::uint8_t { kAcknowledge, kAssign, kComment, kShelve, kUnshelve, kClear };
  struct Wish {
    Verb verb;
    By by;
    std::string_view text{};
    base::Timestamp until{};
  };
  base::Result<Outcome> act(const Filter& which, const Wish& wish);

  // listing.cc
  Listing list(const Filter& which, const std::vector<SortBy>& order, Page page) const;
  const Episode* find(EpisodeId id) const;
  Counts counts(const std::optional<std::vector<base::TenantNumber>>& tenants) const;

  // changes.cc
  void load(Saved saved);
  Changes take_changes(Seen seen);
  bool changed() const { return !out_.empty() || changed_count_ > 0 || flows_.changed(); }

  std::vector<Flow> floods() const { return flows_.floods(); }
  const Counters& counters() const { return counters_; }
  std::size_t open() const { return open_.size(); }

 private:
  // What happens to a track next, by itself.
  enum class Step : std::uint8_t { kNone, kFlip, kUnshelve, kForget };
  struct Next {
    base::Timestamp at = kNever;
    Step step = Step::kNone;
  };

  // --- engine.cc: tracks
  const Policy& policy_of(const Track& track) const {
    return policies_.of(track.condition.rule, track.tenant);
  }
  Track* track_of(const Condition& condition);
  Track& make_track(const Condition& condition);
  void apply(Track& track, const Observation& observation, bool active);
  void hand_over(Track& track, base::TenantNumber to, base::Timestamp at);
  Next next(const Track& track) const;
  base::Timestamp flip_time(const Track& track, const Policy& policy) const;
  void run(Track& track, base::Timestamp upto);
  // run(), then the track's place; it is gone when it returns false.
  bool settle(Track& track, base::Timestamp upto);
  void place(Track& track);
  void bound_memory(Track& track);
  static void show(Track& track);
  void remove(Track& track);
  void drop_episode(Track& track);

  // --- transitions.cc: what becomes of an episode
  void raise(Track& track, base::Timestamp at);
  void raise_new(Track& track, base::Timestamp at);
  void raise_again(Track& track, base::Timestamp at);
  void lower(Track& track, base::Timestamp at);
  void unshelve(Track& track, base::Timestamp at, std::string_view who);
  // Into `to`, which may be kCleared; of that severity.
  void move(Track& track, State to, Severity severity);
  void close(Track& track) { move(track, State::kCleared, track.episode->severity); }
  bool is_flood(const Track& track, base::Timestamp at);
  void count_raise(Track& track, base::Timestamp at);
  void begin_flood(base::TenantNumber tenant, Rule rule, base::Timestamp at);
  Flows::Ended end_flood();
  void note(const Track& track, base::Timestamp at, std::string_view who, Event what, State from,
            std::string_view text = {});
  void tell(const Track& track, Event event, base::Timestamp at, std::string_view who = {});
  std::uint64_t flood_limit(base::TenantNumber tenant) const;
  void tally(const Episode& episode, std::uint32_t by);

  // --- actions.cc
  std::optional<Refusal> carry_out(Track& track, const Wish& wish);
  std::optional<Refusal> acknowledge(Track& track, const Wish& wish);
  std::optional<Refusal> shelve(Track& track, const Wish& wish);
  std::optional<Refusal> clear(Track& track, const Wish& wish);
  std::vector<EpisodeId> chosen(const Filter& which, Outcome& outcome) const;

  // --- listing.cc
  std::vector<const Episode*> admitted(const Filter& which) const;

  // --- changes.cc
  void episode_changed(Track& track);
  void pending_changed(Track& track);
  void enlist(Track& track);
  void hand_out(Track& track, Changes& changes);
  void load_episode(Episode episode);
  void load_pending(const Pending& pending);

  Policies policies_;
  EpisodesOptions options_;
  Counters counters_;
  absl::flat_hash_map<base::TenantNumber, std::uint64_t> subjects_;

  absl::flat_hash_set<TrackPointer, TrackHash, TrackEqual> tracks_;
  absl::flat_hash_map<EpisodeId, Track*> by_id_;  // open ones and those that are remembered
  std::vector<Track*> open_;  // Track::open_place
  absl::btree_set<Deadline, DeadlineLess> deadlines_;
  absl::flat_hash_map<base::TenantNumber, std::unique_ptr<Tally>> tallies_;
  Flows flows_;
  EpisodeId last_id_{};

  std::vector<Track*> changed_;  // Track::changed_place; null where one has gone
  std::size_t changed_count_ = 0;
  Changes out_;  // what needs no track any more
};

}  // namespace meterhub::alarm
