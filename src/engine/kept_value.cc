#include "kept_value.h"

#include <bit>
#include <cstring>

#include <meterhub/base/assert.h>

namespace meterhub::engine {
namespace {

// What bytes_ holds of a text on the heap. Texts come from events, far below 4 GiB.
struct Place {
  char* text = nullptr;
  std::uint32_t size = 0;
};
constexpr std::size_t kPlaceBytes = sizeof(char*) + sizeof(std::uint32_t);

Place place_of(const char* bytes) {
  Place place;
  std::memcpy(&place.text, bytes, sizeof(place.text));
  std::memcpy(&place.size, bytes + sizeof(place.text), sizeof(place.size));
  return place;
}

}  // namespace

void KeptValue::set(const Value& value) {
  static_assert(kPlaceBytes <= kHere);
  clear();
  kind_ = value.kind;
  payload_ = value.kind == Kind::kFloat ? std::bit_cast<std::uint64_t>(value.number)
                                        : static_cast<std::uint64_t>(value.integer);
  if (value.text.size() <= kHere) {
    value.text.copy(bytes_.data(), value.text.size());
    size_ = static_cast<std::uint8_t>(value.text.size());
    return;
  }
  MH_ASSERT(value.text.size() <= UINT32_MAX);
  auto text = std::make_unique<char[]>(value.text.size());
  value.text.copy(text.get(), value.text.size());
  const auto size = static_cast<std::uint32_t>(value.text.size());
  char* const address = text.release();
  std::memcpy(bytes_.data(), &address, sizeof(address));
  std::memcpy(bytes_.data() + sizeof(address), &size, sizeof(size));
  size_ = kOnHeap;
}

void KeptValue::clear() {
  if (size_ == kOnHeap) delete[] place_of(bytes_.data()).text;
  size_ = 0;
  kind_ = Kind::kNull;
  payload_ = 0;
}

std::string_view KeptValue::text() const {
  if (size_ != kOnHeap) return {bytes_.data(), size_};
  const auto place = place_of(bytes_.data());
  return {place.text, place.size};
}

Value KeptValue::get() const {
  Value value;
  value.kind = kind_;
  if (kind_ == Kind::kFloat) value.number = std::bit_cast<double>(payload_);
  else value.integer = static_cast<std::int64_t>(payload_);
  value.text = text();
  return value;
}

std::size_t KeptValue::heap_bytes() const { return size_ == kOnHeap ? text().size() : 0; }

void KeptBytes::set(std::string_view first, std::string_view second) {
  MH_ASSERT(first.size() + second.size() <= UINT32_MAX);
  const auto size = static_cast<std::uint32_t>(first.size() + second.size());
  if (get().size() != size) block_ = size == 0 ? nullptr : std::make_unique_for_overwrite<char[]>(sizeof(size) + size);
  if (!block_) return;
  std::memcpy(block_.get(), &size, sizeof(size));
  first.copy(block_.get() + sizeof(size), first.size());
  second.copy(block_.get() + sizeof(size) + first.size(), second.size());
}

std::string_view KeptBytes::get() const {
  std::uint32_t size = 0;
  if (block_) std::memcpy(&size, block_.get(), sizeof(size));
  return block_ ? std::string_view(block_.get() + sizeof(size), size) : std::string_view();
}

}  // namespace meterhub::engine
