// Job files: NAME.toml with the query beside it (docs/jobs.md).
#pragma once

#include <string>

#include <meterhub/base/result.h>

namespace meterhub::app {

// The file and its query as the body of a request, JSON: the definition with `name` and `query`. The name is the
// file's unless it states one, the query NAME.sql beside it unless it states a path. Nothing else of the content is
// judged here. kNotFound, kTooLarge, kInvalidArgument with the line for text that is no TOML.
base::Result<std::string> read_job_file(const std::string& path);

}  // namespace meterhub::app
