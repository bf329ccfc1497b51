// Moments between two effects that a crash may separate: a file is there and the manifest
// does not name it yet, rows are stored and the offset is not. They have names, so that the
// simulation can end a process at each of them. In the program nobody watches: a load and
// a branch, once a batch.
#pragma once

#include <atomic>
#include <string_view>

namespace meterhub::base {

class CommitPointWatch {
 public:
  virtual ~CommitPointWatch() = default;
  // May throw: the caller's process ends here.
  virtual void reached(std::string_view name) = 0;
};

inline std::atomic<CommitPointWatch*> commit_point_watch{nullptr};

// `name` is stable and says what is done and what is not: "lake.file_before_manifest".
inline void commit_point(std::string_view name) {
  if (auto* const watch = commit_point_watch.load(std::memory_order_acquire)) watch->reached(name);
}

}  // namespace meterhub::base
