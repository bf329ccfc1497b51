// Reference data from a file (stream-sql 12).
#pragma once

#include <memory>
#include <string>

#include <meterhub/base/result.h>
#include <meterhub/engine/pipeline.h>

namespace meterhub::app {

// CSV with a header line, where all values are text, or JSON lines when the name ends with .jsonl.
// kNotFound, kInvalidArgument with the line.
base::Result<std::shared_ptr<const engine::ReferenceTable>> read_reference(const std::string& path);

}  // namespace meterhub::app
