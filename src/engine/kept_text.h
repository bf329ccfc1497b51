// Bytes that live long and in great number: short ones inside, longer ones on the heap, without
// the room that std::string keeps for itself.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include <absl/hash/hash.h>
#include <meterhub/base/assert.h>

namespace meterhub::engine {

// Size bytes in all, Size - 1 of them inside. Owned by one thread.
template <std::size_t Size>
class KeptText {
 public:
  static_assert(Size >= 16 && Size % 8 == 0 && Size < 255);
  static constexpr std::size_t kInside = Size - 1;

  KeptText() = default;
  explicit KeptText(std::string_view text) { set(text); }
  KeptText(KeptText&& other) noexcept : bytes_(other.bytes_) { other.bytes_.back() = 0; }
  KeptText& operator=(KeptText&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  // For tables whose entries cannot be moved as they lie.
  KeptText(const KeptText& other) { set(other.view()); }
  KeptText& operator=(const KeptText&) = delete;
  ~KeptText() { clear(); }

  std::string_view view() const {
    const auto size = static_cast<unsigned char>(bytes_.back());
    if (size != kOnHeap) return {bytes_.data(), size};
    return {pointer(), heap_size()};
  }
  // `text` may not lie in this.
  void set(std::string_view text) {
    const bool fits = on_heap() && text.size() == heap_size();
    if (fits) {
      text.copy(pointer(), text.size());
      return;
    }
    clear();
    if (text.size() <= kInside) {
      text.copy(bytes_.data(), text.size());
      bytes_.back() = static_cast<char>(text.size());
      return;
    }
    MH_ASSERT(text.size() <= UINT32_MAX);
    char* const block = new char[text.size()];
    text.copy(block, text.size());
    const auto size = static_cast<std::uint32_t>(text.size());
    std::memcpy(bytes_.data(), &block, sizeof(block));
    std::memcpy(bytes_.data() + sizeof(block), &size, sizeof(size));
    bytes_.back() = static_cast<char>(kOnHeap);
  }
  // With what malloc adds, about.
  std::size_t heap_bytes() const { return on_heap() ? (heap_size() + 8 + 15) / 16 * 16 : 0; }

 private:
  static constexpr unsigned char kOnHeap = 255;

  bool on_heap() const { return static_cast<unsigned char>(bytes_.back()) == kOnHeap; }
  char* pointer() const {
    char* block = nullptr;
    std::memcpy(&block, bytes_.data(), sizeof(block));
    return block;
  }
  std::uint32_t heap_size() const {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes_.data() + sizeof(char*), sizeof(size));
    return size;
  }
  void clear() {
    if (on_heap()) delete[] pointer();
    bytes_.back() = 0;
  }

  // Text and its size; or pointer, size, kOnHeap.
  alignas(8) std::array<char, Size> bytes_{};
};

// A key in a table: 16 bytes, of which a meter's takes nine.
using StateKey = KeptText<16>;

// For tables of them, which can be asked with any text.
struct KeptTextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return absl::HashOf(key); }
  std::size_t operator()(const StateKey& key) const { return absl::HashOf(key.view()); }
};
struct KeptTextEqual {
  using is_transparent = void;
  static std::string_view view(std::string_view key) { return key; }
  static std::string_view view(const StateKey& key) { return key.view(); }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return view(a) == view(b);
  }
};

}  // namespace meterhub::engine
