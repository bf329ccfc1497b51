// One log under test, stepped by hand: every engine runs its callbacks through executors,
// so a test decides when time passes and who runs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <meterhub/base/metrics.h>
#include <meterhub/log/embedded.h>
#include <meterhub/log/memory.h>

namespace meterhub::log::contract {

// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class World {
 public:
  virtual ~World() = default;
  virtual Log& log() = 0;
  // Makes the log anew with this quota; before anything is written.
  virtual void with_quota(std::uint64_t bytes) = 0;
  virtual void retain() = 0;

  base::ManualClock clock;
  base::ManualExecutor executor{clock};
};

class MemoryWorld final : public World {
 public:
  MemoryWorld() : log_(std::make_unique<MemoryLog>(clock)) {}
  Log& log() override { return *log_; }
  void with_quota(std::uint64_t bytes) override { log_ = std::make_unique<MemoryLog>(clock, MemoryOptions{bytes}); }
  void retain() override { log_->retain(); }

 private:
  std::unique_ptr<MemoryLog> log_;
};

// Small segments, so that a few kilobytes fill one.
class EmbeddedWorld final : public World {
 public:
  EmbeddedWorld();
  Log& log() override { return *log_; }
  void with_quota(std::uint64_t bytes) override;
  void retain() override { log_->retain(); }

  // Closes cleanly and opens again.
  void restart();
  void stop() { log_.reset(); }
  base::Result<void> start();
  EmbeddedOptions options;
  base::Metrics metrics;

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<EmbeddedLog> log_;
};

// A transaction's outcome; runs the executor until it is there.
base::Result<Committed> transact(World& world, Transaction transaction);
// Appends one record with this body.
Committed::Place append(World& world, TopicPartition to, std::string body);
// All bodies from `from` to the end.
std::vector<std::string> read_all(World& world, TopicPartition partition, From from = Earliest{});

}  // namespace meterhub::log::contract
