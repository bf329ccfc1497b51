// The engine of episodes: conditions in, episodes, history and notices out (design part 4, database; ISA-18.2).
//
// Callers tell levels, not edges: "the balance of this meter is low", again and again, and "it is not". The engine
// makes one episode of each trouble, with delays and flap damping (policy.h), keeps the open ones and carries out what
// people do to them. It does no I/O and reads no clock: times come with the calls, and the same calls give the same
// result.
//
// Time. Observations of one rule and subject come in the order of their event time; one older than what was judged is
// left out (and counted), unless the caller says that it is the newest all the same. tick(now) says that event time has come to `now`. Delays end at their exact time, however
// late tick() tells it: raised and cleared are those times. So how calls are batched changes nothing, as long as no
// observation is older than a tick before it.
//
// Cleared by hand while the condition stands: the episode is over, and another one is raised only after the condition
// was seen gone for Policy::clear_after.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/alarm/episode.h>
#include <meterhub/alarm/names.h>
#include <meterhub/alarm/policy.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>

namespace meterhub::alarm {

struct Observation {
  Rule rule{};
  Subject subject{};
  base::TenantNumber tenant{};
  bool active = false;
  base::Timestamp at{};       // event time
  std::string_view detail{};  // of an active one: short text with the figure; cut at kDetailBytesMax
  // The caller knows their order by better than clocks: where `at` is older than what was judged, it counts from there.
  bool is_newest = false;
};

// Which open episodes. What is left out admits all.
struct Filter {
  std::optional<std::vector<EpisodeId>> ids{};
  // A tenant's user sees his own only. An empty list admits none.
  std::optional<std::vector<base::TenantNumber>> tenants{};
  std::vector<Rule> rules{};
  std::vector<Severity> severities{};
  std::vector<State> states{};
  std::vector<SubjectKind> kinds{};
  std::optional<std::string> owner{};  // "": nobody's
  std::optional<Subject> subject{};
  std::optional<base::Timestamp> raised_from{}, raised_before{};
  // Asked last: free text over what the caller knows of a subject.
  std::function<bool(const Episode&)> matches{};
};

enum class SortKey : std::uint8_t {
  kId,
  kSeverity,
  kState,
  kRule,
  kRaised,
  kLastSeen,
  kCount,
  kTenant,
  kSubject,
  kOwner
};
struct SortBy {
  SortKey key = SortKey::kId;
  bool descending = false;
};

struct Page {
  std::size_t offset = 0;
  std::size_t limit = 100;
};

struct Listing {
  std::vector<Episode> episodes{};
  std::size_t total = 0;  // that the filter admits
};

// Who acts, and when.
struct By {
  std::string_view who{};  // user name, 1 to 100 bytes
  base::Timestamp at{};
};

enum class Refusal : std::uint8_t {
  kUnknown,              // no such open episode, or not one the filter admits
  kCleared,              // over already
  kAcknowledged,         // already
  kShelved,              // take it out first
  kNotShelved,
  kUnacknowledged,       // latched: acknowledge it first
};
inline constexpr Names<6> kRefusalNames{"unknown", "cleared",     "acknowledged",
                                        "shelved", "not_shelved", "unacknowledged"};
constexpr std::string_view name(Refusal refusal) { return kRefusalNames[static_cast<std::size_t>(refusal)]; }

struct Outcome {
  std::size_t done = 0;
  std::vector<std::pair<EpisodeId, Refusal>> refused{};
};

// Open episodes.
struct Counts {
  std::array<std::uint64_t, kRules> by_rule{};
  std::array<std::uint64_t, kSeverities> by_severity{};
  std::array<std::uint64_t, kStates> by_state{};
  std::uint64_t open = 0;
};

// Since the engine was made.
struct Counters {
  std::uint64_t observed = 0;    // active ones
  std::uint64_t stale = 0;       // older than what was judged, left out
  std::uint64_t raised = 0;      // new episodes
  std::uint64_t reopened = 0;
  std::uint64_t untracked = 0;   // raises that were not tracked, as open_max were open
  std::uint64_t unremembered = 0;  // cleared episodes that no raise can reopen, as too many were remembered
};

struct EpisodesOptions {
  // Open episodes. As many conditions may be pending, and as many cleared episodes remembered. Beyond, a raise is
  // counted and not tracked: the condition will be told again.
  std::size_t open_max = 300'000;
  // More new episodes of one rule and tenant in ten minutes than `flood_raises`, and than `flood_percent` of the
  // tenant's subjects, are a flood. It ends after ten minutes with less than a tenth of that.
  std::uint64_t flood_raises = 1'000;
  std::uint32_t flood_percent = 2;
  // An episode of which nothing changed but last_seen, count, detail and judged is handed out for writing once in so
  // much event time; 0: every time. A crash loses what those said since.
  base::Duration seen_written_every = std::chrono::minutes(10);
};

// One thread.
class Episodes {
 public:
  explicit Episodes(Policies policies, EpisodesOptions options = {});
  ~Episodes();
  Episodes(Episodes&&) noexcept;
  Episodes& operator=(Episodes&&) noexcept;

  // Once, before any other call. Goes on from there as if nothing had happened.
  void load(Saved saved);
  // Takes effect at once; what is open keeps its severity until it is reopened. Delays under way follow the new policy.
  void set_policies(Policies policies);
  // How many meters and gateways a tenant has: what a flood is measured by. 0 until it is told.
  void set_subjects(base::TenantNumber tenant, std::uint64_t count);

  // An inactive one of what is not tracked costs one look into a hash table.
  void observe(const Observation& observation);
  // Event time has come to `now`: ends delays and shelving, forgets what can no more be reopened, ends floods. It does
  // not go back: an earlier `now` does nothing.
  void tick(base::Timestamp now);

  // What people do, to all that the filter admits. kInvalidArgument when the request itself is wrong (no name; a text
  // or name too long; no reason; shelved into the past): then nothing was done. They tick(by.at) before. With
  // Filter::ids, the ids that are not admitted are refused as kUnknown.
  base::Result<Outcome> acknowledge(const Filter& which, By by);
  base::Result<Outcome> assign(const Filter& which, By by, std::string_view owner);  // "": nobody
  base::Result<Outcome> comment(const Filter& which, By by, std::string_view text);  // 1 to 1,000 bytes
  base::Result<Outcome> shelve(const Filter& which, By by,
                               base::Timestamp until);  // at most 366 days; may be changed so
  // Also when its time is over: if the condition stands, the episode is unacknowledged again.
  base::Result<Outcome> unshelve(const Filter& which, By by);
  base::Result<Outcome> clear(const Filter& which, By by, std::string_view reason);  // 1 to 1,000 bytes

  // Sorted by the keys in their order, then the newest first.
  Listing list(const Filter& which, const std::vector<SortBy>& order, Page page) const;
  // An open episode, or one that is remembered; nothing otherwise. Until the next call that is not const.
  const Episode* find(EpisodeId id) const;
  Counts counts(const std::optional<std::vector<base::TenantNumber>>& tenants = {}) const;
  // Those under way.
  std::vector<Flow> floods() const;
  const Counters& counters() const;
  std::size_t open() const;

  // What changed since the last call. `kAll` hands out last_seen and count too, whenever they were written last: for a
  // clean end.
  enum class Seen : std::uint8_t { kWhenDue, kAll };
  Changes take_changes(Seen seen = Seen::kWhenDue);
  // Whether take_changes() would give anything.
  bool changed() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace meterhub::alarm
