#include "kept_records.h"

#include <cstring>

#include <meterhub/base/assert.h>

namespace meterhub::engine {
namespace {

// Sizes as LEB128: nearly always a byte.
std::size_t size_bytes(std::size_t size) {
  std::size_t bytes = 1;
  for (; size >= 0x80; size >>= 7) ++bytes;
  return bytes;
}

char* put_size(char* at, std::size_t size) {
  for (; size >= 0x80; size >>= 7) *at++ = static_cast<char>(size | 0x80);
  *at++ = static_cast<char>(size);
  return at;
}

const char* take_size(const char* at, std::size_t& size) {
  size = static_cast<unsigned char>(*at++);
  if (size < 0x80) return at;
  size &= 0x7F;
  for (int shift = 7;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    size |= static_cast<std::size_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return at;
  }
}

std::size_t record_bytes(std::size_t key, std::size_t value) { return size_bytes(key) + size_bytes(value) + key + value; }

void put_record(char* at, std::string_view key, std::string_view value) {
  at = put_size(put_size(at, key.size()), value.size());
  at = std::copy(key.begin(), key.end(), at);
  std::copy(value.begin(), value.end(), at);
}

}  // namespace

KeptRecords::KeptRecords() {
  for (auto& part : parts_) part = Part(0, Hash{&pool_}, Equal{&pool_});
}

KeptRecords::Record KeptRecords::read(const BytePool& pool, BytePool::Handle handle) {
  std::size_t key = 0;
  std::size_t value = 0;
  const auto* const at = take_size(take_size(pool.at(handle), key), value);
  return {{at, key}, {at + key, value}};
}

BytePool::Handle KeptRecords::write(std::string_view key, std::string_view value) {
  MH_ASSERT(key.size() <= UINT32_MAX / 4 && value.size() <= UINT32_MAX / 4);
  const auto at = pool_.take(record_bytes(key.size(), value.size()));
  put_record(pool_.at(at), key, value);
  return at;
}

char* KeptRecords::value_bytes(Found found) {
  auto* const begin = pool_.at(found->at);
  return begin + (read(pool_, found->at).value.data() - begin);
}

void KeptRecords::add(std::uint32_t part, std::string_view key, std::string_view value) {
  const bool added = parts_[part].insert(Place{write(key, value)}).second;
  MH_ASSERT(added);
}

void KeptRecords::set(Found found, std::string_view value) {
  const auto [key, before] = read(pool_, found->at);
  if (size_bytes(value.size()) == size_bytes(before.size()) &&
      BytePool::room_for(record_bytes(key.size(), value.size())) == BytePool::room_for(record_bytes(key.size(), before.size()))) {
    put_size(put_size(pool_.at(found->at), key.size()), value.size());
    value.copy(value_bytes(found), value.size());
    return;
  }
  moved_key_.assign(key);
  const auto at = write(moved_key_, value);
  pool_.give_back(found->at);
  found->at = at;
}

void KeptRecords::erase(std::uint32_t part, std::string_view key) {
  const auto found = parts_[part].find(key);
  if (found == parts_[part].end()) return;
  const auto at = found->at;
  parts_[part].erase(found);
  pool_.give_back(at);
}

std::uint64_t KeptRecords::size() const {
  std::uint64_t sum = 0;
  for (const auto& part : parts_) sum += part.size();
  return sum;
}

std::uint64_t KeptRecords::bytes() const {
  std::uint64_t sum = pool_.bytes();
  for (const auto& part : parts_) sum += part.capacity() * (sizeof(Place) + 1);
  return sum;
}

}  // namespace meterhub::engine
