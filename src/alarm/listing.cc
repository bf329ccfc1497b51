#include <algorithm>
#include <compare>

#include "engine.h"

namespace meterhub::alarm {
namespace {

template <class Enum>
std::uint32_t bits(const std::vector<Enum>& wanted) {
  std::uint32_t out = 0;
  for (const auto one : wanted) out |= 1U << static_cast<unsigned>(one);
  return wanted.empty() ? UINT32_MAX : out;
}

template <class Enum>
bool has(std::uint32_t set, Enum one) {
  return (set >> static_cast<unsigned>(one) & 1U) != 0;
}

// A filter, made ready to be asked of each episode.
class Sieve {
 public:
  explicit Sieve(const Filter& which)
      : which_(which),
        rules_(bits(which.rules)),
        severities_(bits(which.severities)),
        states_(bits(which.states)),
        kinds_(bits(which.kinds)) {
    if (which.tenants) tenants_.insert(which.tenants->begin(), which.tenants->end());
  }

  bool admits(const Episode& episode) const {
    return has(rules_, episode.rule) && has(severities_, episode.severity) && has(states_, episode.state) &&
           has(kinds_, episode.subject.kind) && admits_tenant(episode) && admits_times(episode) &&
           (!which_.owner || *which_.owner == episode.owner) &&
           (!which_.subject || *which_.subject == episode.subject) && (!which_.matches || which_.matches(episode));
  }

 private:
  bool admits_tenant(const Episode& episode) const { return !which_.tenants || tenants_.contains(episode.tenant); }
  bool admits_times(const Episode& episode) const {
    return (!which_.raised_from || episode.raised >= *which_.raised_from) &&
           (!which_.raised_before || episode.raised < *which_.raised_before);
  }

  const Filter& which_;
  std::uint32_t rules_, severities_, states_, kinds_;
  absl::flat_hash_set<base::TenantNumber> tenants_;
};

std::strong_ordering compare(const Episode& a, const Episode& b, SortKey key) {
  switch (key) {
    case SortKey::kId: return a.id <=> b.id;
    case SortKey::kSeverity: return a.severity <=> b.severity;
    case SortKey::kState: return a.state <=> b.state;
    case SortKey::kRule: return a.rule <=> b.rule;
    case SortKey::kRaised: return a.raised <=> b.raised;
    case SortKey::kLastSeen: return a.last_seen <=> b.last_seen;
    case SortKey::kCount: return a.count <=> b.count;
    case SortKey::kTenant: return a.tenant <=> b.tenant;
    case SortKey::kSubject: return a.subject <=> b.subject;
    case SortKey::kOwner: return a.owner <=> b.owner;
  }
  return std::strong_ordering::equal;
}

// The page's place in the order, without sorting more than the page.
void put_page_in_order(std::vector<const Episode*>& all, std::size_t begin, std::size_t end,
                       const std::vector<SortBy>& order) {
  const auto less = [&](const Episode* a, const Episode* b) {
    for (const auto& by : order) {
      const auto result = compare(*a, *b, by.key);
      if (result != 0) return by.descending ? result > 0 : result < 0;
    }
    return a->id > b->id;
  };
  const auto at = [&](std::size_t place) { return all.begin() + static_cast<std::ptrdiff_t>(place); };
  if (end < all.size()) std::nth_element(all.begin(), at(end), all.end(), less);
  if (begin < end) std::nth_element(all.begin(), at(begin), at(end), less);
  std::sort(at(begin), at(end), less);
}

}  // namespace

std::vector<const Episode*> Episodes::Engine::admitted(const Filter& which) const {
  const Sieve sieve(which);
  std::vector<const Episode*> out;
  if (!which.ids) {
    for (const auto* const track : open_) {
      if (sieve.admits(*track->episode)) out.push_back(track->episode.get());
    }
    return out;
  }
  auto ids = *which.ids;
  std::ranges::sort(ids);
  const auto again = std::ranges::unique(ids);
  ids.erase(again.begin(), again.end());
  for (const auto id : ids) {
    const auto* const episode = find(id);
    if (episode != nullptr && sieve.admits(*episode)) out.push_back(episode);
  }
  return out;
}

Listing Episodes::Engine::list(const Filter& which, const std::vector<SortBy>& order, Page page) const {
  auto all = admitted(which);
  std::erase_if(all, [](const Episode* episode) { return !episode->is_open(); });
  Listing out{.episodes = {}, .total = all.size()};
  const auto begin = std::min(page.offset, all.size());
  const auto end = begin + std::min(page.limit, all.size() - begin);
  put_page_in_order(all, begin, end, order);
  for (auto place = begin; place < end; ++place) out.episodes.push_back(*all[place]);
  return out;
}

const Episode* Episodes::Engine::find(EpisodeId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second->episode.get();
}

Counts Episodes::Engine::counts(const std::optional<std::vector<base::TenantNumber>>& tenants) const {
  Counts out;
  const auto add = [&](const Tally& tally) {
    for (std::size_t rule = 0; rule < kRules; ++rule) {
      for (std::size_t severity = 0; severity < kSeverities; ++severity) {
        for (std::size_t state = 0; state < kStates; ++state) {
          const auto count = tally.open[rule][severity][state];
          out.by_rule[rule] += count;
          out.by_severity[severity] += count;
          out.by_state[state] += count;
          out.open += count;
        }
      }
    }
  };
  if (!tenants) {
    for (const auto& [tenant, tally] : tallies_) add(*tally);
    return out;
  }
  for (const auto tenant : absl::flat_hash_set<base::TenantNumber>(tenants->begin(), tenants->end())) {
    if (const auto found = tallies_.find(tenant); found != tallies_.end()) add(*found->second);
  }
  return out;
}

}  // namespace meterhub::alarm
