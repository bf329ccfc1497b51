// Rows of the last so long of one key, for aggregates over a time that slides: what each
// row gives, oldest first.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "aggregate_set.h"

namespace meterhub::engine {

// Bytes that grow at the end and shrink at the begin, with little room beyond them: a million
// keys have one each. One thread.
class ByteQueue {
 public:
  ByteQueue() = default;
  ByteQueue(ByteQueue&& other) noexcept
      : bytes_(std::move(other.bytes_)), begin_(std::exchange(other.begin_, 0)), end_(std::exchange(other.end_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  ByteQueue& operator=(ByteQueue&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  bool empty() const { return begin_ == end_; }
  std::string_view view() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void append(std::string_view bytes);
  void assign(std::string_view bytes);
  // Forgets the first `size` bytes.
  void drop(std::size_t size) { begin_ += static_cast<std::uint32_t>(size); }
  std::size_t capacity() const { return capacity_; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t capacity_ = 0;
};

// One thread. Aggregates that can take a row back have their states with the owner, who hands them
// to each call: those of exactly the rows in here. Null for others, which are worked out each time.
class RecentRows {
 public:
  void clear() {
    entries_.assign({});
    oldest_ = newest_ = dropped_step_ = 0;
    newest_step_ = kUnknown;
  }
  bool empty() const { return entries_.empty(); }
  Ticks oldest() const { return oldest_; }  // when it is not empty
  Ticks newest() const { return newest_; }
  bool has_before(Ticks until) const { return !empty() && oldest_ <= until; }

  // Forgets rows at or before `until`. Overwrites what the set took last.
  void evict(Ticks until, AggregateSet& set, Evaluator& evaluator, std::byte* states);
  // Adds what the set took last. False: a data error, nothing was added.
  bool append(Ticks time, const AggregateSet& set, Evaluator& evaluator, std::byte* states);
  // False: a data error. Overwrites what the set took last.
  bool results(AggregateSet& set, Evaluator& evaluator, const std::byte* states, std::vector<Value>& out) const;
  // Adds all rows to states that were just begun. Overwrites what the set took last.
  void collect(AggregateSet& set, Evaluator& evaluator, std::byte* states) const;

  // For checkpoints.
  void save(std::string& out) const;
  bool load(Unpacker& from);
  // For records in memory.
  void keep(std::string& out) const;
  void take(std::string_view kept);

  // Of the rows; what keep() writes is a little more.
  std::size_t size_bytes() const { return entries_.view().size(); }
  std::uint64_t heap_bytes() const { return entries_.capacity() + 8; }

 private:
  class Reader;

  static constexpr Ticks kUnknown = -1;

  // Each: time since the one before, what the row gave; or these with the same step as the entry
  // before (same_step_byte()).
  ByteQueue entries_;
  Ticks oldest_ = 0;        // its own step does not count
  Ticks newest_ = 0;
  Ticks dropped_step_ = 0;  // of the entry before the oldest
  Ticks newest_step_ = kUnknown;
  std::string entry_, given_;
};

}  // namespace meterhub::engine
