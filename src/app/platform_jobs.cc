// The jobs that every platform runs: the case study's two statements.
#include <meterhub/stream/job.h>

#include "jobs.h"
#include "platform.h"
#include "queries.h"

namespace meterhub::app {
namespace {

constexpr std::string_view kInput = "EventHubInput";
// The archive's files are for tools that want plain JSON; larger ones are kinder to them.
constexpr std::chrono::seconds kBlobLinger{5};

std::vector<stream::JobSpec> platform_jobs(const DataPaths& paths) {
  stream::JobSpec archive;
  archive.name = "raw-archive";
  archive.sql = queries::k01_raw_archive;
  archive.inputs = {{std::string(kInput)}};
  archive.outputs = {{"BlobOutput", stream::BlobOutput{base::join_path(paths.root, "blob/raw-archive")}}};
  archive.linger = kBlobLinger;
  stream::JobSpec alert;
  alert.name = "low-balance-alert";
  alert.sql = queries::k02_low_balance_alert;
  alert.inputs = {{std::string(kInput)}};
  alert.outputs = {{"SQLOutput", stream::TableOutput{std::string(tables::kAlertsTable)}}};
  return {archive, alert};
}

}  // namespace

std::vector<BlobOutputOf> blob_outputs() {
  std::vector<BlobOutputOf> out;
  for (const auto& spec : platform_jobs(DataPaths{})) {
    for (const auto& output : spec.outputs) {
      const auto* blob = std::get_if<stream::BlobOutput>(&output.sink);
      if (blob != nullptr) out.push_back({"job." + spec.name, blob->folder});
    }
  }
  return out;
}

void Platform::name_jobs() {
  for (const auto& spec : platform_jobs(paths_)) job_groups_.push_back("job." + spec.name);
}

base::Result<void> Platform::start_jobs() {
  const stream::JobWorld world{*log_, *database_, disk_, metrics_, [this] { return complete_until(*log_, clock_); }};
  for (auto& spec : platform_jobs(paths_)) {
    const auto name = spec.name;
    auto& thread = new_thread("job-" + name);
    writers_beside_log_.push_back(&thread);
    auto job = stream::Job::create(world, thread, std::move(spec), [this](base::Error error) { fail(std::move(error)); });
    if (!job) return base::fail(job.error().code, "job " + name + ": " + job.error().text);
    parts_.push_back(std::make_unique<RolePart<stream::Job, &stream::Job::drain>>("job." + name, thread, std::move(*job)));
  }
  return {};
}

}  // namespace meterhub::app
