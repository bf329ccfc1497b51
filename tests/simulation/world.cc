#include "world.h"

#include <cstdio>
#include <stdexcept>

#include <meterhub/base/time_text.h>

namespace meterhub::simulation {

using namespace std::chrono_literals;

// The parts go before the loop, as their destructors call it.
void Process::clear() {
  while (!parts_.empty()) parts_.pop_back();
  loop_.reset();
}

World::World(std::uint64_t seed, base::Timestamp start) : random_(seed), clock_(start), network_(seed) {
  base::commit_point_watch.store(this);
}

World::~World() { end(); }

// The last made go first, as they use what was made before.
void World::end() {
  base::commit_point_watch.store(nullptr);
  while (!processes_.empty()) processes_.pop_back();
}

Process& World::add(std::string name, Process::Start start_parts) {
  processes_.push_back(std::make_unique<Process>(std::move(name), std::move(start_parts)));
  start(*processes_.back());
  return *processes_.back();
}

Process& World::process(std::string_view name) {
  for (auto& process : processes_) {
    if (process->name() == name) return *process;
  }
  throw std::runtime_error("no process " + std::string(name));
}

// It may die while it starts, as any other time.
void World::start(Process& process) {
  process.loop_ = net::EventLoop::create(clock_, network_);
  running_ = &process;
  try {
    process.parts_ = process.start_(process);
  } catch (const Died&) {
    running_ = nullptr;
    kill(process, std::chrono::milliseconds(below(3'000)));
  }
  running_ = nullptr;
}

void World::kill(Process& process, std::chrono::nanoseconds pause) {
  note("dies: " + process.name());
  process.clear();
  if (on_death) on_death(process);
  process.free_at_ = clock_.monotonic() + pause;
}

void World::suspend(Process& process, std::chrono::nanoseconds span) {
  note("sleeps: " + process.name());
  process.free_at_ = std::max(process.free_at_, clock_.monotonic() + span);
}

void World::reached(std::string_view name) {
  if (running_ == nullptr) return;  // what the test itself calls
  auto& count = reached_.try_emplace(std::string(name), 0).first->second;
  ++count;
  const auto planned = planned_.find(name);
  if (planned == planned_.end() || planned->second-- > 0) return;
  planned_.erase(planned);
  died_at_.emplace(name);
  note("reached: " + std::string(name));
  throw Died();
}

// Whoever has work first; the dead have it when they are started.
Process* World::next() {
  Process* first = nullptr;
  base::MonotonicTime first_at = base::MonotonicTime::max();
  for (auto& process : processes_) {
    auto at = process->free_at_;
    if (process->lives()) {
      const auto due = process->loop().next_due();
      if (!due) continue;
      at = std::max(at, *due);
    }
    if (at >= first_at) continue;
    first = process.get();
    first_at = at;
  }
  return first;
}

// One iteration of its loop, which takes a while: mostly little, now and then long.
void World::step(Process& process) {
  if (!process.lives()) {
    note("starts: " + process.name());
    return start(process);
  }
  running_ = &process;
  try {
    process.loop().run_once(0ms);
  } catch (const Died&) {
    running_ = nullptr;
    return kill(process, std::chrono::milliseconds(below(3'000)));
  }
  running_ = nullptr;
  const auto micros = below(200) == 0 ? below(300'000) : 20 + below(2'000);
  process.free_at_ = clock_.monotonic() + std::chrono::microseconds(micros);
}

void World::run_for(std::chrono::nanoseconds span) {
  const auto end = clock_.monotonic() + span;
  for (;;) {
    auto* const process = next();
    if (process == nullptr) break;
    auto at = process->free_at_;
    if (process->lives()) at = std::max(at, *process->loop().next_due());
    if (at > end) break;
    if (at > clock_.monotonic()) clock_.advance(at - clock_.monotonic());
    step(*process);
  }
  clock_.advance(end - clock_.monotonic());
}

void World::note(std::string_view text) {
  const auto line = base::rfc3339(clock_.now()) + " " + std::string(text);
  mix(line);
  if (verbose) std::printf("%s\n", line.c_str());
}

// FNV-1a.
void World::mix(std::string_view bytes) {
  for (const char c : bytes) hash_ = (hash_ ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
}

}  // namespace meterhub::simulation
