// The engine against a model that goes through time second by second and looks back at all that was observed. One
// condition; random policies, observations, people. And: how calls are batched changes nothing. METERHUB_SEEDS that
// many cases.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

std::uint64_t cases() {
  const char* const count = std::getenv("METERHUB_SEEDS");
  return count != nullptr ? std::strtoull(count, nullptr, 10) : 20'000;
}

enum class Call : std::uint8_t { kThere, kGone, kAcknowledge, kShelve, kUnshelve, kClear };
struct Step {
  std::int64_t at;
  Call call;
  std::int64_t until = 0;  // kShelve
};

struct Case {
  Policy policy;
  std::vector<Step> steps;
  std::int64_t end = 0;
};

Case make(std::mt19937_64& random) {
  const auto draw = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); };
  Case out;
  const auto seconds = [&](std::int64_t n) { return std::chrono::seconds(draw(2) == 0 ? 0 : draw(n)); };
  out.policy = {.raise_after = seconds(8),
                .raise_count = static_cast<std::uint32_t>(1 + draw(2) * draw(4)),
                .clear_after = seconds(8),
                .flap_window = seconds(20),
                .latched = draw(2) == 0};
  std::int64_t at = 0;
  for (auto n = 5 + draw(25); n > 0; --n) {
    at += draw(3) == 0 ? draw(15) : draw(3);
    const auto kind = draw(14);
    const auto call = kind < 5 ? Call::kThere : kind < 9 ? Call::kGone : static_cast<Call>(kind - 9 + 1);
    out.steps.push_back({at, call, call == Call::kShelve ? at + 1 + draw(25) : 0});
  }
  out.end = at + 60;
  return out;
}

// Line for line what the documents say, and no deadline anywhere.
class Model {
 public:
  explicit Model(const Policy& policy) : policy_(policy) {}

  std::vector<std::string> run(const Case& one) {
    std::size_t next = 0;
    for (now_ = 0; now_ <= one.end; ++now_) {
      time_passes();
      for (; next < one.steps.size() && one.steps[next].at == now_; ++next) {
        apply(one.steps[next]);
        time_passes();
      }
    }
    return log_;
  }
  std::string state() const { return std::string(name(state_)); }
  std::uint32_t reopened() const { return reopened_; }
  std::uint64_t count() const { return count_; }

 private:
  struct Seen {
    std::int64_t at;
    bool active;
  };
  // The newest observations that say the same: how many, since when.
  std::pair<std::int64_t, std::int64_t> last_run() const {
    std::int64_t count = 0, since = now_;
    for (auto one = seen_.rbegin(); one != seen_.rend() && one->active == seen_.back().active; ++one, ++count)
      since = one->at;
    return {count, since};
  }
  std::int64_t in_seconds(base::Duration duration) const { return duration / 1s; }

  void time_passes() {
    for (bool more = true; more;) {
      more = false;
      if (!seen_.empty() && seen_.back().active != standing_) {
        const auto [count, since] = last_run();
        if (standing_ && now_ - since >= in_seconds(policy_.clear_after)) lower(), more = true;
        else if (!standing_ && count >= policy_.raise_count && now_ - since >= in_seconds(policy_.raise_after))
          raise(count), more = true;
      }
      if (state_ == State::kShelved && now_ >= until_) unshelve(), more = true;
    }
  }
  void to(State state, std::string_view what) {
    log_.push_back(std::string(what) + " " + std::string(name(state_)) + ">" + std::string(name(state)) + " at " +
                   std::to_string(now_));
    state_ = state;
  }
  void raise(std::int64_t count) {
    standing_ = true;
    const bool is_same = state_ != State::kCleared || (was_ && now_ < cleared_ + in_seconds(policy_.flap_window));
    if (!is_same) count_ = 0, reopened_ = 0;
    else ++reopened_;
    count_ += static_cast<std::uint64_t>(count);
    acknowledged_ = false;
    was_ = true;
    is_back_ = false;
    to(state_ == State::kShelved ? state_ : State::kUnacknowledged, is_same ? "reopened" : "raised");
  }
  void lower() {
    standing_ = false;
    if (state_ == State::kCleared) return;
    cleared_ = now_;
    is_back_ = true;
    if (state_ == State::kShelved) to(state_, "returned");
    else if (policy_.latched && !acknowledged_) to(State::kReturned, "returned");
    else to(State::kCleared, "cleared");
  }
  void unshelve() {
    if (standing_) acknowledged_ = false;
    to(standing_                           ? State::kUnacknowledged
       : policy_.latched && !acknowledged_ ? State::kReturned
                                           : State::kCleared,
       "unshelved");
  }
  void apply(const Step& step) {
    const bool is_open = state_ != State::kCleared;
    switch (step.call) {
      case Call::kThere:
        if (standing_ && is_open) ++count_;
        seen_.push_back({now_, true});
        break;
      case Call::kGone: seen_.push_back({now_, false}); break;
      case Call::kAcknowledge:
        if (state_ != State::kUnacknowledged && state_ != State::kReturned) break;
        acknowledged_ = true;
        to(state_ == State::kReturned ? State::kCleared : State::kAcknowledged, "acknowledged");
        break;
      case Call::kShelve:
        if (!is_open) break;
        until_ = step.until;
        to(State::kShelved, "shelved");
        break;
      case Call::kUnshelve:
        if (state_ == State::kShelved) unshelve();
        break;
      case Call::kClear:
        if (!is_open || (policy_.latched && !acknowledged_)) break;
        if (!is_back_) cleared_ = now_;
        to(State::kCleared, "cleared");
        break;
    }
  }

  Policy policy_;
  std::int64_t now_ = 0;
  std::vector<Seen> seen_;
  State state_ = State::kCleared;
  bool standing_ = false, acknowledged_ = false, was_ = false, is_back_ = false;
  std::int64_t cleared_ = 0, until_ = 0;
  std::uint32_t reopened_ = 0;
  std::uint64_t count_ = 0;
  std::vector<std::string> log_;
};

void apply(Bench& bench, const Step& step) {
  switch (step.call) {
    case Call::kThere: bench.there(step.at); break;
    case Call::kGone: bench.gone(step.at); break;
    case Call::kAcknowledge: (void)bench.acknowledge(step.at); break;
    case Call::kShelve: (void)bench.shelve(step.at, step.until); break;
    case Call::kUnshelve: (void)bench.unshelve(step.at); break;
    case Call::kClear: (void)bench.clear(step.at); break;
  }
}

enum class Ticks : std::uint8_t { kEverySecond, kNowAndThen, kAtTheEnd };

TEST(Model, SaysWhatTheEngineSaysHoweverTimeIsTold) {
  std::mt19937_64 random(21);
  for (std::uint64_t number = 0; number < cases(); ++number) {
    const auto one = make(random);
    Model model(one.policy);
    const auto expected = model.run(one);
    for (const auto ticks : {Ticks::kEverySecond, Ticks::kNowAndThen, Ticks::kAtTheEnd}) {
      Bench bench(one.policy);
      std::int64_t now = 0;
      for (const auto& step : one.steps) {
        for (; ticks == Ticks::kEverySecond && now <= step.at; ++now) bench.tick(now);
        if (ticks == Ticks::kNowAndThen && random() % 3 == 0) bench.tick(step.at);
        apply(bench, step);
        if (ticks == Ticks::kNowAndThen && random() % 3 == 0) bench.tick(step.at);
      }
      bench.tick(one.end);
      const auto last = bench.engine.list({}, {}, {});
      ASSERT_EQ(bench.history(), expected) << "case " << number << ", ticks " << static_cast<int>(ticks);
      ASSERT_EQ(last.total, model.state() == "cleared" ? 0U : 1U) << number;
      if (last.total == 0) continue;
      ASSERT_EQ(name(last.episodes[0].state), model.state()) << number;
      ASSERT_EQ(last.episodes[0].reopened, model.reopened()) << number;
      ASSERT_EQ(last.episodes[0].count, model.count()) << number;
    }
  }
}

}  // namespace
}  // namespace meterhub::alarm
