// What people do to episodes.
#include <algorithm>
#include <string>
#include <utility>

#include <meterhub/base/time_text.h>

#include "engine.h"

namespace meterhub::alarm {
namespace {

constexpr std::size_t kNameBytesMax = 100;
constexpr std::size_t kTextBytesMax = 1'000;
constexpr base::Duration kShelvedLongest = std::chrono::days(366);

base::Result<void> refuse(std::string text) { return base::fail(base::Errc::kInvalidArgument, std::move(text)); }

base::Result<void> check(const auto& wish, bool needs_text, std::size_t text_max) {
  if (wish.by.who.empty() || wish.by.who.size() > kNameBytesMax)
    return refuse("who does it has a name of 1 to 100 bytes");
  if (needs_text && wish.text.empty()) return refuse("say why, or what: the text is empty");
  if (wish.text.size() > text_max) return refuse("the text is longer than " + std::to_string(text_max) + " bytes");
  return {};
}

}  // namespace

std::optional<Refusal> Episodes::Engine::acknowledge(Track& track, const Wish& wish) {
  auto& episode = *track.episode;
  const auto from = episode.state;
  if (from == State::kAcknowledged) return Refusal::kAcknowledged;
  if (from == State::kShelved) return Refusal::kShelved;
  episode.acknowledged = wish.by.at;
  episode.acknowledged_by = wish.by.who;
  move(track, from == State::kReturned ? State::kCleared : State::kAcknowledged, episode.severity);
  note(track, wish.by.at, wish.by.who, Event::kAcknowledged, from);
  tell(track, Event::kAcknowledged, wish.by.at, wish.by.who);
  return std::nullopt;
}

std::optional<Refusal> Episodes::Engine::shelve(Track& track, const Wish& wish) {
  const auto from = track.episode->state;
  track.episode->shelved_until = wish.until;
  move(track, State::kShelved, track.episode->severity);
  note(track, wish.by.at, wish.by.who, Event::kShelved, from, base::rfc3339(wish.until));
  return std::nullopt;
}

std::optional<Refusal> Episodes::Engine::clear(Track& track, const Wish& wish) {
  auto& episode = *track.episode;
  const auto from = episode.state;
  if (policy_of(track).latched && !episode.acknowledged) return Refusal::kUnacknowledged;
  if (!episode.cleared) episode.cleared = wish.by.at;
  close(track);
  note(track, wish.by.at, wish.by.who, Event::kCleared, from, wish.text);
  // A latched one that has returned was told of then.
  if (from != State::kReturned) tell(track, Event::kCleared, wish.by.at, wish.by.who);
  return std::nullopt;
}

std::optional<Refusal> Episodes::Engine::carry_out(Track& track, const Wish& wish) {
  auto& episode = *track.episode;
  const auto state = episode.state;
  if (wish.verb == Verb::kComment) {
    episode.comment = wish.text;
    episode_changed(track);
    note(track, wish.by.at, wish.by.who, Event::kCommented, state, wish.text);
    return std::nullopt;
  }
  if (state == State::kCleared) return Refusal::kCleared;
  switch (wish.verb) {
    case Verb::kAcknowledge: return acknowledge(track, wish);
    case Verb::kShelve: return shelve(track, wish);
    case Verb::kClear: return clear(track, wish);
    case Verb::kUnshelve:
      if (state != State::kShelved) return Refusal::kNotShelved;
      unshelve(track, wish.by.at, wish.by.who);
      return std::nullopt;
    case Verb::kAssign:
      episode.owner = wish.text;
      episode_changed(track);
      note(track, wish.by.at, wish.by.who, Event::kAssigned, state, wish.text);
      return std::nullopt;
    case Verb::kComment: break;
  }
  return std::nullopt;
}

base::Result<Outcome> Episodes::Engine::act(const Filter& which, const Wish& wish) {
  const bool needs_text = wish.verb == Verb::kComment || wish.verb == Verb::kClear;
  MH_TRY_VOID(check(wish, needs_text, wish.verb == Verb::kAssign ? kNameBytesMax : kTextBytesMax));
  if (wish.verb == Verb::kShelve && (wish.until <= wish.by.at || wish.until > wish.by.at + kShelvedLongest)) {
    return base::fail(base::Errc::kInvalidArgument,
                      "an episode is shelved until a time to come, at most 366 days ahead");
  }
  Outcome out;
  // What has ended by then is over before somebody acts, and what has begun is there.
  tick(wish.by.at);
  for (const auto id : chosen(which, out)) {
    auto& track = *by_id_.at(id);
    if (const auto refusal = carry_out(track, wish)) {
      out.refused.emplace_back(id, *refusal);
    } else {
      ++out.done;
      settle(track, wish.by.at);
    }
  }
  return out;
}

std::vector<EpisodeId> Episodes::Engine::chosen(const Filter& which, Outcome& outcome) const {
  std::vector<EpisodeId> ids;
  for (const auto* const episode : admitted(which)) ids.push_back(episode->id);
  std::ranges::sort(ids);
  if (which.ids) {
    for (const auto id : *which.ids) {
      if (!std::ranges::binary_search(ids, id)) outcome.refused.emplace_back(id, Refusal::kUnknown);
    }
  }
  return ids;
}

}  // namespace meterhub::alarm
