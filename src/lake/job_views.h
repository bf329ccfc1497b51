// What jobs wrote into the lake, as tables of a query.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/duck/database.h>

namespace meterhub::lake {

// Makes "JOB"."OUTPUT" a view of the files in ROOT/jobs/JOB/OUTPUT, for the jobs whose name is in `sql`: a job may have
// thousands of files, and who does not ask for them shall not wait. An output without files has no view.
base::Result<void> add_job_views(const base::Disk& disk, duck::Connection& connection, const std::string& root,
                                 std::string_view sql);

}  // namespace meterhub::lake
