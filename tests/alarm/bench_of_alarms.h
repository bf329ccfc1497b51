// An engine with one policy for all rules, and short words for what is done to it. Times are seconds.
#pragma once

#include <string>
#include <vector>

#include <meterhub/alarm/episodes.h>

namespace meterhub::alarm {

using namespace std::chrono_literals;

inline base::Timestamp second(std::int64_t n) { return base::Timestamp(std::chrono::seconds(1'700'000'000 + n)); }
inline Subject meter(std::uint64_t number) { return Subject::meter(base::Eui64(number)); }
inline constexpr base::TenantNumber kTenant{1};

inline Policies all_rules(const Policy& policy) {
  Policies out;
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    if (!out.set(static_cast<Rule>(rule), policy)) std::abort();
  }
  return out;
}

class Bench {
 public:
  explicit Bench(const Policy& policy = {}, EpisodesOptions options = {}) : engine(all_rules(policy), options) {}

  void see(bool active, std::int64_t at, std::uint64_t number = 1, Rule rule = Rule::kLeak,
           base::TenantNumber tenant = kTenant, std::string_view detail = "12 l/h") {
    engine.observe({.rule = rule,
                    .subject = meter(number),
                    .tenant = tenant,
                    .active = active,
                    .at = second(at),
                    .detail = detail});
  }
  void there(std::int64_t at, std::uint64_t number = 1) { see(true, at, number); }
  void gone(std::int64_t at, std::uint64_t number = 1) { see(false, at, number); }
  void tick(std::int64_t at) { engine.tick(second(at)); }

  Outcome acknowledge(std::int64_t at, const Filter& which = {}) { return *engine.acknowledge(which, by(at)); }
  Outcome shelve(std::int64_t at, std::int64_t until, const Filter& which = {}) {
    return *engine.shelve(which, by(at), second(until));
  }
  Outcome unshelve(std::int64_t at, const Filter& which = {}) { return *engine.unshelve(which, by(at)); }
  Outcome clear(std::int64_t at, const Filter& which = {}) { return *engine.clear(which, by(at), "looked at it"); }

  const Episode& episode(std::uint64_t id = 1) const { return *engine.find(EpisodeId(id)); }
  State state(std::uint64_t id = 1) const { return episode(id).state; }
  // Of what was taken now, as text: "raised 1".
  std::vector<std::string> notices() {
    std::vector<std::string> out;
    for (const auto& notice : take().notices) {
      out.push_back(std::string(name(notice.event)) + " " +
                    (notice.episode.value > 0 ? std::to_string(notice.episode.value) : std::to_string(notice.count)));
    }
    return out;
  }
  // "raised cleared>unacknowledged at 5".
  std::vector<std::string> history() {
    std::vector<std::string> out;
    for (const auto& entry : take().history) {
      out.push_back(std::string(name(entry.what)) + " " + std::string(name(entry.from)) + ">" +
                    std::string(name(entry.to)) + " at " + std::to_string((entry.at - second(0)) / 1s));
    }
    return out;
  }
  Changes take() { return engine.take_changes(); }
  static By by(std::int64_t at) { return {.who = "wang", .at = second(at)}; }
  static Filter only(std::uint64_t id) { return {.ids = std::vector{EpisodeId(id)}}; }

  Episodes engine;
};

}  // namespace meterhub::alarm
