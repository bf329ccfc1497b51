// A meter's newest readings from the lake, for fleets too large to keep them in memory.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>

namespace meterhub::console {

class LakeReadings {
 public:
  // Queries that may wait or run at once; more are told to come again.
  static constexpr int kQueriesMax = 4;
  // How far back they look.
  static constexpr std::chrono::days kReach{7};

  LakeReadings(const base::Disk& disk, std::string directory, base::Executor& thread)
      : disk_(disk), directory_(std::move(directory)), thread_(thread) {}

  // `done`: a JSON array, newest first, on the lake's thread. No lake: an empty one.
  // kResourceExhausted at once, when too many wait.
  using Done = std::move_only_function<void(base::Result<std::string>)>;
  void ask(base::Eui64 meter, base::Timestamp now, Done done);

 private:
  const base::Disk& disk_;
  const std::string directory_;
  base::Executor& thread_;
  std::shared_ptr<std::atomic<int>> waiting_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace meterhub::console
