// Jobs of a platform: those it begins with, and the parts that run them and answer for them.
#include <meterhub/stream/job.h>

#include "job_api.h"
#include "job_set.h"
#include "jobs.h"
#include "platform.h"
#include "queries.h"

namespace meterhub::app {
namespace {

// The archive's files are for tools that want plain JSON; larger ones are kinder to them.
constexpr std::string_view kArchive = R"({
  "inputs": {"EventHubInput": {"log": "readings"}},
  "outputs": {"BlobOutput": {"kind": "blob", "folder": "raw-archive"}},
  "policy": {"linger": "5s"}
})";
constexpr std::string_view kAlert = R"({
  "inputs": {"EventHubInput": {"log": "readings"}},
  "outputs": {"SQLOutput": {"kind": "table", "table": "alerts", "retention": "7d"}}
})";

}  // namespace

std::vector<registry::JobSpec> first_jobs() {
  return {{"raw-archive", std::string(kArchive), std::string(queries::k01_raw_archive), {}, true},
          {"low-balance-alert", std::string(kAlert), std::string(queries::k02_low_balance_alert), {}, true}};
}

std::vector<BlobOutputOf> blob_outputs(const std::vector<registry::Job>& jobs, const registry::Store& registry) {
  std::vector<BlobOutputOf> out;
  for (const auto& job : jobs) {
    const auto spec = read_definition(job, {registry, DataPaths{}}).spec;
    for (const auto& output : spec.outputs) {
      const auto* blob = std::get_if<stream::BlobOutput>(&output.sink);
      const auto* lake = std::get_if<stream::LakeOutput>(&output.sink);
      if ((blob == nullptr && lake == nullptr) || spec.inputs.empty()) continue;
      out.push_back({stream::group_of(spec), spec.inputs.front().log, blob != nullptr ? blob->folder : lake->folder});
    }
  }
  return out;
}

// Before the console, which shows what they are behind, there is nothing to show yet: the set tells it.
base::Result<void> Platform::start_jobs() {
  jobs_thread_ = &new_thread("jobs");
  const stream::JobWorld world{*log_, *database_, disk_, metrics_, [this] { return complete_until(*log_); },
                                 settings_.bytes("stream.job_memory")};
  if (runs("stream")) start_job_set(world);
  JobApiWorld asked{*store_, paths_, clock_, world, job_set_};
  auto api = std::make_unique<JobApi>(std::move(asked));
  if (job_set_ != nullptr)
    MH_TRY_VOID(ask<base::Result<void>>(*jobs_thread_, [&] { return api->start_all(first_jobs()); }));
  run_on(*console_loop_, [&] { add_job_routes(console_->server(), *api, *jobs_thread_); });
  parts_.push_back(std::make_unique<RolePart<JobApi, &JobApi::drain>>("job-commands", *jobs_thread_, std::move(api)));
  return {};
}

void Platform::start_job_set(const stream::JobWorld& world) {
  JobSet::Hooks hooks;
  hooks.fatal = [this](base::Error error) { fail(std::move(error)); };
  hooks.started = [this](const JobGroup& group) {
    console_loop_->post([this, group] { console_->add_stage({group.group, group.group, {group.log}, group.positions}); });
  };
  hooks.ended = [this](const JobGroup& group) {
    console_loop_->post([this, name = group.group] { console_->remove_stage(name); });
  };
  auto set = ask<std::unique_ptr<JobSet>>(
      *jobs_thread_, [&] { return std::make_unique<JobSet>(world, *job_threads_, *jobs_thread_, std::move(hooks)); });
  job_set_ = set.get();
  parts_.push_back(std::make_unique<RolePart<JobSet, &JobSet::drain>>("jobs", *jobs_thread_, std::move(set)));
}

}  // namespace meterhub::app
