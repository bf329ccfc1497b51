// What a backup must know of jobs.
#pragma once

#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/registry/store.h>

namespace meterhub::app {

// A job's output into files: who writes them, what it reads, and where they lie below the data directory.
struct BlobOutputOf {
  std::string group;
  std::string log;
  std::string folder;
};
std::vector<BlobOutputOf> blob_outputs(const std::vector<registry::Job>& jobs, const registry::Store& registry);

}  // namespace meterhub::app
