// Jobs of a platform: those it begins with, and the parts that run them and answer for them.
#include <meterhub/stream/job.h>

#include <algorithm>
#include <thread>

#include <unistd.h>

#include <meterhub/base/logging.h>
#include <meterhub/meter/profile.h>

#include "job_api.h"
#include "job_set.h"
#include "jobs.h"
#include "pack.h"
#include "platform.h"

namespace meterhub::app {
namespace {

std::uint64_t machine_memory() {
  const auto pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : 0;
}

// A threshold for a tenant that nobody has may be one for a tenant misspelt.
void warn_of_unknown_scopes(const rules::Rules& rules, const registry::Store& registry) {
  for (const auto& tenant : rules.tenants()) {
    if (!registry.tenant(tenant)) base::logging::warn("rules_for_unknown_tenant", {{"tenant", tenant}});
  }
  const auto profiles = registry.profiles();
  if (!profiles) return;
  for (const auto& model : rules.models()) {
    const bool known = meter::builtin_profile(model) != nullptr ||
                       std::ranges::find(*profiles, model, &registry::Profile::name) != profiles->end();
    if (!known) base::logging::warn("rules_for_unknown_model", {{"model", model}});
  }
}

}  // namespace

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
  const stream::JobWorld world{*log_, *database_, disk_, metrics_, [this] { return complete_until(*log_, telemetry_reader(settings_)); },
                                 settings_.bytes("stream.job_memory")};
  if (runs("stream")) start_job_set(world);
  JobApiWorld asked{*store_, paths_, clock_, world, job_set_, &rules_};
  auto api = std::make_unique<JobApi>(std::move(asked));
  if (job_set_ != nullptr)
    MH_TRY_VOID(start_pack(*api));
  run_on(*console_loop_, [&] { add_job_routes(console_->server(), *api, *jobs_thread_); });
  parts_.push_back(std::make_unique<RolePart<JobApi, &JobApi::drain>>("job-commands", *jobs_thread_, std::move(api)));
  return {};
}

base::Result<void> Platform::start_pack(JobApi& api) {
  warn_of_unknown_scopes(rules_, *store_);
  const auto& names = settings_.list("stream.pack");
  const auto meters = static_cast<std::uint64_t>(store_->meter_count().value_or(0));  // the directory may still be filling
  auto warning = pack_warning(names, meters, std::max(1U, std::thread::hardware_concurrency()), machine_memory());
  if (!warning.empty()) {
    base::logging::warn("pack_exceeds_machine", {{"what", warning}});
    run_on(*console_loop_, [&] { console_->add_warning(std::move(warning)); });
  }
  return ask<base::Result<void>>(*jobs_thread_, [&] { return api.start_all(pack_jobs(names, rules_.of("", ""))); });
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
