// An engine that is ended and made anew, at any point, from what it handed out, goes on as one that lived through.
// METERHUB_SEEDS that many cases.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

std::uint64_t cases() {
  const char* const count = std::getenv("METERHUB_SEEDS");
  return count != nullptr ? std::strtoull(count, nullptr, 10) : 2'000;
}

// What a database would hold.
class Store {
 public:
  void write(const Changes& changes) {
    for (const auto& episode : changes.episodes) episodes_[episode.id] = episode;
    for (const auto& gone : changes.pending_gone) pending_.erase(gone);
    for (const auto& pending : changes.pending) pending_[{pending.rule, pending.subject}] = pending;
    for (const auto& gone : changes.flows_gone) flows_.erase(gone);
    for (const auto& flow : changes.flows) flows_[{flow.tenant, flow.rule}] = flow;
  }
  Saved read(base::Timestamp cleared_from) const {
    Saved out;
    for (const auto& [id, episode] : episodes_) {
      out.last_id = id;
      if (episode.is_open() || episode.standing || *episode.cleared >= cleared_from) out.episodes.push_back(episode);
    }
    for (const auto& [condition, pending] : pending_) out.pending.push_back(pending);
    for (const auto& [key, flow] : flows_) out.flows.push_back(flow);
    return out;
  }

 private:
  std::map<EpisodeId, Episode> episodes_;
  std::map<Condition, Pending> pending_;
  std::map<std::pair<base::TenantNumber, Rule>, Flow> flows_;
};

class Life {
 public:
  Life(std::uint64_t seed, EpisodesOptions options) : random_(seed), options_(options) {
    for (std::size_t rule = 0; rule < kRules; ++rule) {
      (void)policies_.set(static_cast<Rule>(rule), {.raise_after = seconds(60),
                                                    .raise_count = static_cast<std::uint32_t>(1 + draw(2) * draw(4)),
                                                    .clear_after = seconds(60),
                                                    .flap_window = seconds(300),
                                                    .latched = draw(3) == 0});
    }
    for (auto* const engine : {&through_, &again_}) *engine = fresh();
  }

  void step() {
    now_ += draw(20);
    const auto subject = draw(4) == 0 ? Subject::named(SubjectKind::kGateway, "gw-" + std::to_string(draw(2)))
                                      : meter(1 + static_cast<std::uint64_t>(draw(12)));
    const auto rule = draw(2) == 0 ? Rule::kLeak : Rule::kBatteryLow;
    auto& moves = moves_[subject];
    if (draw(30) == 0) ++moves;
    const base::TenantNumber tenant(static_cast<std::uint32_t>(1 + (subject.number + moves) % 2));
    const auto kind = draw(16);
    const bool active = draw(2) == 0;
    const auto detail = std::to_string(draw(100)) + " l/h";
    const Filter which{.ids = std::vector{EpisodeId(1 + static_cast<std::uint64_t>(draw(20))),
                                          EpisodeId(1 + static_cast<std::uint64_t>(draw(20)))}};
    const auto until = now_ + 1 + draw(200);
    for (auto* const engine : {&through_, &again_}) {
      switch (kind) {
        case 0: engine->tick(second(now_)); break;
        case 1: (void)engine->acknowledge(which, Bench::by(now_)); break;
        case 2: (void)engine->shelve(which, Bench::by(now_), second(until)); break;
        case 3: (void)engine->unshelve(which, Bench::by(now_)); break;
        case 4: (void)engine->clear(which, Bench::by(now_), "why"); break;
        case 5: (void)engine->assign(which, Bench::by(now_), "li"); break;
        default: engine->observe({rule, subject, tenant, active, second(now_), detail}); break;
      }
    }
    if (draw(3) == 0) take();
    if (draw(8) == 0) restart();
  }

  // Both hand out the same.
  void take() {
    auto expected = through_.take_changes(), got = again_.take_changes();
    store_.write(got);
    for (auto* const changes : {&expected, &got}) {
      std::ranges::sort(changes->episodes, {}, &Episode::id);
      std::ranges::sort(changes->pending_gone);
      std::ranges::sort(changes->pending, {}, [](const Pending& one) { return Condition{one.rule, one.subject}; });
    }
    if (!is_exact()) {
      for (auto* const changes : {&expected, &got}) forget_what_was_seen(*changes);
    }
    ASSERT_EQ(got.history, expected.history);
    ASSERT_EQ(got.notices, expected.notices);
    ASSERT_EQ(got.flows, expected.flows);
    ASSERT_EQ(got.flows_gone, expected.flows_gone);
    if (!is_exact()) return;  // when what was seen is written depends on when it was last
    ASSERT_EQ(got.episodes, expected.episodes);
    ASSERT_EQ(got.pending, expected.pending);
    ASSERT_EQ(got.pending_gone, expected.pending_gone);
  }
  void restart() {
    take();
    again_ = fresh();
    // Time was told last at most a few minutes ago, and a flap window is at most 300 s.
    again_.load(store_.read(draw(2) == 0 ? second(now_ - 2 * 300) : base::Timestamp::min()));
    EXPECT_FALSE(again_.changed());
  }
  void compare() {
    auto expected = through_.list({}, {{SortKey::kId}}, {}).episodes,
         got = again_.list({}, {{SortKey::kId}}, {}).episodes;
    if (!is_exact()) {
      for (auto* const all : {&expected, &got}) {
        for (auto& one : *all) one.last_seen = one.judged = {}, one.count = 0, one.detail.clear();
      }
    }
    ASSERT_EQ(got, expected);
    ASSERT_EQ(again_.counts().by_state, through_.counts().by_state);
    const auto floods = [](const Episodes& engine) {
      std::map<std::pair<base::TenantNumber, Rule>, std::uint64_t> out;
      for (const auto& flow : engine.floods()) out[{flow.tenant, flow.rule}] = flow.raised;
      return out;
    };
    ASSERT_EQ(floods(again_), floods(through_));
  }

 private:
  std::int64_t draw(std::int64_t n) { return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n)); }
  std::chrono::seconds seconds(std::int64_t n) { return std::chrono::seconds(draw(2) == 0 ? 0 : draw(n)); }
  Episodes fresh() const { return Episodes(policies_, options_); }
  static void forget_what_was_seen(Changes& changes) {
    for (auto& entry : changes.history) entry.text.clear();
    for (auto& notice : changes.notices) notice.count = 0, notice.detail.clear();
  }
  bool is_exact() const { return options_.seen_written_every == base::Duration::zero(); }

  std::mt19937_64 random_;
  EpisodesOptions options_;
  Policies policies_;
  Episodes through_{Policies()}, again_{Policies()};
  Store store_;
  std::map<Subject, std::uint64_t> moves_;  // to the other tenant and back
  std::int64_t now_ = 0;
};

void live(EpisodesOptions options) {
  for (std::uint64_t seed = 0; seed < cases(); ++seed) {
    Life life(seed, options);
    for (int step = 0; step < 120; ++step) {
      life.step();
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << ", step " << step;
    }
    life.compare();
    ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed;
  }
}

TEST(Restart, AtAnyPointChangesNothing) { live({.flood_raises = 4, .seen_written_every = base::Duration::zero()}); }

TEST(Restart, LosesOnlyWhatWasSeenSinceItWasWrittenLast) { live({.flood_raises = 4}); }

TEST(Restart, ACleanEndLosesNothing) {
  Bench bench;
  bench.there(0);
  Store store;
  store.write(bench.take());
  bench.see(true, 5, 1, Rule::kLeak, kTenant, "99 l/h");
  EXPECT_TRUE(bench.take().empty()) << "seen, and nothing else";
  EXPECT_EQ(store.read(second(0)).episodes.at(0).count, 1U);
  store.write(bench.engine.take_changes(Episodes::Seen::kAll));
  EXPECT_EQ(store.read(second(0)).episodes.at(0), bench.episode());
  EXPECT_EQ(bench.episode().count, 2U);
  EXPECT_TRUE(bench.engine.take_changes(Episodes::Seen::kAll).empty());
}

TEST(Restart, WhatIsOnlySeenIsWrittenEveryTenMinutes) {
  Bench bench;
  std::size_t written = 0;
  for (std::int64_t at = 0; at < 3'600; at += 30) {
    bench.there(at);
    written += bench.take().episodes.size();
  }
  EXPECT_EQ(written, 6U);
}

TEST(Restart, NumbersGoOnWhereTheyStood) {
  Bench bench;
  bench.engine.load({.last_id = EpisodeId(41)});
  bench.there(0);
  EXPECT_EQ(bench.episode(42).id, EpisodeId(42));
}

}  // namespace
}  // namespace meterhub::alarm
