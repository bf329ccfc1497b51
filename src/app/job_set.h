// The jobs that run: started, replaced and ended one by one while the others go on.
//
// Each job has a thread of its own. Engine and outputs work synchronously: an output that waits, as for a
// webhook's answer or a busy disk, holds up its thread, and with shared threads it would hold up other jobs,
// which design part 4 rules out. The number of jobs is bounded (registry::kJobsMax), so the number of threads is.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/base/mutex.h>
#include <meterhub/base/result.h>
#include <meterhub/stream/job.h>

#include "logs.h"

namespace meterhub::app {

// Threads that are lent to jobs. They outlive the log, which may still have an answer for one of them after
// its job is gone. Taken and given back on one thread.
class JobThreads {
 public:
  base::ThreadExecutor& take(const std::string& job);
  void give_back(base::ThreadExecutor& thread) { free_.push_back(&thread); }

 private:
  std::vector<std::unique_ptr<base::ThreadExecutor>> all_;
  std::vector<base::ThreadExecutor*> free_;
};

// What a consumer group of a job reads.
struct JobGroup {
  std::string group;
  std::string log;
  // Any thread, also when the job is gone: where it reads, of a job whose committed offsets are those of its
  // last checkpoint, a minute old while it keeps up. Else empty.
  std::function<Positions()> positions;
};

enum class JobRun : std::uint8_t { kRunning, kEnding, kFailed };

// How one job is. What its thread says is a second old, or older when the thread is busy.
struct JobReport {
  JobRun run = JobRun::kRunning;
  std::string error;                        // kFailed: why it did not start
  std::optional<stream::JobStatus> status;  // nothing before the first answer
  double events_per_second = 0;             // over the last 10 s
  double rows_per_second = 0;
  base::Duration silent{0};                 // since its thread answered
  Backlog behind;
};

// On its control executor, but for groups().
class JobSet {
 public:
  // A group begins or ends to read; on the control executor.
  struct Hooks {
    std::function<void(base::Error)> fatal;  // any thread
    std::function<void(const JobGroup&)> started;
    std::function<void(const JobGroup&)> ended;
  };
  using Done = std::move_only_function<void(base::Result<void>)>;

  // What is passed outlives the set.
  JobSet(const stream::JobWorld& world, JobThreads& threads, base::Executor& control, Hooks hooks);
  ~JobSet();
  JobSet(const JobSet&) = delete;
  JobSet& operator=(const JobSet&) = delete;

  // Starts a job, or drains the one of this name and lets the new one go on at its offsets. Done: it runs, or
  // why not. An error that may pass is tried again every few seconds all the same.
  void run(stream::JobSpec spec, Done done);
  // Drains the job, as long as that takes.
  void end(const std::string& name, Done done);
  // Nothing when no job of this name is running, ending or failed.
  std::optional<JobReport> report(const std::string& name) const;
  // Ends all of them.
  void drain(base::Task done);

  // Threads of all jobs. A set whose control executor stands still has always the same.
  std::vector<base::Executor*> executors() const;
  // Any thread. Of the jobs that run.
  std::vector<JobGroup> groups() const;

 private:
  struct Sample {
    base::MonotonicTime at;
    stream::JobStatus status;
  };
  struct Samples;
  struct Entry {
    std::optional<stream::JobSpec> wanted;  // nothing: it is to end
    std::vector<Done> waiting;
    std::unique_ptr<stream::Job> job;       // on `thread`
    base::ThreadExecutor* thread = nullptr;
    JobGroup group;
    bool replace = false;  // the job that runs is not the one wanted
    bool ending = false;
    base::Error error;     // of the last start; no text: none
    std::shared_ptr<Samples> samples;
  };

  void want(const std::string& name, std::optional<stream::JobSpec> spec, Done done);
  void advance(const std::string& name);
  base::Result<void> start(Entry& entry);
  void begin_end(const std::string& name, Entry& entry);
  void drained(const std::string& name);
  void gone(const std::string& name);
  void answer(const std::string& name, const base::Result<void>& result);
  void tick();
  void publish_groups();

  const stream::JobWorld world_;
  JobThreads& threads_;
  base::Executor& control_;
  const Hooks hooks_;
  std::map<std::string, Entry> entries_;
  bool draining_ = false;
  base::Task drained_;
  unsigned ticks_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  mutable base::Mutex mutex_;
  std::vector<JobGroup> groups_ MH_GUARDED_BY(mutex_);
};

}  // namespace meterhub::app
