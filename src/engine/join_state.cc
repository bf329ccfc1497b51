#include "join_state.h"

#include <utility>

#include "tight.h"

namespace meterhub::engine {
namespace {

// Rows of a key that are packed, and their bytes: with more, what every event copies would be felt.
// One that has grown stays open until it has half of that.
constexpr std::size_t kRowsMost = 4;
constexpr std::size_t kBytesMost = 2'048;

bool is_small(const JoinSides& sides, std::size_t part) {
  std::size_t bytes = 0;
  for (const auto* side : {&sides.left, &sides.right}) {
    for (const auto& row : *side) bytes += row.packed.get().size();
  }
  return sides.left.size() + sides.right.size() <= kRowsMost / part && bytes <= kBytesMost / part;
}

void pack_side(std::string& out, const std::vector<JoinedRow>& side) {
  pack_number(out, side.size());
  for (const auto& row : side) {
    pack_time(out, row.time);
    pack_number(out, row.mark);
    pack_bytes(out, row.packed.get());
  }
}

void unpack_side(Unpacker& from, std::vector<JoinedRow>& side) {
  side.resize(from.number());
  for (auto& row : side) {
    row.time = take_time(from);
    row.mark = from.number();
    row.packed.set(from.bytes());
  }
}

// As docs/formats/job-state.md has it.
void save_side(std::string& out, const std::vector<JoinedRow>& side) {
  pack_number(out, side.size());
  for (const auto& row : side) {
    pack_signed(out, row.time);
    pack_number(out, row.mark);
    pack_bytes(out, row.packed.get());
  }
}

void load_side(Unpacker& from, std::vector<JoinedRow>& side) {
  const auto count = from.number();
  for (std::uint64_t i = 0; i < count && from.ok(); ++i) {
    JoinedRow row;
    row.time = from.signed_number();
    row.mark = from.number();
    row.packed.set(from.bytes());
    side.push_back(std::move(row));
  }
}

}  // namespace

void JoinState::pack_sides(std::string& out, const JoinSides& sides) {
  const bool armed = sides.armed != JoinSides::kNever;
  out.push_back(static_cast<char>(armed));
  if (armed) pack_time(out, sides.armed);
  pack_side(out, sides.left);
  pack_side(out, sides.right);
}

void JoinState::unpack_sides(std::string_view packed, JoinSides& sides) {
  Unpacker from(packed);
  sides.armed = from.number() != 0 ? take_time(from) : JoinSides::kNever;
  unpack_side(from, sides.left);
  unpack_side(from, sides.right);
}

JoinSides* JoinState::find(std::uint32_t part, std::string_view key) {
  if (const auto found = packed_.find(part, key)) {
    unpack_sides(packed_.get(found).value, at_hand_);
    return &at_hand_;
  }
  auto& open = open_.part(part);
  if (open.empty()) return nullptr;
  const auto found = open.find(key);
  return found == open.end() ? nullptr : found->second.get();
}

JoinSides& JoinState::make(std::uint32_t part, std::string_view key) {
  if (auto* const sides = find(part, key)) return *sides;
  at_hand_.left.clear();
  at_hand_.right.clear();
  at_hand_.armed = JoinSides::kNever;
  return at_hand_;
}

void JoinState::store(std::uint32_t part, std::string_view key, JoinSides& sides) {
  const bool was_open = &sides != &at_hand_;
  if (!is_small(sides, was_open ? 2 : 1)) {
    if (was_open) return;
    packed_.erase(part, key);
    open_.part(part).try_emplace(StateKey(key), std::make_unique<JoinSides>(std::exchange(at_hand_, {})));
    return;
  }
  record_.clear();
  const bool any = !sides.empty();
  if (any) pack_sides(record_, sides);
  if (was_open) open_.part(part).erase(key);
  if (any) packed_.set(part, key, record_);
  else if (!was_open) packed_.erase(part, key);
}

std::vector<std::string> JoinState::keys_of(std::uint32_t part) const {
  std::vector<std::string> out;
  packed_.each(part, [&](KeptRecords::Found found) { out.emplace_back(packed_.get(found).key); });
  for (const auto& [key, sides] : open_.part(part)) out.emplace_back(key.view());
  return out;
}

std::string JoinState::save(std::uint32_t part) const {
  JoinSides sides;
  auto out = packed_.save(part, [&](std::string& to, std::string_view packed) {
    unpack_sides(packed, sides);
    save_side(to, sides.left);
    save_side(to, sides.right);
  });
  return out + open_.save(part, [](std::string& to, const std::unique_ptr<JoinSides>& open) {
    save_side(to, open->left);
    save_side(to, open->right);
  });
}

bool JoinState::load(std::uint32_t part, std::string_view bytes) {
  Unpacker from(bytes);
  while (from.ok() && !from.done()) {
    const auto key = from.bytes();
    if (!from.ok() || part_of_key(key) != part) return false;
    auto& sides = make(part, key);
    load_side(from, sides.left);
    load_side(from, sides.right);
    if (!from.ok()) return false;
    store(part, key, sides);
  }
  return from.ok();
}

std::uint64_t JoinState::bytes() const {
  std::uint64_t sum = packed_.bytes() + open_.bytes();
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, sides] : open_.part(part)) {
      sum += sizeof(JoinSides) + 16;
      for (const auto* side : {&sides->left, &sides->right}) {
        sum += side->capacity() * sizeof(JoinedRow) + 16;
        for (const auto& row : *side) sum += row.packed.heap_bytes() + 16;
      }
    }
  }
  return sum;
}

}  // namespace meterhub::engine
