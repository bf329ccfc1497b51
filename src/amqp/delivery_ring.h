// The unsettled deliveries of one session and direction. Their ids are consecutive,
// so a ring indexed by id finds each in one step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <meterhub/amqp/engine.h>

namespace meterhub::amqp {

class DeliveryRing {
 public:
  struct Entry {
    LinkId link{};
    bool open = false;  // not yet settled
  };

  bool started() const { return started_; }
  DeliveryId next_id() const { return first_ + size_; }
  std::uint32_t size() const { return size_; }
  void start_at(DeliveryId id) {
    first_ = id;
    started_ = true;
  }

  void push(Entry entry) {
    if (!entry.open && size_ == 0) {
      ++first_;
      return;
    }
    if (size_ == entries_.size()) grow();
    entries_[slot(size_++)] = entry;
  }

  // Null when the id is not in the ring.
  Entry* find(DeliveryId id) {
    const std::uint32_t at = id - first_;
    return at < size_ ? &entries_[slot(at)] : nullptr;
  }

  // The part of first … last (inclusive, serial numbers) that is in the ring: [begin, end)
  // as distances from the ring's first id. Whatever the peer claims, the span is ours.
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  Span clamp(DeliveryId first, DeliveryId last) const {
    if (size_ == 0) return {};
    const auto from = static_cast<std::int32_t>(first - first_);
    const auto to = static_cast<std::int32_t>(last - first_);
    if (to < 0 || from > to) return {};
    return {static_cast<std::uint32_t>(std::max(from, 0)),
            std::min(static_cast<std::uint32_t>(to) + 1, size_)};
  }
  Entry& at(std::uint32_t distance) { return entries_[slot(distance)]; }
  DeliveryId id_at(std::uint32_t distance) const { return first_ + distance; }

  // Forgets the settled ones at the front.
  void shrink() {
    while (size_ > 0 && !entries_[head_].open) {
      head_ = (head_ + 1) & mask();
      ++first_;
      --size_;
    }
  }

 private:
  std::uint32_t mask() const { return static_cast<std::uint32_t>(entries_.size()) - 1; }
  std::uint32_t slot(std::uint32_t distance) const { return (head_ + distance) & mask(); }
  void grow() {
    std::vector<Entry> bigger(std::max<std::size_t>(16, entries_.size() * 2));
    for (std::uint32_t i = 0; i < size_; ++i) bigger[i] = entries_[slot(i)];
    entries_ = std::move(bigger);
    head_ = 0;
  }

  std::vector<Entry> entries_;  // a power of two
  std::uint32_t head_ = 0;
  std::uint32_t size_ = 0;
  DeliveryId first_ = 0;
  bool started_ = false;
};

}  // namespace meterhub::amqp
