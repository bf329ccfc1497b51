// Processes that share a clock and run one at a time, in an order that a seed decides.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/commit_point.h>
#include <meterhub/net/event_loop.h>

#include "simulated_network.h"

namespace meterhub::simulation {

// Thrown at a commit point: the process that reached it is no more.
struct Died {};

// A process: a loop and what its `start` has made on it. Its death drops all of that, with
// the tasks and timers; then it is started anew.
class Process {
 public:
  using Parts = std::vector<std::shared_ptr<void>>;  // destroyed from the last to the first
  using Start = std::function<Parts(Process&)>;

  Process(std::string name, Start start) : name_(std::move(name)), start_(std::move(start)) {}
  ~Process() { clear(); }
  net::EventLoop& loop() { return *loop_; }
  const std::string& name() const { return name_; }
  bool lives() const { return loop_ != nullptr; }

 private:
  friend class World;
  void clear();

  const std::string name_;
  const Start start_;
  std::unique_ptr<net::EventLoop> loop_;
  Parts parts_;
  base::MonotonicTime free_at_{};  // busy, asleep or dead until then
};

class World final : base::CommitPointWatch {
 public:
  World(std::uint64_t seed, base::Timestamp start);
  ~World() override;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const base::Clock& clock() const { return clock_; }
  SimulatedNetwork& network() { return network_; }
  std::mt19937_64& random() { return random_; }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(random_); }

  Process& add(std::string name, Process::Start start);
  Process& process(std::string_view name);
  void run_for(std::chrono::nanoseconds span);
  // All processes go; nothing may be run after it.
  void end();

  // As a kill -9, and begun again after `pause`.
  void kill(Process& process, std::chrono::nanoseconds pause);
  // As a SIGSTOP: nothing of it runs for so long, then everything that has waited does.
  void suspend(Process& process, std::chrono::nanoseconds span);
  // Told of each death, before the process is started anew.
  std::function<void(Process&)> on_death;

  // Whoever reaches this point after it was passed so often dies there, once.
  void plan_death(const std::string& point, std::uint64_t passes) { planned_[point] = passes; }
  bool death_planned(std::string_view point) const { return planned_.contains(point); }
  void plan_no_deaths() { planned_.clear(); }
  const std::map<std::string, std::uint64_t, std::less<>>& points_reached() const { return reached_; }
  const std::set<std::string, std::less<>>& points_died_at() const { return died_at_; }

  // One line of what happened; printed when asked for, and always part of the hash.
  void note(std::string_view text);
  void mix(std::string_view bytes);
  std::uint64_t hash() const { return hash_; }
  bool verbose = false;

 private:
  void reached(std::string_view name) override;
  void start(Process& process);
  Process* next();
  void step(Process& process);

  std::mt19937_64 random_;
  base::ManualClock clock_;
  SimulatedNetwork network_;
  std::vector<std::unique_ptr<Process>> processes_;
  Process* running_ = nullptr;
  std::map<std::string, std::uint64_t, std::less<>> planned_;  // passes left
  std::map<std::string, std::uint64_t, std::less<>> reached_;
  std::set<std::string, std::less<>> died_at_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace meterhub::simulation
