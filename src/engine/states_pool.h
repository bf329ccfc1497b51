// States of a set of aggregates for many groups, side by side, each found by a number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aggregate_set.h"

namespace meterhub::engine {

// Lives shorter than the set. One thread.
class StatesPool {
 public:
  using Handle = std::uint32_t;

  explicit StatesPool(const AggregateSet& set);
  ~StatesPool();
  StatesPool(const StatesPool&) = delete;
  StatesPool& operator=(const StatesPool&) = delete;

  // Begun.
  Handle make();
  void drop(Handle handle);
  // Good until it is dropped.
  std::byte* at(Handle handle) { return pages_[handle / kSlots].get() + (handle % kSlots) * slot_; }
  const std::byte* at(Handle handle) const { return pages_[handle / kSlots].get() + (handle % kSlots) * slot_; }

  std::uint64_t bytes() const;

 private:
  static constexpr std::uint32_t kSlots = 256;  // of a page

  const AggregateSet& set_;
  const std::size_t slot_;
  std::vector<std::unique_ptr<std::byte[]>> pages_;
  std::vector<bool> live_;       // by handle
  std::vector<Handle> dropped_;  // to be made again
  std::uint32_t count_ = 0;      // of the living
};

}  // namespace meterhub::engine
