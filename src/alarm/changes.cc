// What is to be written, and going on from it.
#include <algorithm>
#include <iterator>
#include <utility>

#include "engine.h"

namespace meterhub::alarm {

void Episodes::Engine::enlist(Track& track) {
  if (track.changed_place != SIZE_MAX) return;
  track.changed_place = changed_.size();
  changed_.push_back(&track);
  ++changed_count_;
}

void Episodes::Engine::episode_changed(Track& track) {
  track.episode_changed = true;
  enlist(track);
}

void Episodes::Engine::pending_changed(Track& track) {
  track.pending_changed = true;
  enlist(track);
}

void Episodes::Engine::hand_out(Track& track, Changes& changes) {
  if (std::exchange(track.episode_changed, false)) {
    track.judged_written = track.judged;
    changes.episodes.push_back(*track.episode);
  }
  if (!std::exchange(track.pending_changed, false)) return;
  if (track.is_pending()) {
    changes.pending.push_back({track.condition.rule, track.condition.subject, track.tenant, track.since, track.judged,
                               track.seen, track.detail});
    track.judged_written = track.judged;
    track.pending_written = true;
  } else if (std::exchange(track.pending_written, false)) {
    changes.pending_gone.push_back(track.condition);
  }
}

Changes Episodes::Engine::take_changes(Seen seen) {
  if (seen == Seen::kAll) {
    for (auto* const track : open_) {
      if (track->judged != track->judged_written) episode_changed(*track);
    }
    for (const auto& [due, track] : deadlines_) {
      if (track->is_pending() && track->judged != track->judged_written) pending_changed(*track);
    }
  }
  auto out = std::exchange(out_, {});
  for (auto* const track : std::exchange(changed_, {})) {
    if (track == nullptr) continue;
    track->changed_place = SIZE_MAX;
    hand_out(*track, out);
  }
  changed_count_ = 0;
  flows_.take_changes(out);
  return out;
}

void Episodes::Engine::load_episode(Episode episode) {
  auto* track = track_of({episode.rule, episode.subject});
  if (track == nullptr) {
    track = &make_track({episode.rule, episode.subject});
  } else {
    drop_episode(*track);  // an older one, over
  }
  track->tenant = episode.tenant;
  track->standing = episode.standing;
  track->active = episode.standing && !episode.gone_since;
  track->since = episode.gone_since.value_or(episode.judged);
  track->judged = track->judged_written = episode.judged;
  const auto state = std::exchange(episode.state, State::kCleared);
  const auto severity = episode.severity;
  by_id_[episode.id] = track;
  track->episode = std::make_unique<Episode>(std::move(episode));
  move(*track, state, severity);
}

void Episodes::Engine::load_pending(const Pending& pending) {
  auto* track = track_of({pending.rule, pending.subject});
  if (track == nullptr) track = &make_track({pending.rule, pending.subject});
  if (track->standing) return;
  track->tenant = pending.tenant;
  track->active = true;
  track->since = pending.since;
  track->seen = pending.count;
  track->judged = track->judged_written = std::max(track->judged, pending.judged);
  track->detail = pending.detail;
  track->pending_written = true;
}

void Episodes::Engine::load(Saved saved) {
  std::ranges::sort(saved.episodes, {}, &Episode::id);
  last_id_ = saved.last_id;
  for (auto& episode : saved.episodes) {
    last_id_ = std::max(last_id_, episode.id);
    load_episode(std::move(episode));
  }
  for (const auto& pending : saved.pending) load_pending(pending);
  flows_.load(saved.flows);
  // Nothing of it is new.
  for (auto* const track : changed_) {
    track->changed_place = SIZE_MAX;
    track->episode_changed = track->pending_changed = false;
  }
  changed_.clear();
  changed_count_ = 0;
  out_ = {};
  for (const auto& track : tracks_) place(*track);
}

}  // namespace meterhub::alarm
