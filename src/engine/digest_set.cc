#include "digest_set.h"

#include <algorithm>
#include <utility>

#include <absl/hash/hash.h>

namespace meterhub::engine {
namespace {

constexpr std::size_t kLeast = 8;

__extension__ using Uint128 = unsigned __int128;

// Seven of eight slots: some twenty are looked at for one that is not there, one after another in memory.
std::size_t most_of(std::size_t capacity) { return capacity - capacity / 8; }

}  // namespace

Digest& DigestSet::slot_of(const Digest& digest) const {
  auto at = static_cast<std::size_t>((Uint128{absl::HashOf(digest)} * capacity_) >> 64);
  while (!is_free(slots_[at]) && slots_[at] != digest) at = at + 1 == capacity_ ? 0 : at + 1;
  return slots_[at];
}

bool DigestSet::insert(const Digest& digest) {
  if (capacity_ > 0) {
    auto& slot = slot_of(digest);
    if (!is_free(slot)) return false;
    if (size_ < most_of(capacity_)) {
      slot = digest;
      ++size_;
      return true;
    }
  }
  resize(std::max(kLeast, capacity_ + capacity_ / 8));
  slot_of(digest) = digest;
  ++size_;
  return true;
}

void DigestSet::resize(std::size_t capacity) {
  const auto old = std::exchange(slots_, std::make_unique_for_overwrite<Digest[]>(capacity));
  const auto old_capacity = std::exchange(capacity_, capacity);
  Digest free{};
  free.front() = kFree;
  std::fill_n(slots_.get(), capacity_, free);
  for (std::size_t i = 0; i < old_capacity; ++i) {
    if (!is_free(old[i])) slot_of(old[i]) = old[i];
  }
}

void DigestSet::clear() {
  const auto needed = size_ == 0 ? 0 : std::max(kLeast, size_ + size_ / 7 + 1);
  size_ = 0;
  const auto capacity = needed < capacity_ - capacity_ / 4 ? needed : capacity_;
  capacity_ = 0;  // nothing moves
  resize(capacity);
}

}  // namespace meterhub::engine
