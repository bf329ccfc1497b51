// What copies a lake: which files a state is made of, and how the copy says so.
#pragma once

#include <string>
#include <vector>

#include <meterhub/lake/manifest.h>

namespace meterhub::lake {

struct CopiedFile {
  std::string path;    // in the copy
  std::string staged;  // where it may still lie in the original, not yet renamed to `path`; or empty
};
// The state becomes the copy's: nothing in it waits for a rename. Pure.
std::vector<CopiedFile> files_of(State& state);

// Where the checkpoint of a state lies below the lake's directory. A copy needs no other record.
std::string checkpoint_path(const State& state);

}  // namespace meterhub::lake
