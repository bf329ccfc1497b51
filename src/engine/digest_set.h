// A set of digests that is never less than 7/9 full once it is large: 18 to 21 bytes each, where
// a table that doubles takes 19 to 39.
#pragma once

#include <cstddef>
#include <memory>

#include "key_digest.h"

namespace meterhub::engine {

// One thread.
class DigestSet {
 public:
  // False: it was there.
  bool insert(const Digest& digest);
  // Keeps its memory for as many as there were, but what was too much for those.
  void clear();
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t bytes() const { return capacity_ * sizeof(Digest); }

  // In any order.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t i = 0; i < capacity_; ++i) {
      if (!is_free(slots_[i])) visit(slots_[i]);
    }
  }

 private:
  static constexpr char kFree = static_cast<char>(254);  // no digest begins with it
  static bool is_free(const Digest& digest) { return digest.front() == kFree; }
  // Where it lies, or the free slot where it would.
  Digest& slot_of(const Digest& digest) const;
  void resize(std::size_t capacity);

  std::unique_ptr<Digest[]> slots_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace meterhub::engine
