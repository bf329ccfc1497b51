// Keys and their values in parts, the common shape of an operator's state.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include "kept_text.h"
#include "operator_state.h"
#include "packed.h"
#include "sweeps.h"

namespace meterhub::engine {

// One thread. Values move when others come: keep no pointer over a change.
template <class V>
class KeyedState {
 public:
  using Part = absl::flat_hash_map<StateKey, V, KeptTextHash, KeptTextEqual>;

  Part& part(std::uint32_t number) { return parts_[number]; }
  const Part& part(std::uint32_t number) const { return parts_[number]; }
  Part& part_of(std::string_view key) { return parts_[part_of_key(key)]; }

  std::uint64_t size() const {
    std::uint64_t sum = 0;
    for (const auto& part : parts_) sum += part.size();
    return sum;
  }
  // Of the tables and long keys; values that lie elsewhere are the operator's.
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& part : parts_) {
      sum += part.capacity() * (sizeof(typename Part::value_type) + 1);
      for (const auto& [key, value] : part) sum += key.heap_bytes();
    }
    return sum;
  }

  // key, value, key, value …
  template <class SaveValue>
  std::string save(std::uint32_t number, SaveValue&& save_value) const {
    std::string out;
    for (const auto& [key, value] : parts_[number]) {
      pack_bytes(out, key.view());
      save_value(out, value);
    }
    return out;
  }
  // `load_value(unpacker)` gives an optional value. False: foreign bytes.
  template <class LoadValue>
  bool load(std::uint32_t number, std::string_view bytes, LoadValue&& load_value) {
    Unpacker from(bytes);
    while (from.ok() && !from.done()) {
      const auto key = from.bytes();
      auto value = load_value(from);
      if (!value || !from.ok() || part_of_key(key) != number) return false;
      parts_[number].insert_or_assign(StateKey(key), std::move(*value));
    }
    return from.ok();
  }

 private:
  std::array<Part, kStateParts> parts_;
};

}  // namespace meterhub::engine
