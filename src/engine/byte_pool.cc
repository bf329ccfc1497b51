#include "byte_pool.h"

#include <bit>
#include <cstring>

#include <meterhub/base/assert.h>

namespace meterhub::engine {

BytePool::BytePool() { with_room_.fill(kNone); }

// Above kFine a slot wastes a sixteenth at most.
std::size_t BytePool::room_for(std::size_t size) {
  if (size <= kFine) return size == 0 ? kUnit : (size + kUnit - 1) / kUnit * kUnit;
  const std::size_t step = std::bit_floor(size - 1) / kSteps;
  return (size + step - 1) / step * step;
}

std::size_t BytePool::size_number(std::size_t room) {
  if (room <= kFine) return room / kUnit - 1;
  const std::size_t power = std::bit_floor(room - 1);
  const auto doublings = static_cast<std::size_t>(std::countr_zero(power) - std::countr_zero(kFine));
  return kFine / kUnit + doublings * kSteps + (room - power) / (power / kSteps) - 1;
}

BytePool::Handle BytePool::take(std::size_t size) {
  const auto room = room_for(size);
  if (room > kLargest) {
    const auto number = new_page(room, room);
    pages_[number].live = pages_[number].begun = 1;
    return number << kPageBits;
  }
  auto number = with_room_[size_number(room)];
  if (number == kNone) {
    number = new_page(kPageBytes, room);
    link(number);
  }
  auto& page = pages_[number];
  auto slot = page.free_slot;
  if (slot == kNoSlot) slot = page.begun++;
  else std::memcpy(&page.free_slot, page.bytes.get() + slot * room, sizeof(page.free_slot));
  if (++page.live == page.slots) unlink(number);
  return number << kPageBits | static_cast<std::uint32_t>(slot * room / kUnit);
}

void BytePool::give_back(Handle handle) {
  const auto number = handle >> kPageBits;
  auto& page = pages_[number];
  MH_ASSERT(page.live > 0);
  const bool was_full = page.live == page.slots;
  if (--page.live == 0) {
    if (!was_full) unlink(number);
    return free_page(number);
  }
  const auto at = std::size_t{handle & kUnitMask} * kUnit;
  std::memcpy(page.bytes.get() + at, &page.free_slot, sizeof(page.free_slot));
  page.free_slot = static_cast<std::uint16_t>(at / page.slot_bytes);
  if (was_full) link(number);
}

std::uint32_t BytePool::new_page(std::size_t bytes, std::size_t slot_bytes) {
  auto number = static_cast<std::uint32_t>(pages_.size());
  if (unused_.empty()) {
    MH_ASSERT(number < 1U << (32 - kPageBits));
    pages_.emplace_back();
  } else {
    number = unused_.back();
    unused_.pop_back();
  }
  auto& page = pages_[number];
  page.bytes = std::make_unique_for_overwrite<char[]>(bytes);
  page.slot_bytes = static_cast<std::uint32_t>(slot_bytes);
  page.slots = static_cast<std::uint16_t>(bytes / slot_bytes);
  bytes_ += bytes;
  return number;
}

void BytePool::free_page(std::uint32_t number) {
  auto& page = pages_[number];
  bytes_ -= page.slots == 1 ? page.slot_bytes : kPageBytes;
  page = {};
  unused_.push_back(number);
}

void BytePool::link(std::uint32_t number) {
  auto& page = pages_[number];
  auto& first = with_room_[size_number(page.slot_bytes)];
  page.before = kNone;
  page.after = first;
  if (first != kNone) pages_[first].before = number;
  first = number;
}

void BytePool::unlink(std::uint32_t number) {
  auto& page = pages_[number];
  if (page.before != kNone) pages_[page.before].after = page.after;
  else with_room_[size_number(page.slot_bytes)] = page.after;
  if (page.after != kNone) pages_[page.after].before = page.before;
  page.before = page.after = kNone;
}

}  // namespace meterhub::engine
