#include <meterhub/amqp/value.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include <meterhub/base/assert.h>

#include "big_endian.h"

namespace meterhub::amqp {
namespace {

constexpr std::size_t kWideHead = 9;    // code, size and count of 4 bytes each
constexpr std::size_t kNarrowHead = 3;  // code, size and count of 1 byte each

}  // namespace

void Writer::item() {
  if (described_) {
    described_ = false;
  } else if (depth_ > 0) {
    ++open_[depth_ - 1].items;
  }
}

template <class T>
void Writer::fixed(std::uint8_t code, T value) {
  item();
  const std::size_t at = out_.size();
  out_.resize(at + 1 + sizeof(T));
  out_[at] = code;
  store_be(out_.data() + at + 1, static_cast<std::make_unsigned_t<T>>(value));
}

void Writer::null() {
  item();
  out_.push_back(0x40);
}

void Writer::boolean(bool value) {
  item();
  out_.push_back(value ? 0x41 : 0x42);
}

void Writer::uint8(std::uint8_t value) { fixed(0x50, value); }
void Writer::uint16(std::uint16_t value) { fixed(0x60, value); }

void Writer::uint32(std::uint32_t value) {
  if (value > 0xff) return fixed(0x70, value);
  if (value > 0) return fixed(0x52, static_cast<std::uint8_t>(value));
  item();
  out_.push_back(0x43);
}

void Writer::uint64(std::uint64_t value) {
  if (value > 0xff) return fixed(0x80, value);
  if (value > 0) return fixed(0x53, static_cast<std::uint8_t>(value));
  item();
  out_.push_back(0x44);
}

void Writer::int8(std::int8_t value) { fixed(0x51, value); }
void Writer::int16(std::int16_t value) { fixed(0x61, value); }

void Writer::int32(std::int32_t value) {
  if (value >= -128 && value <= 127) return fixed(0x54, static_cast<std::int8_t>(value));
  fixed(0x71, value);
}

void Writer::int64(std::int64_t value) {
  if (value >= -128 && value <= 127) return fixed(0x55, static_cast<std::int8_t>(value));
  fixed(0x81, value);
}

void Writer::float64(double value) { fixed(0x82, std::bit_cast<std::uint64_t>(value)); }
void Writer::timestamp_ms(std::int64_t value) { fixed(0x83, value); }

void Writer::uuid(base::BytesView sixteen) {
  MH_ASSERT(sixteen.size() == 16);
  item();
  out_.push_back(0x98);
  out_.insert(out_.end(), sixteen.begin(), sixteen.end());
}

// `code` is that of the 4-byte size; that of the 1-byte size is 0x10 below.
void Writer::variable(std::uint8_t code, base::BytesView value) {
  MH_ASSERT(value.size() <= UINT32_MAX);
  if (value.size() <= 0xff) {
    item();
    out_.push_back(static_cast<std::uint8_t>(code - 0x10));
    out_.push_back(static_cast<std::uint8_t>(value.size()));
  } else {
    fixed(code, static_cast<std::uint32_t>(value.size()));
  }
  out_.insert(out_.end(), value.begin(), value.end());
}

void Writer::binary(base::BytesView value) { variable(0xb0, value); }
void Writer::string(std::string_view value) { variable(0xb1, base::as_bytes(value)); }
void Writer::symbol(std::string_view value) { variable(0xb3, base::as_bytes(value)); }

void Writer::value(const Value& value) {
  item();
  value.append_to(out_);
}

void Writer::descriptor(std::uint64_t code) {
  item();
  described_ = true;
  out_.push_back(0x00);
  uint64(code);
  described_ = true;
}

void Writer::descriptor(std::string_view symbol_text) {
  item();
  described_ = true;
  out_.push_back(0x00);
  symbol(symbol_text);
  described_ = true;
}

void Writer::begin(std::uint8_t code) {
  MH_ASSERT(depth_ < kMaxOpen);
  item();
  open_[depth_++] = {out_.size(), 0};
  out_.resize(out_.size() + kWideHead);
  out_[open_[depth_ - 1].at] = code;
}

// The head was left wide; what turns out short is moved up to a narrow head.
void Writer::end() {
  MH_ASSERT(depth_ > 0);
  const Open open = open_[--depth_];
  std::uint8_t* head = out_.data() + open.at;
  const std::size_t content = out_.size() - open.at - kWideHead;
  MH_ASSERT(content + 4 <= UINT32_MAX);
  if (content + 1 > 0xff || open.items > 0xff) {
    store_be(head + 1, static_cast<std::uint32_t>(content + 4));
    store_be(head + 5, open.items);
    return;
  }
  head[0] = static_cast<std::uint8_t>(head[0] - 0x10);
  head[1] = static_cast<std::uint8_t>(content + 1);
  head[2] = static_cast<std::uint8_t>(open.items);
  std::memmove(head + kNarrowHead, head + kWideHead, content);
  out_.resize(out_.size() - (kWideHead - kNarrowHead));
}

// Elements keep the wide form of their type: an array has one constructor for all.
void Writer::array(std::uint8_t code, std::span<const std::string_view> values) {
  item();
  std::size_t content = 4 + 1;
  for (const auto value : values) content += 4 + value.size();
  MH_ASSERT(content <= UINT32_MAX);
  std::size_t at = out_.size();
  out_.resize(at + kWideHead + 1);
  out_[at] = 0xf0;
  store_be(out_.data() + at + 1, static_cast<std::uint32_t>(content));
  store_be(out_.data() + at + 5, static_cast<std::uint32_t>(values.size()));
  out_[at + kWideHead] = code;
  for (const auto value : values) {
    at = out_.size();
    out_.resize(at + 4);
    store_be(out_.data() + at, static_cast<std::uint32_t>(value.size()));
    const auto bytes = base::as_bytes(value);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
}

}  // namespace meterhub::amqp
