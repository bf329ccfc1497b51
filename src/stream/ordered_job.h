// A job with state: windows, joins of streams, analytic functions. It reads all partitions
// itself, since its results come from the order of all events, and goes on from checkpoints
// (stream-sql 10.2). README.md says how.
#pragma once

#include <memory>

#include <meterhub/stream/job.h>

namespace meterhub::stream {

// As Job::create(), for a plan that is stateful.
base::Result<std::unique_ptr<Job>> make_ordered_job(const JobWorld& world, base::Executor& executor, JobSpec spec, sql::Plan plan,
                                                    std::function<void(base::Error)> fatal);

}  // namespace meterhub::stream
