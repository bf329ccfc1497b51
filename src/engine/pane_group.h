// The record of a group in tumbling, hopping and snapshot windows. Rows come in order of time, so
// that only the newest pane changes: its states lie open (StatesPool) once it has two rows, those
// of a lonely row and of older panes packed.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "packed.h"

namespace meterhub::engine {

// Views of what a record's value says. In it: flags, tenant, number of the newest pane, the key's
// values where its bytes do not keep them, where the states lie or the states behind their length,
// older panes (oldest first, each: number, states behind their length).
struct PaneGroup {
  static constexpr std::uint32_t kPacked = 0xffffffff;

  std::uint32_t tenant = 0;  // 0: several
  std::uint32_t open = kPacked;
  std::int64_t pane = 0;     // the newest
  std::string_view original;
  std::string_view states;   // of the newest, when it is not open
  std::string_view older;

  bool is_open() const { return open != kPacked; }
  // Another row of the group.
  void join(std::uint32_t other) {
    if (other != tenant) tenant = 0;
  }

  void write(std::string& out) const {
    out.push_back(static_cast<char>((original.empty() ? 0 : kOriginal) | (is_open() ? kOpen : 0)));
    pack_number(out, tenant);
    pack_signed(out, pane);
    if (!original.empty()) pack_bytes(out, original);
    if (is_open()) out.append(reinterpret_cast<const char*>(&open), sizeof(open));
    else pack_bytes(out, states);
    out += older;
  }
  static PaneGroup read(std::string_view value) {
    Unpacker from(value.substr(1));
    const auto flags = static_cast<unsigned char>(value.front());
    PaneGroup group;
    group.tenant = static_cast<std::uint32_t>(from.number());
    group.pane = from.signed_number();
    if ((flags & kOriginal) != 0) group.original = from.bytes();
    if ((flags & kOpen) == 0) {
      group.states = from.bytes();
      group.older = from.rest();
      return group;
    }
    group.older = from.rest();
    std::memcpy(&group.open, group.older.data(), sizeof(group.open));
    group.older.remove_prefix(sizeof(group.open));
    return group;
  }

 private:
  static constexpr std::uint8_t kOriginal = 1;
  static constexpr std::uint8_t kOpen = 2;
};

}  // namespace meterhub::engine
