// Keeps what the hub sees of its devices in the registry, so that it is known again after a restart.
#pragma once

#include <meterhub/base/executor.h>
#include <meterhub/hub/presence.h>
#include <meterhub/registry/store.h>

namespace meterhub::app {

// On the executor's thread, which is the store's. All outlive it.
class PresenceKeeper {
 public:
  static constexpr std::chrono::seconds kEvery{60};
  // Rows of one transaction.
  static constexpr std::size_t kAtOnce = 1000;

  // Begins with what was kept before.
  PresenceKeeper(registry::Store& store, hub::PresenceBoard& board, base::Executor& executor);
  ~PresenceKeeper();
  PresenceKeeper(const PresenceKeeper&) = delete;
  PresenceKeeper& operator=(const PresenceKeeper&) = delete;
  // With the last news: the hub has ended by then.
  void stop(base::Task done);

 private:
  void tick();
  void keep();

  registry::Store& store_;
  hub::PresenceBoard& board_;
  base::Executor& executor_;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
};

}  // namespace meterhub::app
