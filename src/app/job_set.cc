#include "job_set.h"

#include <algorithm>
#include <utility>

#include <pthread.h>

#include <meterhub/base/logging.h>
#include <meterhub/registry/entities.h>

#include "threads.h"

namespace meterhub::app {
namespace {

constexpr std::chrono::seconds kSamplePause{1};
constexpr std::size_t kSamplesKept = 11;  // rates are those of 10 s
constexpr unsigned kRetryTicks = 5;

}  // namespace

// Filled by the job's thread, read by the control's.
struct JobSet::Samples {
  base::Mutex mutex;
  std::deque<Sample> newest MH_GUARDED_BY(mutex);
  bool asked MH_GUARDED_BY(mutex) = false;
};

base::ThreadExecutor& JobThreads::take(const std::string& job) {
  if (free_.empty()) {
    all_.push_back(std::make_unique<base::ThreadExecutor>("job"));
    free_.push_back(all_.back().get());
  }
  auto& out = *free_.back();
  free_.pop_back();
  // Tools of the system show whose work a thread does; they see 15 characters.
  out.post([name = ("job-" + job).substr(0, 15)] { ::pthread_setname_np(::pthread_self(), name.c_str()); });
  return out;
}

JobSet::JobSet(const stream::JobWorld& world, JobThreads& threads, base::Executor& control, Hooks hooks)
    : world_(world), threads_(threads), control_(control), hooks_(std::move(hooks)) {
  tick();
}

JobSet::~JobSet() {
  alive_.reset();
  for (auto& [name, entry] : entries_) {
    if (entry.job) run_on(*entry.thread, [&job = entry.job] { job.reset(); });
    for (auto& done : entry.waiting) done(base::fail(base::Errc::kCancelled, "the platform is stopping"));
  }
}

void JobSet::run(stream::JobSpec spec, Done done) {
  const auto name = spec.name;
  want(name, std::move(spec), std::move(done));
}

void JobSet::end(const std::string& name, Done done) {
  if (!entries_.contains(name)) return done({});
  want(name, std::nullopt, std::move(done));
}

void JobSet::want(const std::string& name, std::optional<stream::JobSpec> spec, Done done) {
  if (draining_) return done(base::fail(base::Errc::kUnavailable, "the platform is stopping"));
  // Those that have been removed and do not come to their end count too.
  if (!entries_.contains(name) && entries_.size() >= registry::kJobsMax) {
    return done(base::fail(base::Errc::kResourceExhausted, "as many jobs as there may be are running or ending"));
  }
  auto& entry = entries_[name];
  entry.wanted = std::move(spec);
  entry.replace = true;
  entry.waiting.push_back(std::move(done));
  advance(name);
}

void JobSet::advance(const std::string& name) {
  auto& entry = entries_.at(name);
  if (entry.thread != nullptr) {
    // One that is ending comes here again when it is gone.
    if (entry.replace && !entry.ending) begin_end(name, entry);
    return;
  }
  entry.replace = false;
  if (!entry.wanted) {
    // Whoever hears of the end finds no job any more.
    auto waiting = std::move(entry.waiting);
    entries_.erase(name);
    for (auto& done : waiting) done({});
    if (draining_ && entries_.empty()) std::exchange(drained_, [] {})();
    return;
  }
  const auto started = start(entry);
  entry.error = started ? base::Error() : started.error();
  if (!started) base::logging::error("job_not_started", {{"job", name}, {"error", started.error().text}});
  answer(name, started);
}

base::Result<void> JobSet::start(Entry& entry) {
  const auto& spec = *entry.wanted;
  auto& thread = threads_.take(spec.name);
  auto job = stream::Job::create(world_, thread, spec, hooks_.fatal);
  if (!job) {
    threads_.give_back(thread);
    return std::unexpected(std::move(job).error());
  }
  entry.job = std::move(*job);
  entry.thread = &thread;
  entry.samples = std::make_shared<Samples>();
  entry.group = {stream::group_of(spec), spec.inputs.front().log, [samples = entry.samples] {
                   const base::Lock lock(samples->mutex);
                   return samples->newest.empty() ? Positions() : samples->newest.back().status.next;
                 }};
  base::logging::info("job_started", {{"job", spec.name}, {"version", spec.version}});
  publish_groups();
  if (hooks_.started) hooks_.started(entry.group);
  return {};
}

void JobSet::answer(const std::string& name, const base::Result<void>& result) {
  for (auto& done : std::exchange(entries_.at(name).waiting, {})) done(result);
}

// All that is posted to the job's thread before its end finds the job there.
void JobSet::begin_end(const std::string& name, Entry& entry) {
  entry.ending = true;
  entry.thread->post([this, name, job = entry.job.get(), alive = std::weak_ptr(alive_), &control = control_] {
    job->drain([this, name, alive, &control] {
      control.post([this, name, alive] {
        if (!alive.expired()) drained(name);
      });
    });
  });
}

void JobSet::drained(const std::string& name) {
  auto& entry = entries_.at(name);
  entry.thread->post(
      [this, name, job = std::move(entry.job), alive = std::weak_ptr(alive_), &control = control_]() mutable {
        job.reset();
        control.post([this, name, alive] {
          if (!alive.expired()) gone(name);
        });
      });
}

void JobSet::gone(const std::string& name) {
  auto& entry = entries_.at(name);
  threads_.give_back(*std::exchange(entry.thread, nullptr));
  entry.ending = false;
  entry.samples.reset();
  base::logging::info("job_ended", {{"job", name}});
  publish_groups();
  if (hooks_.ended) hooks_.ended(entry.group);
  advance(name);
}

void JobSet::tick() {
  control_.after(kSamplePause, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    tick();
  });
  std::vector<std::string> again;
  const bool retry = ++ticks_ % kRetryTicks == 0;
  for (auto& [name, entry] : entries_) {
    if (!entry.thread && !entry.error.text.empty() && retry && base::error_class(entry.error.code).retry)
      again.push_back(name);
    if (!entry.job || entry.ending) continue;
    const base::Lock lock(entry.samples->mutex);
    if (std::exchange(entry.samples->asked, true)) continue;
    entry.thread->post([job = entry.job.get(), samples = entry.samples, &clock = control_.clock()] {
      Sample sample{clock.monotonic(), job->status()};
      const base::Lock filling(samples->mutex);
      samples->asked = false;
      samples->newest.push_back(std::move(sample));
      if (samples->newest.size() > kSamplesKept) samples->newest.pop_front();
    });
  }
  for (const auto& name : again) advance(name);
}

std::optional<JobReport> JobSet::report(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return std::nullopt;
  const auto& entry = found->second;
  JobReport out;
  out.error = entry.error.text;
  out.run = entry.ending ? JobRun::kEnding : entry.thread ? JobRun::kRunning : JobRun::kFailed;
  if (!entry.thread) return out;
  out.behind = backlog(world_.log, entry.group.group, entry.group.log, control_.clock().now(), entry.group.positions())
                   .value_or(Backlog{});
  auto& samples = *entry.samples;
  const base::Lock lock(samples.mutex);
  if (samples.newest.empty()) return out;
  const auto& last = samples.newest.back();
  out.status = last.status;
  out.silent = std::chrono::duration_cast<base::Duration>(control_.clock().monotonic() - last.at);
  const double span = std::chrono::duration<double>(last.at - samples.newest.front().at).count();
  if (span <= 0) return out;
  const auto& then = samples.newest.front().status.counters;
  out.events_per_second = static_cast<double>(last.status.counters.events - then.events) / span;
  out.rows_per_second = static_cast<double>(last.status.counters.rows - then.rows) / span;
  return out;
}

void JobSet::drain(base::Task done) {
  draining_ = true;
  drained_ = std::move(done);
  std::vector<std::string> names;
  for (auto& [name, entry] : entries_) {
    entry.wanted.reset();
    entry.replace = true;
    names.push_back(name);
  }
  if (names.empty()) return std::exchange(drained_, [] {})();
  for (const auto& name : names) advance(name);
}

std::vector<base::Executor*> JobSet::executors() const {
  std::vector<base::Executor*> out;
  for (const auto& [name, entry] : entries_) {
    if (entry.thread) out.push_back(entry.thread);
  }
  return out;
}

void JobSet::publish_groups() {
  std::vector<JobGroup> groups;
  for (const auto& [name, entry] : entries_) {
    if (entry.thread) groups.push_back(entry.group);
  }
  const base::Lock lock(mutex_);
  groups_ = std::move(groups);
}

std::vector<JobGroup> JobSet::groups() const {
  const base::Lock lock(mutex_);
  return groups_;
}

}  // namespace meterhub::app
