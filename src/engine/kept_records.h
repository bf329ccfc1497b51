// Keys and what is known of each, both as bytes, in parts: the state of an operator that has
// millions of keys. A record takes its bytes, two for their sizes, and 6 to 11 of a table.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include "byte_pool.h"
#include "operator_state.h"
#include "packed.h"

namespace meterhub::engine {

// One thread. Views are good until the record, or the set of its part, changes.
class KeptRecords {
 public:
  struct Record {
    std::string_view key, value;
  };

 private:
  // Where a record lies; that may change where its hash does not.
  struct Place {
    mutable BytePool::Handle at = 0;
  };
  struct Hash {
    using is_transparent = void;
    const BytePool* pool = nullptr;
    std::size_t operator()(std::string_view key) const { return absl::HashOf(key); }
    std::size_t operator()(Place place) const { return absl::HashOf(read(*pool, place.at).key); }
  };
  struct Equal {
    using is_transparent = void;
    const BytePool* pool = nullptr;
    bool operator()(Place a, Place b) const { return a.at == b.at; }
    bool operator()(Place a, std::string_view b) const { return read(*pool, a.at).key == b; }
    bool operator()(std::string_view a, Place b) const { return a == read(*pool, b.at).key; }
  };
  using Part = absl::flat_hash_set<Place, Hash, Equal>;

 public:
  // A record in its part, or none.
  using Found = const Place*;

  KeptRecords();
  KeptRecords(const KeptRecords&) = delete;
  KeptRecords& operator=(const KeptRecords&) = delete;

  Found find(std::uint32_t part, std::string_view key) const {
    const auto found = parts_[part].find(key);
    return found == parts_[part].end() ? nullptr : &*found;
  }
  Record get(Found found) const { return read(pool_, found->at); }
  // The value, to be changed in place.
  char* value_bytes(Found found);

  // `key` must be new in the part.
  void add(std::uint32_t part, std::string_view key, std::string_view value);
  // `value` may not lie in the records.
  void set(Found found, std::string_view value);
  void set(std::uint32_t part, std::string_view key, std::string_view value) {
    if (const auto found = find(part, key)) set(found, value);
    else add(part, key, value);
  }
  void erase(std::uint32_t part, std::string_view key);

  // In any order.
  template <class Visit>
  void each(std::uint32_t part, Visit&& visit) const {
    for (const auto& place : parts_[part]) visit(&place);
  }
  // Erases those of which `gone(found)`; it may set() them.
  template <class Gone>
  void erase_if(std::uint32_t part, Gone&& gone) {
    auto& places = parts_[part];
    for (auto place = places.begin(); place != places.end();) {
      const auto here = place++;
      if (!gone(&*here)) continue;
      const auto at = here->at;
      places.erase(here);
      pool_.give_back(at);
    }
    if (places.empty()) places.clear();  // its memory too
  }

  // A record by four bytes, good until it changes.
  using Handle = BytePool::Handle;
  static Handle handle(Found found) { return found->at; }
  Record at(Handle handle) const { return read(pool_, handle); }

  bool empty(std::uint32_t part) const { return parts_[part].empty(); }
  std::uint64_t size() const;
  std::uint64_t bytes() const;

  // key, value, key, value …; `save_value(out, value)` writes it.
  template <class SaveValue>
  std::string save(std::uint32_t part, SaveValue&& save_value) const {
    std::string out;
    each(part, [&](Found found) {
      const auto [key, value] = get(found);
      pack_bytes(out, key);
      save_value(out, value);
    });
    return out;
  }
  // `load_value(unpacker, value)` reads one and makes the bytes to keep. False: foreign bytes.
  template <class LoadValue>
  bool load(std::uint32_t part, std::string_view bytes, LoadValue&& load_value) {
    Unpacker from(bytes);
    std::string value;
    while (from.ok() && !from.done()) {
      const auto key = from.bytes();
      value.clear();
      if (!load_value(from, value) || !from.ok() || part_of_key(key) != part) return false;
      set(part, key, value);
    }
    return from.ok();
  }

 private:
  static Record read(const BytePool& pool, BytePool::Handle at);
  BytePool::Handle write(std::string_view key, std::string_view value);

  BytePool pool_;
  std::array<Part, kStateParts> parts_;
  std::string moved_key_;
};

}  // namespace meterhub::engine
