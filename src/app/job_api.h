// What users and the commands ask of jobs: `/api/v1/jobs…` (docs/reference/http-api.md), of a running platform or
// over the registry of a directory that nobody owns.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/http/server.h>
#include <meterhub/registry/store.h>

#include "job_definition.h"
#include "job_set.h"

namespace meterhub::app {

// All of it outlives the API.
struct JobApiWorld {
  registry::Store& registry;
  DataPaths paths;
  const base::Clock& clock;
  stream::JobWorld stream;
  // What runs them; null in a process that runs none.
  JobSet* set = nullptr;
  // Thresholds for reference data; null: the defaults.
  const rules::Rules* rules = nullptr;
};

// On one executor, that of the set.
class JobApi {
 public:
  explicit JobApi(JobApiWorld world) : world_(std::move(world)) {}

  // Brings the jobs of `pack`, those of the query pack that stream.pack lists; then starts all that are to run. A job of
  // the pack that is not among them does not run, unless a user changed it. A job that does not start stays in the
  // list with its error.
  base::Result<void> start_all(const std::vector<registry::JobSpec>& pack);

  using Done = std::move_only_function<void(http::Response)>;
  // `request` needs method, path, query, body and local only.
  void answer(const http::Request& request, Done done);
  // There is nothing to wait for: whoever asks from now on is told so.
  void drain(base::Task done) {
    alive_.reset();
    done();
  }
  // Goes with the object, or with drain().
  std::weak_ptr<void> alive() const { return alive_; }

 private:
  struct Wanted;
  using Answer = std::move_only_function<void(base::Result<std::string>)>;

  JobNames names() const { return {world_.registry, world_.paths, world_.rules}; }
  void provide(const registry::JobSpec& spec, bool anew);
  // Of the pack, and not to run here.
  bool unlisted(const registry::Job& job) const;
  void answer_one(const http::Request& request, const std::string& name, const std::string& action, Done done);
  base::Result<std::string> list() const;
  base::Result<std::string> show(const std::string& name) const;
  base::Result<Wanted> wanted(const http::Request& request, const std::string& name) const;
  http::Response check(const http::Request& request) const;
  void add(const http::Request& request, Done done);
  void change(const http::Request& request, const std::string& name, Done done);
  void enable(const http::Request& request, const std::string& name, bool enabled, Done done);
  void remove(const http::Request& request, const std::string& name, Done done);
  // Of a job that does not run: what a crash left half done is finished while its definition is known.
  void settle(const registry::Job& job) const;
  void run(const registry::Job& job, JobSet::Done done);
  void end(const std::string& name, JobSet::Done done);
  std::string job_json(const registry::Job& job, bool whole) const;
  void answer_with(const std::string& name, const base::Result<void>& result, Done done) const;

  const JobApiWorld world_;
  // Names that start_all() was given; nothing before, when nobody knows.
  std::optional<std::vector<std::string>> listed_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// Server's loop thread. The executor outlives the server; the API may go before it.
void add_job_routes(http::Server& server, JobApi& api, base::Executor& executor);

}  // namespace meterhub::app
