// The arrows of ISA-18.2's diagram that nobody has to draw: raised, back to normal, out of the shelf. Those of people
// are in actions.cc.
#include <algorithm>

#include "engine.h"

namespace meterhub::alarm {

void Episodes::Engine::tally(const Episode& episode, std::uint32_t by) {
  if (!episode.is_open()) return;
  auto& tally = tallies_[episode.tenant];
  if (tally == nullptr) tally = std::make_unique<Tally>();
  // `by` may be -1: unsigned arithmetic wraps.
  tally->open[static_cast<std::size_t>(episode.rule)][static_cast<std::size_t>(episode.severity)]
             [static_cast<std::size_t>(episode.state)] += by;
}

void Episodes::Engine::move(Track& track, State to, Severity severity) {
  auto& episode = *track.episode;
  const bool was_open = episode.is_open();
  tally(episode, static_cast<std::uint32_t>(-1));
  episode.state = to;
  episode.severity = severity;
  tally(episode, 1);
  if (to != State::kShelved) episode.shelved_until.reset();
  episode_changed(track);
  if (!was_open && episode.is_open()) {
    track.open_place = open_.size();
    open_.push_back(&track);
  } else if (was_open && !episode.is_open()) {
    open_[track.open_place] = open_.back();
    open_[track.open_place]->open_place = track.open_place;
    open_.pop_back();
  }
}

void Episodes::Engine::note(const Track& track, base::Timestamp at, std::string_view who, Event what, State from,
                            std::string_view text) {
  out_.history.push_back(
      {track.episode->id, at, std::string(who), what, from, track.episode->state, std::string(text)});
}

void Episodes::Engine::tell(const Track& track, Event event, base::Timestamp at, std::string_view who) {
  const auto& episode = *track.episode;
  if (episode.flood) return;
  out_.notices.push_back({.event = event,
                          .at = at,
                          .episode = episode.id,
                          .rule = episode.rule,
                          .severity = episode.severity,
                          .tenant = episode.tenant,
                          .subject = episode.subject,
                          .detail = episode.detail,
                          .raised = episode.raised,
                          .count = episode.count,
                          .reopened = episode.reopened,
                          .who = std::string(who)});
}

void Episodes::Engine::raise(Track& track, base::Timestamp at) {
  if (!track.is_open() && open_.size() >= options_.open_max) {
    ++counters_.untracked;
    track.active = false;
    pending_changed(track);
    return;
  }
  const auto& policy = policy_of(track);
  const bool is_same = track.is_open() || (track.episode != nullptr && track.episode->tenant == track.tenant &&
                                           at < *track.episode->cleared + policy.flap_window);
  is_same ? raise_again(track, at) : raise_new(track, at);
  track.standing = true;
  track.judged = std::max(track.judged, at);
  track.detail.clear();
  track.detail.shrink_to_fit();
  pending_changed(track);
}

void Episodes::Engine::raise_new(Track& track, base::Timestamp at) {
  drop_episode(track);
  ++last_id_.value;
  ++counters_.raised;
  track.episode = std::make_unique<Episode>(Episode{.id = last_id_,
                                                    .rule = track.condition.rule,
                                                    .subject = track.condition.subject,
                                                    .tenant = track.tenant,
                                                    .state = State::kCleared,
                                                    .raised = at,
                                                    .last_seen = track.judged,
                                                    .count = track.seen,
                                                    .detail = track.detail});
  by_id_[last_id_] = &track;
  move(track, State::kUnacknowledged, policy_of(track).severity);
  note(track, at, {}, Event::kRaised, State::kCleared, track.episode->detail);
  count_raise(track, at);
}

// Of an episode that is open (returned or shelved), or was cleared a moment ago.
void Episodes::Engine::raise_again(Track& track, base::Timestamp at) {
  auto& episode = *track.episode;
  const auto from = episode.state;
  ++counters_.reopened;
  ++episode.reopened;
  episode.count += track.seen;
  episode.last_seen = track.judged;
  episode.detail = track.detail;
  episode.cleared.reset();
  episode.acknowledged.reset();
  episode.acknowledged_by.clear();
  const auto severity = policy_of(track).severity;
  if (from == State::kShelved) {
    move(track, from, severity);
    note(track, at, {}, Event::kReopened, from, episode.detail);
    return;
  }
  move(track, State::kUnacknowledged, severity);
  note(track, at, {}, Event::kReopened, from, episode.detail);
  episode.flood = is_flood(track, at);
  tell(track, Event::kReopened, at);
}

void Episodes::Engine::lower(Track& track, base::Timestamp at) {
  track.standing = false;
  track.judged = std::max(track.judged, at);
  episode_changed(track);
  auto& episode = *track.episode;
  if (!episode.is_open()) return;  // by hand, before
  const auto from = episode.state;
  episode.cleared = at;
  if (from == State::kShelved) {
    note(track, at, {}, Event::kReturned, from);
    return;
  }
  if (from == State::kUnacknowledged && policy_of(track).latched) {
    move(track, State::kReturned, episode.severity);
    note(track, at, {}, Event::kReturned, from);
  } else {
    close(track);
    note(track, at, {}, Event::kCleared, from);
  }
  tell(track, Event::kCleared, at);
}

void Episodes::Engine::unshelve(Track& track, base::Timestamp at, std::string_view who) {
  auto& episode = *track.episode;
  if (track.standing) {
    episode.acknowledged.reset();
    episode.acknowledged_by.clear();
    move(track, State::kUnacknowledged, episode.severity);
    note(track, at, who, Event::kUnshelved, State::kShelved);
    episode.flood = is_flood(track, at);
    tell(track, Event::kReopened, at, who);
    return;
  }
  const bool waits = policy_of(track).latched && !episode.acknowledged;
  move(track, waits ? State::kReturned : State::kCleared, episode.severity);
  note(track, at, who, Event::kUnshelved, State::kShelved);
  tell(track, Event::kCleared, at, who);
}

std::uint64_t Episodes::Engine::flood_limit(base::TenantNumber tenant) const {
  const auto found = subjects_.find(tenant);
  const auto share = found == subjects_.end() ? 0 : found->second * options_.flood_percent / 100;
  return std::max({std::uint64_t{1}, options_.flood_raises, share});
}

void Episodes::Engine::count_raise(Track& track, base::Timestamp at) {
  auto& episode = *track.episode;
  const bool begins = flows_.raised({episode.tenant, episode.rule}, at, flood_limit(episode.tenant), end_flood());
  episode.flood = is_flood(track, at);
  if (begins) begin_flood(episode.tenant, episode.rule, at);
  tell(track, Event::kRaised, at);
}

void Episodes::Engine::begin_flood(base::TenantNumber tenant, Rule rule, base::Timestamp at) {
  // What this flood has raised and nobody has taken yet goes into the one notice of it.
  auto& notices = out_.notices;
  absl::flat_hash_set<EpisodeId> silenced;
  for (const auto& notice : notices) {
    const bool is_raise = notice.event == Event::kRaised || notice.event == Event::kReopened;
    if (!is_raise || notice.rule != rule || notice.tenant != tenant) continue;
    silenced.insert(notice.episode);
    if (const auto found = by_id_.find(notice.episode); found != by_id_.end()) {
      found->second->episode->flood = true;
      episode_changed(*found->second);
    }
  }
  std::erase_if(notices, [&](const Notice& notice) { return silenced.contains(notice.episode); });
  const auto flow = flows_.find({tenant, rule});
  notices.push_back({.event = Event::kFloodBegins,
                     .at = at,
                     .rule = rule,
                     .severity = policies_.of(rule, tenant).severity,
                     .tenant = tenant,
                     .raised = flow->began,
                     .count = flow->raised});
}

// Told when it is over.
Flows::Ended Episodes::Engine::end_flood() {
  return [this](const Flow& flood, base::Timestamp at) {
    out_.notices.push_back({.event = Event::kFloodEnds,
                            .at = at,
                            .rule = flood.rule,
                            .severity = policies_.of(flood.rule, flood.tenant).severity,
                            .tenant = flood.tenant,
                            .raised = flood.began,
                            .count = flood.raised});
  };
}

bool Episodes::Engine::is_flood(const Track& track, base::Timestamp at) {
  const auto tenant = track.episode->tenant;
  return flows_.is_flood({tenant, track.condition.rule}, at, flood_limit(tenant), end_flood());
}

}  // namespace meterhub::alarm
