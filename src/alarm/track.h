// What the engine keeps of one rule and subject while it matters: a pending condition, an episode, or both (a cleared
// one whose condition may be back). Private.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <absl/hash/hash.h>
#include <meterhub/alarm/episode.h>

namespace meterhub::alarm {

inline constexpr base::Timestamp kNever = base::Timestamp::max();

struct Track {
  Condition condition{};
  base::TenantNumber tenant{};  // that of the last observation, and of an open episode
  // What the last observation said, since when, and how often it said so if active.
  bool active = false;
  base::Timestamp since{};
  std::uint32_t seen = 0;
  // The same with its delays applied. Only with an episode: open, or cleared by hand.
  bool standing = false;
  base::Timestamp judged{};
  std::string detail{};  // while pending
  std::unique_ptr<Episode> episode{};

  // Where it stands in the engine's lists.
  base::Timestamp due = kNever;
  std::uint64_t order = 0;  // of equal dues: of the condition alone, so that a restart does not change it
  std::size_t open_place = 0;
  std::size_t changed_place = SIZE_MAX;  // none
  bool episode_changed = false, pending_changed = false;
  bool pending_written = false;
  base::Timestamp judged_written{};

  bool is_open() const { return episode != nullptr && episode->is_open(); }
  bool is_pending() const { return active && !standing; }
  bool is_over() const { return episode == nullptr && !active; }
};

// A condition as one looks it up.
struct ConditionRef {
  Rule rule;
  const Subject& subject;

  template <class H>
  friend H AbslHashValue(H state, const ConditionRef& ref) {
    return H::combine(std::move(state), ref.rule, ref.subject);
  }
};

using TrackPointer = std::unique_ptr<Track>;

struct TrackHash {
  using is_transparent = void;
  std::size_t operator()(const ConditionRef& ref) const { return absl::Hash<ConditionRef>()(ref); }
  std::size_t operator()(const TrackPointer& track) const {
    return (*this)(ConditionRef{track->condition.rule, track->condition.subject});
  }
};
struct TrackEqual {
  using is_transparent = void;
  bool operator()(const TrackPointer& a, const ConditionRef& b) const {
    return a->condition.subject.number == b.subject.number && a->condition.rule == b.rule &&
           a->condition.subject == b.subject;
  }
  bool operator()(const ConditionRef& a, const TrackPointer& b) const { return (*this)(b, a); }
  bool operator()(const TrackPointer& a, const TrackPointer& b) const { return a->condition == b->condition; }
};

struct Deadline {
  base::Timestamp due;
  Track* track;
};
struct DeadlineLess {
  bool operator()(const Deadline& a, const Deadline& b) const {
    if (a.due != b.due) return a.due < b.due;
    if (a.track->order != b.track->order) return a.track->order < b.track->order;
    return a.track->condition < b.track->condition;
  }
};

// The same in every process, unlike absl's.
inline std::uint64_t stable_hash(const Condition& condition) {
  std::uint64_t hash = condition.subject.number * 0x9E3779B97F4A7C15ULL;
  for (const char c : condition.subject.name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3ULL;
  hash ^= (static_cast<std::uint64_t>(condition.rule) << 8U | static_cast<std::uint64_t>(condition.subject.kind)) *
          0xD6E8FEB86659FD93ULL;
  return hash ^ hash >> 29U;
}

// At most `bytes`, not in the middle of a UTF-8 character.
inline std::string_view cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<std::uint8_t>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

}  // namespace meterhub::alarm
