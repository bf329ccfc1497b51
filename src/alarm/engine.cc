#include "engine.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace meterhub::alarm {

Track* Episodes::Engine::track_of(const Condition& condition) {
  const auto found = tracks_.find(ConditionRef{condition.rule, condition.subject});
  return found == tracks_.end() ? nullptr : found->get();
}

Track& Episodes::Engine::make_track(const Condition& condition) {
  auto track = std::make_unique<Track>();
  track->condition = condition;
  track->order = stable_hash(condition);
  return **tracks_.insert(std::move(track)).first;
}

void Episodes::Engine::observe(const Observation& observation) {
  if (observation.active) ++counters_.observed;
  const auto found = tracks_.find(ConditionRef{observation.rule, observation.subject});
  if (found == tracks_.end()) {
    if (!observation.active || !policies_.of(observation.rule, observation.tenant).enabled) return;
    // Tracks that are neither open nor remembered are pending.
    if (tracks_.size() - by_id_.size() >= options_.open_max) {
      ++counters_.untracked;
      return;
    }
    auto& made = make_track({observation.rule, observation.subject});
    apply(made, observation, true);
    settle(made, observation.at);
    return;
  }
  auto& track = **found;
  auto counted = observation;
  if (counted.is_newest) counted.at = std::max(counted.at, track.judged);
  if (counted.at < track.judged) {
    ++counters_.stale;
    return;
  }
  run(track, counted.at);
  if (track.tenant != counted.tenant) hand_over(track, counted.tenant, counted.at);
  apply(track, counted, counted.active && policy_of(track).enabled);
  settle(track, counted.at);
}

void Episodes::Engine::apply(Track& track, const Observation& observation, bool active) {
  const auto at = observation.at;
  track.tenant = observation.tenant;
  track.judged = at;
  const bool is_due = at - track.judged_written >= options_.seen_written_every;
  if (active != track.active) {
    track.active = active;
    track.since = at;
    track.seen = active ? 1 : 0;
    if (track.episode != nullptr) episode_changed(track);
    pending_changed(track);
  } else if (active && track.seen < UINT32_MAX) {
    ++track.seen;
  }
  if (track.is_pending()) {
    track.detail = cut(observation.detail, kDetailBytesMax);
    if (is_due || track.seen <= policy_of(track).raise_count) pending_changed(track);
  } else if (active && track.is_open()) {
    auto& episode = *track.episode;
    ++episode.count;
    episode.last_seen = at;
    episode.detail.assign(cut(observation.detail, kDetailBytesMax));
  }
  // What is over needs no newest time, but for those who want everything exact.
  if (track.episode != nullptr && is_due &&
      (track.is_open() || options_.seen_written_every == base::Duration::zero())) {
    episode_changed(track);
  }
}

base::Timestamp Episodes::Engine::flip_time(const Track& track, const Policy& policy) const {
  // A time that `judged` has passed comes from a policy that changed, or from the observation that was the last one
  // needed.
  if (track.active == track.standing) return kNever;
  if (track.standing) return std::max(track.since + policy.clear_after, track.judged);
  return track.seen < policy.raise_count ? kNever : std::max(track.since + policy.raise_after, track.judged);
}

Episodes::Engine::Next Episodes::Engine::next(const Track& track) const {
  const auto& policy = policy_of(track);
  Next out{flip_time(track, policy), Step::kFlip};
  const auto sooner = [&](base::Timestamp at, Step step) {
    if (at < out.at) out = {at, step};
  };
  if (track.episode != nullptr) {
    const auto& episode = *track.episode;
    if (episode.state == State::kShelved) sooner(*episode.shelved_until, Step::kUnshelve);
    if (!episode.is_open() && !track.standing) sooner(*episode.cleared + policy.flap_window, Step::kForget);
  }
  return out;
}

void Episodes::Engine::run(Track& track, base::Timestamp upto) {
  while (!track.is_over()) {
    const auto [at, step] = next(track);
    if (at > upto || at == kNever) return;
    switch (step) {
      case Step::kFlip: track.standing ? lower(track, at) : raise(track, at); break;
      case Step::kUnshelve: unshelve(track, at, {}); break;
      case Step::kForget: drop_episode(track); break;
      case Step::kNone: return;
    }
  }
}

// What others see of the track in its episode.
void Episodes::Engine::show(Track& track) {
  auto& episode = *track.episode;
  episode.standing = track.standing;
  episode.gone_since = track.standing && !track.active ? std::optional(track.since) : std::nullopt;
  episode.judged = track.judged;
}

// Of cleared episodes as many are remembered as may be open.
void Episodes::Engine::bound_memory(Track& track) {
  if (track.episode == nullptr || track.is_open() || by_id_.size() - open_.size() <= options_.open_max) return;
  ++counters_.unremembered;
  // A condition that still stands, cleared by hand, counts as gone: told again, it is raised again.
  if (track.standing) track.active = false;
  drop_episode(track);
}

bool Episodes::Engine::settle(Track& track, base::Timestamp upto) {
  run(track, upto);
  bound_memory(track);
  if (track.is_over()) {
    remove(track);
    return false;
  }
  if (track.episode != nullptr) show(track);
  place(track);
  return true;
}

void Episodes::Engine::place(Track& track) {
  const auto due = next(track).at;
  if (due == track.due) return;
  if (track.due != kNever) deadlines_.erase({track.due, &track});
  track.due = due;
  if (due != kNever) deadlines_.insert({due, &track});
}

void Episodes::Engine::remove(Track& track) {
  drop_episode(track);
  if (track.pending_written) out_.pending_gone.push_back(track.condition);
  if (track.changed_place != SIZE_MAX) {
    changed_[track.changed_place] = nullptr;
    --changed_count_;
  }
  if (track.due != kNever) deadlines_.erase({track.due, &track});
  tracks_.erase(ConditionRef{track.condition.rule, track.condition.subject});
}

// Of a cleared one.
void Episodes::Engine::drop_episode(Track& track) {
  if (track.episode == nullptr) return;
  by_id_.erase(track.episode->id);
  if (track.episode_changed) {
    track.standing = false;
    show(track);
    out_.episodes.push_back(std::move(*track.episode));
    track.episode_changed = false;
  }
  track.episode.reset();
  track.standing = false;
}

// Its subject went over to another tenant. What the earlier one was told of ends there, and neither sees, acknowledges
// or has counted what belongs to the other. The earlier one's episode is remembered as any that is over.
void Episodes::Engine::hand_over(Track& track, base::TenantNumber to, base::Timestamp at) {
  if (track.is_open()) {
    auto& episode = *track.episode;
    const auto from = episode.state;
    if (!episode.cleared) episode.cleared = at;
    close(track);
    note(track, at, {}, Event::kCleared, from, "of another tenant now");
    // One that has returned was told of then.
    if (from != State::kReturned) tell(track, Event::kCleared, at);
  } else if (track.standing) {
    episode_changed(track);  // cleared by hand: a restart must not find it standing
  }
  track.tenant = to;
  track.standing = false;
  track.active = false;
  track.seen = 0;
  track.detail.clear();
  pending_changed(track);
}

void Episodes::Engine::tick(base::Timestamp now) {
  // One deadline after the other: the order of what comes of them, and with it the ids, is that of their times.
  while (!deadlines_.empty() && deadlines_.begin()->due <= now) {
    const auto first = *deadlines_.begin();
    settle(*first.track, first.due);
  }
  flows_.advance(now, [this](base::TenantNumber tenant) { return flood_limit(tenant); }, end_flood());
}

void Episodes::Engine::set_policies(Policies policies) {
  policies_ = std::move(policies);
  std::vector<Track*> all;
  for (const auto& track : tracks_) all.push_back(track.get());
  std::ranges::sort(all, {}, &Track::condition);  // a hash table's order is another one in every process
  for (auto* const track : all) {
    if (track->is_pending() && !policy_of(*track).enabled) {
      track->active = false;
      pending_changed(*track);
    }
    track->is_over() ? remove(*track) : place(*track);
  }
}

}  // namespace meterhub::alarm
