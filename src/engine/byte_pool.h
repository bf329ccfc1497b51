// Memory for millions of small pieces of bytes that are found by a number of four bytes: pages cut
// into slots of one size, without malloc's header and rounding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace meterhub::engine {

// One thread. Pages that become empty are given back. At most 16 GiB; more ends the process.
class BytePool {
 public:
  using Handle = std::uint32_t;

  BytePool();
  BytePool(const BytePool&) = delete;
  BytePool& operator=(const BytePool&) = delete;

  // A slot of room_for(size) bytes or more, of which nothing is set. size > 0.
  Handle take(std::size_t size);
  void give_back(Handle handle);
  // Good until the slot is given back.
  char* at(Handle handle) { return pages_[handle >> kPageBits].bytes.get() + std::size_t{kUnit} * (handle & kUnitMask); }
  const char* at(Handle handle) const { return pages_[handle >> kPageBits].bytes.get() + std::size_t{kUnit} * (handle & kUnitMask); }
  // What a slot for so many bytes holds: as long as it is the same, the slot need not change.
  static std::size_t room_for(std::size_t size);

  // Of all pages, used or not.
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::uint32_t kUnit = 4;
  static constexpr std::uint32_t kPageBits = 12;  // of a handle: the unit within the page
  static constexpr std::uint32_t kUnitMask = (1U << kPageBits) - 1;
  static constexpr std::size_t kPageBytes = std::size_t{kUnit} << kPageBits;
  static constexpr std::size_t kLargest = kPageBytes / 8;  // larger ones have a page of their own
  static constexpr std::size_t kFine = 128;                // sizes up to this: every multiple of the unit
  static constexpr std::size_t kSteps = 16;                // above: so many between two powers of two
  static constexpr std::size_t kSizes = kFine / kUnit + 4 * kSteps;
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint16_t kNoSlot = 0xffff;

  struct Page {
    std::unique_ptr<char[]> bytes;
    std::uint32_t slot_bytes = 0;
    std::uint32_t before = kNone, after = kNone;  // of the same size, with room
    std::uint16_t slots = 0;
    std::uint16_t live = 0;
    std::uint16_t begun = 0;            // slots that were ever taken
    std::uint16_t free_slot = kNoSlot;  // given back; each begins with the next one
  };

  static std::size_t size_number(std::size_t room);
  std::uint32_t new_page(std::size_t bytes, std::size_t slot_bytes);
  void free_page(std::uint32_t number);
  void link(std::uint32_t number);
  void unlink(std::uint32_t number);

  std::vector<Page> pages_;
  std::vector<std::uint32_t> unused_;               // numbers of pages without memory
  std::array<std::uint32_t, kSizes> with_room_{};   // first page of each size
  std::uint64_t bytes_ = 0;
};

}  // namespace meterhub::engine
