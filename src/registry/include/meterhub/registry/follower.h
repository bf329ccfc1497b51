// Keeps a Directory current with the registry's database, whichever process edits it.
#pragma once

#include <chrono>
#include <memory>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/registry/directory.h>
#include <meterhub/registry/store.h>

namespace meterhub::registry {

// Looks for changes every `interval` (one indexed read when there are none). After a failed
// read it counts meterhub_registry_follow_errors_total and tries again: the Directory keeps
// serving what it has. Lives on `executor`'s thread.
class Follower {
 public:
  Follower(const Store& store, Directory& directory, base::Executor& executor, base::Metrics& metrics,
           std::chrono::milliseconds interval = std::chrono::milliseconds(500));
  ~Follower();

  // Loads everything, on the caller's thread, then follows. `gateways_known` as in
  // Directory::load().
  base::Result<void> start(const std::function<base::Result<void>()>& gateways_known = {});
  // On the executor's thread (or before start): look now, as after an edit of this process.
  base::Result<void> poll();

 private:
  base::Result<void> load(const std::function<base::Result<void>()>& gateways_known);
  void tick();

  const Store& store_;
  Directory& directory_;
  base::Executor& executor_;
  base::Counter& errors_;
  std::chrono::milliseconds interval_;
  std::uint64_t position_ = 0;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace meterhub::registry
