// Blocks of seen counters in the log's state store, for one partition. What was put and
// is not yet committed is answered from memory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <meterhub/dedup/block_store.h>
#include <meterhub/log/log.h>

namespace meterhub::stream {

// One thread.
class StateBlocks final : public dedup::BlockStore {
 public:
  // `now` is the age of what put() writes; set it before each batch.
  StateBlocks(const log::Log& log, log::TopicPartition partition);

  void set_now(base::Timestamp now) { now_ = now; }
  base::Result<std::optional<dedup::Block>> get(const dedup::BlockKey& key) override;
  void put(const dedup::BlockKey& key, const dedup::Block& block) override;

  // Everything put since the last committed(), for a transaction.
  void collect(std::vector<log::StateWrite>& out) const;
  void committed() { pending_.clear(); }

  // Removes the expired blocks of a meter with the next transaction.
  base::Result<void> sweep(base::MeterNumber meter, std::vector<log::StateWrite>& out) const;

 private:
  const log::Log& log_;
  const log::TopicPartition partition_;
  base::Timestamp now_{};
  std::map<std::string, dedup::Block> pending_;
};

}  // namespace meterhub::stream
