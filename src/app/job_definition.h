// Jobs as people write them and as the registry keeps them: a definition is a JSON object
// (docs/reference/jobs.md), here it becomes what module `stream` runs. Beside a running platform nothing
// here opens a store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/registry/store.h>
#include <meterhub/rules/thresholds.h>
#include <meterhub/sql/compile.h>
#include <meterhub/stream/job.h>

#include "data_directory.h"

namespace meterhub::app {

// What names in a definition mean.
struct JobNames {
  const registry::Store& registry;
  DataPaths paths;
  // Thresholds of the reference input `meters`; null: the defaults. Outlives the jobs.
  const rules::Rules* rules = nullptr;
};

// A stored job, read. `problems` is empty when all of it could be read: one sentence each, led by the
// place, as "outputs.Alarm.kind: …".
struct JobDefinition {
  stream::JobSpec spec;
  std::vector<std::string> problems;
};
JobDefinition read_definition(const registry::Job& job, const JobNames& names);

// All that is wrong with a job, at once.
struct JobCheck {
  stream::JobSpec spec;
  std::vector<std::string> problems;             // of the definition, or what the engine does not run
  std::vector<sql::Diagnostic> diagnostics;      // of the query; warnings too

  bool ok() const { return problems.empty() && !sql::has_error(diagnostics); }
  // Lines for a terminal, with carets under the places in the query.
  std::string text() const;
};
// Definition, query, and how it fits with `others`: logs of other jobs that it reads and no circle of them,
// folders and logs that it alone may write.
JobCheck check_job(const registry::Job& job, const std::vector<registry::Job>& others, const JobNames& names);

// Jobs that read a log of job `name`.
std::vector<std::string> readers_of(std::string_view name, const std::vector<registry::Job>& jobs,
                                    const JobNames& names);

// Meters of the registry as reference rows: {"DeviceID","Meter","Tenant","District","Building","Floor","Unit",
// "Profile"} and, of the thresholds of its tenant and profile, those that `query` may read (docs/reference/jobs.md): a
// million meters are many rows. Reads a page at a time.
base::Result<void> meter_rows(const registry::Store& registry, base::TenantNumber tenant, const rules::Rules& rules,
                              const std::string& query, const std::function<void(std::string_view row)>& give);

}  // namespace meterhub::app
