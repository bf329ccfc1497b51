#include "states_pool.h"

#include <algorithm>

#include <meterhub/base/assert.h>

namespace meterhub::engine {

StatesPool::StatesPool(const AggregateSet& set) : set_(set), slot_(std::max<std::size_t>(set.size(), 8)) {}

StatesPool::~StatesPool() {
  for (Handle handle = 0; handle < live_.size(); ++handle) {
    if (live_[handle]) set_.end(at(handle));
  }
}

StatesPool::Handle StatesPool::make() {
  auto handle = static_cast<Handle>(live_.size());
  if (dropped_.empty()) {
    MH_ASSERT(handle < UINT32_MAX);
    if (handle % kSlots == 0) pages_.emplace_back(new std::byte[kSlots * slot_]);
    live_.push_back(true);
  } else {
    handle = dropped_.back();
    dropped_.pop_back();
    live_[handle] = true;
  }
  ++count_;
  set_.begin(at(handle));
  return handle;
}

void StatesPool::drop(Handle handle) {
  MH_ASSERT(live_[handle]);
  set_.end(at(handle));
  live_[handle] = false;
  if (--count_ > 0) return dropped_.push_back(handle);
  pages_.clear();  // a window has ended
  live_.clear();
  dropped_.clear();
  dropped_.shrink_to_fit();
}

std::uint64_t StatesPool::bytes() const {
  std::uint64_t sum = pages_.size() * kSlots * slot_ + live_.size() / 8 + dropped_.capacity() * sizeof(Handle);
  for (Handle handle = 0; handle < live_.size(); ++handle) {
    if (live_[handle]) sum += set_.heap_bytes(at(handle));
  }
  return sum;
}

}  // namespace meterhub::engine
