// An episode: one trouble of one subject under one rule, from the time it was raised until it is over. And what the
// engine (episodes.h) hands out to be written and told. Values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <meterhub/alarm/names.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>

namespace meterhub::alarm {

// Rises with every episode, never used again. The first is 1.
using EpisodeId = base::Id<struct EpisodeTag, std::uint64_t>;

// What has the trouble.
struct Subject {
  SubjectKind kind = SubjectKind::kMeter;
  std::uint64_t number = 0;  // a meter's EUI, else 0
  std::string name{};        // a gateway's id, a building's, district's or tenant's name; empty for a meter

  static Subject meter(base::Eui64 eui) { return {SubjectKind::kMeter, eui.value, {}}; }
  static Subject named(SubjectKind kind, std::string name) { return {kind, 0, std::move(name)}; }
  // A meter's EUI as 16 hex digits, else the name.
  std::string text() const;

  auto operator<=>(const Subject&) const = default;

  template <class H>
  friend H AbslHashValue(H state, const Subject& subject) {
    return H::combine(std::move(state), subject.kind, subject.number, subject.name);
  }
};

inline constexpr std::size_t kDetailBytesMax = 200;

struct Episode {
  EpisodeId id{};
  Rule rule{};
  Subject subject{};
  base::TenantNumber tenant{};
  Severity severity{};
  State state{};
  base::Timestamp raised{};     // first; a reopened episode keeps it
  base::Timestamp last_seen{};  // the condition, last
  // Since when it is back to normal (kReturned, kCleared, and kShelved whose condition has gone) or was cleared by
  // hand. Nothing while the condition stands.
  std::optional<base::Timestamp> cleared{};
  std::uint64_t count = 0;     // observations of the condition
  std::uint32_t reopened = 0;  // how often it came back
  std::string owner{};         // user name; empty: nobody's
  // Who acknowledged it last, and when; empty and nothing since it was last raised.
  std::string acknowledged_by{};
  std::optional<base::Timestamp> acknowledged{};
  std::optional<base::Timestamp> shelved_until{};  // kShelved only
  std::string detail{};  // short text with the figure, at most kDetailBytesMax bytes of UTF-8
  std::string comment{};  // the last one
  bool flood = false;     // last raised in a flood: nobody got a notice of it

  // What the engine goes on from after a restart.
  bool standing = false;                        // the condition, with its delays applied
  std::optional<base::Timestamp> gone_since{};  // standing, and seen absent since then: waits for Policy::clear_after
  base::Timestamp judged{};  // the newest observation or change that counted

  bool is_open() const { return state != State::kCleared; }
  bool operator==(const Episode&) const = default;
};

// A condition that is there and not yet an episode, or not yet one again: waits for Policy::raise_after, raise_count.
struct Pending {
  Rule rule{};
  Subject subject{};
  base::TenantNumber tenant{};
  base::Timestamp since{};  // first seen
  base::Timestamp judged{};  // last seen
  std::uint32_t count = 0;  // how often
  std::string detail{};

  bool operator==(const Pending&) const = default;
};

// Raises of one rule and tenant in the last ten minutes, and whether they are a flood.
struct Flow {
  base::TenantNumber tenant{};
  Rule rule{};
  bool flood = false;
  base::Timestamp began{};  // of the flood
  std::uint64_t raised = 0;  // new episodes in the flood so far
  // New episodes of the minutes up to `minute` (minutes since 1970), the newest first.
  std::int64_t minute = 0;
  std::vector<std::uint32_t> minutes{};

  bool operator==(const Flow&) const = default;
};

enum class Event : std::uint8_t {
  kRaised,
  kReopened,  // the condition came back, or shelving ended while it stands
  kReturned,  // the condition has gone; the state says whether somebody still has to acknowledge it
  kCleared,  // over
  kAcknowledged,
  kAssigned,
  kCommented,
  kShelved,
  kUnshelved,  // by somebody, or because its time was over
  kFloodBegins,  // notices only
  kFloodEnds,
};
inline constexpr std::size_t kEvents = 11;
inline constexpr Names<kEvents> kEventNames{"raised",       "reopened",     "returned",  "cleared",
                                            "acknowledged", "assigned",     "commented", "shelved",
                                            "unshelved",    "flood_begins", "flood_ends"};
constexpr std::string_view name(Event event) { return kEventNames[static_cast<std::size_t>(event)]; }

// Who did what to an episode.
struct HistoryEntry {
  EpisodeId episode{};
  base::Timestamp at{};
  std::string who{};  // user name; empty: the platform
  Event what{};
  State from = State::kCleared;
  State to = State::kCleared;
  std::string text{};  // the new owner, the comment, the reason, until when it is shelved (RFC 3339), the detail

  bool operator==(const HistoryEntry&) const = default;
};

// What people may be told. Events: kRaised, kReopened, kCleared (the condition has gone, or it was cleared by hand:
// once a raise), kAcknowledged; and kFloodBegins, kFloodEnds, which have no episode and no subject. An episode with
// `flood` has none of its own.
struct Notice {
  Event event{};
  base::Timestamp at{};
  EpisodeId episode{};
  Rule rule{};
  Severity severity{};
  base::TenantNumber tenant{};
  Subject subject{};
  std::string detail{};
  base::Timestamp raised{};  // of a flood: when it began
  std::uint64_t count = 0;  // of an episode: observations; of a flood: new episodes so far
  std::uint32_t reopened = 0;
  std::string who{};  // who acknowledged or cleared it; empty: the platform

  bool operator==(const Notice&) const = default;
};

// A rule and subject: there is one track of both.
struct Condition {
  Rule rule{};
  Subject subject{};
  auto operator<=>(const Condition&) const = default;
};

// All that changed since the last time, to be written in one transaction (tables/episodes.h). Each episode, condition
// and flow is there once, as it is now; history and notices in the order in which they came.
struct Changes {
  std::vector<Episode> episodes{};
  std::vector<HistoryEntry> history{};
  std::vector<Notice> notices{};
  std::vector<Pending> pending{};
  std::vector<Condition> pending_gone{};
  std::vector<Flow> flows{};
  std::vector<std::pair<base::TenantNumber, Rule>> flows_gone{};

  bool empty() const {
    return episodes.empty() && history.empty() && notices.empty() && pending.empty() && pending_gone.empty() &&
           flows.empty() && flows_gone.empty();
  }
};

// What was written: from here the engine goes on.
struct Saved {
  // All open ones, those whose condition still stands (cleared by hand), and those cleared so lately that a raise may
  // reopen them. Others do no harm.
  std::vector<Episode> episodes{};
  std::vector<Pending> pending{};
  std::vector<Flow> flows{};
  EpisodeId last_id{};  // ever given; 0: none
};

}  // namespace meterhub::alarm
