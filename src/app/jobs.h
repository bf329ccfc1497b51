// The jobs that every platform runs, as far as others must know of them.
#pragma once

#include <string>
#include <vector>

namespace meterhub::app {

// A job's output into files: who writes them, and where below the data directory.
struct BlobOutputOf {
  std::string group;
  std::string folder;
};
std::vector<BlobOutputOf> blob_outputs();

}  // namespace meterhub::app
