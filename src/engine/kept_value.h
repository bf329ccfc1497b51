// A value that outlives its event, in 24 bytes: numbers and times, floats with the digits they
// came with, short texts; longer texts on the heap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <meterhub/engine/value.h>

namespace meterhub::engine {

// Owned by one thread. May be moved as bytes; end of life is the destructor.
class KeptValue {
 public:
  KeptValue() = default;
  KeptValue(const KeptValue&) = delete;
  KeptValue& operator=(const KeptValue&) = delete;
  ~KeptValue() { clear(); }

  void set(const Value& value);
  void clear();
  // NULL when nothing was set. Its text is good until set(), clear() or a move.
  Value get() const;
  Kind kind() const { return kind_; }
  std::size_t heap_bytes() const;

 private:
  static constexpr std::size_t kHere = 14;  // bytes of text
  static constexpr std::uint8_t kOnHeap = 0xFF;

  std::string_view text() const;

  std::uint64_t payload_ = 0;  // integer, or the bits of a float
  // Text, or its address and size.
  std::array<char, kHere> bytes_{};
  std::uint8_t size_ = 0;
  Kind kind_ = Kind::kNull;
};

// Bytes of any number behind one pointer. Null and empty are the same.
class KeptBytes {
 public:
  void set(std::string_view first, std::string_view second = {});
  std::string_view get() const;
  std::size_t heap_bytes() const { return block_ ? sizeof(std::uint32_t) + get().size() : 0; }

 private:
  std::unique_ptr<char[]> block_;  // size, bytes
};

static_assert(sizeof(KeptBytes) == 8);
static_assert(sizeof(KeptValue) == 24 && alignof(KeptValue) == 8);

}  // namespace meterhub::engine
