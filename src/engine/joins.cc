#include "joins.h"

#include <algorithm>
#include <map>
#include <utility>

#include "windows.h"

namespace meterhub::engine {
namespace {

// WHERE keeps only rows in which a key of the right side is NULL; in a match none is.
bool asks_for_nobody(const sql::ExprPtr& where, const sql::Join& join) {
  if (!where) return false;
  if (where->kind == sql::ExprKind::kAnd) {
    return std::ranges::any_of(where->args, [&](const sql::ExprPtr& arg) { return asks_for_nobody(arg, join); });
  }
  if (where->kind != sql::ExprKind::kIsNull) return false;
  return std::ranges::any_of(join.keys, [&](const sql::KeyPair& pair) { return sql::same_expression(*pair.right, *where->args.front()); });
}

bool has_analytics_of(const sql::Select& select, std::size_t index, std::uint32_t first, std::uint32_t end) {
  const auto source = select.analytics[index].source;
  return source >= first && source < end;
}

}  // namespace

StreamJoin::StreamJoin(const sql::Select& select, std::uint32_t right, bool lenient, bool with_metadata)
    : select_(select), right_(right), join_(*select.sources[right].join), bound_(*join_.bound), lenient_(lenient),
      with_metadata_(with_metadata), outer_(join_.left_outer) {
  // A join behind this one would have to see the matches.
  const bool last = right + 1 == select.sources.size();
  anti_ = outer_ && last && asks_for_nobody(select.where, join_);
  // What a join before this one puts together comes with the later of its two rows, or a LEFT
  // JOIN's once nobody came.
  for (std::uint32_t i = 1; i < right; ++i) {
    const auto& before = select.sources[i].join;
    if (!before || !before->bound) continue;
    left_delay_ += std::max({before->bound->upper_ticks, -before->bound->lower_ticks, Ticks{0}}) + before->bound->slack_ticks;
  }
  for (std::uint32_t i = 0; i <= right; ++i) unpacked_.push_back(std::make_unique<UnpackedRow>());
}

// False: a part of the key is NULL, which matches nothing.
bool StreamJoin::key(Evaluator& evaluator, bool left) {
  key_.clear();
  bool whole = true;
  for (const auto& pair : join_.keys) {
    const auto value = evaluator.value(left ? *pair.left : *pair.right);
    whole = whole && !value.is_null();
    append_key(key_, value);
  }
  return whole;
}

void StreamJoin::keep(std::vector<Kept>& side, Kept own, JoinRows rows, std::uint32_t first, std::uint32_t end) {
  packed_.clear();
  for (auto i = first; i < end; ++i) pack_row(packed_, rows.sources[i], with_metadata_);
  for (std::size_t i = 0; i < select_.analytics.size(); ++i) {
    if (has_analytics_of(select_, i, first, end)) pack(packed_, rows.analytics[i]);
  }
  own.packed.set(packed_);
  // Most keys keep one row: no room for more is made.
  if (side.size() == side.capacity()) side.reserve(side.size() + 1 + side.size() / 2);
  side.push_back(std::move(own));
}

bool StreamJoin::unpack_side(JoinRows rows, std::uint32_t first, std::uint32_t end, std::string_view packed) {
  Unpacker from(packed);
  for (auto i = first; i < end; ++i) {
    if (!unpacked_[i]->read(from)) return false;
    rows.sources[i] = unpacked_[i]->row();
  }
  for (std::size_t i = 0; i < select_.analytics.size(); ++i) {
    if (has_analytics_of(select_, i, first, end)) rows.analytics[i] = from.value();
  }
  return from.ok();
}

Ticks StreamJoin::whole_units(Ticks time) const {
  const auto unit = bound_.slack_ticks;
  const auto end = window_end(time, unit, 0);
  return end == time ? time : end - unit;
}

// DATEDIFF counts boundaries: the last right row lies before the boundary after the upper bound.
Ticks StreamJoin::left_until(Ticks time) const { return whole_units(time) + bound_.upper_ticks + bound_.slack_ticks; }

Ticks StreamJoin::right_until(Ticks time) const {
  return whole_units(time) - bound_.lower_ticks + bound_.slack_ticks + left_delay_;
}

// The latest of the rows before `right`: when their combination came to be.
Ticks StreamJoin::left_time(JoinRows rows) const {
  Ticks latest = rows.sources[0].time;
  for (std::uint32_t i = 1; i < right_; ++i) {
    const auto& join = select_.sources[i].join;
    if (!rows.sources[i].nobody) latest = std::max(latest, rows.sources[i].time);
    else if (join && join->bound) {  // known only once nobody had come
      const auto& left = rows.sources[join->bound->left];
      latest = std::max(latest, (left.nobody ? latest : left.time) + join->bound->upper_ticks);
    }
  }
  return latest;
}

void StreamJoin::forget(Sides& sides, Ticks now) {
  // Unmatched rows of a LEFT JOIN are waited for by fire().
  const auto left_gone = [&](const Kept& row) { return left_until(row.time) <= now && (!outer_ || row.matched()); };
  const auto right_gone = [&](const Kept& row) { return right_until(row.time) <= now; };
  const auto trim = [](std::vector<Kept>& rows, const auto& gone) {
    if (!rows.empty() && gone(rows.front())) std::erase_if(rows, gone);
  };
  trim(sides.left, left_gone);
  trim(sides.right, right_gone);
}

StreamJoin::Answer StreamJoin::probe(Evaluator& evaluator, JoinRows rows, std::vector<Kept>& others, Kept& own, bool own_left,
                                     const Matched& matched) {
  const auto first = own_left ? right_ : 0;
  const auto end = own_left ? right_ + 1 : right_;
  for (auto& other : others) {
    if (!unpack_side(rows, first, end, other.packed.get())) continue;
    evaluator.bind(rows.sources, rows.sources[own_left ? 0 : right_].time, rows.analytics);
    const bool pair = !join_.residual || evaluator.is_true(*join_.residual);
    if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
    if (!pair) continue;
    (own_left ? own : other).match();
    if (!anti_ && !matched()) return Answer::kStopped;
  }
  return Answer::kDone;
}

StreamJoin::Answer StreamJoin::add_left(Evaluator& evaluator, JoinRows rows, Ticks now, const Matched& matched) {
  evaluator.bind(rows.sources, now, rows.analytics);
  const bool can_match = key(evaluator, true) && !rows.sources[bound_.left].nobody;
  if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
  Kept own;
  const auto& from = rows.sources[bound_.left];
  own.time = from.nobody ? now : from.time;
  own.mark = next_number_++ << 1;
  const auto part = part_of_key(key_);
  before_change(part);
  // Matches may reach this state no more: the steps behind are others.
  auto& states = state_.part(part);
  auto found = states.find(key_);
  if (found != states.end()) {
    forget(found->second, now);
    const auto answer = can_match ? probe(evaluator, rows, found->second.right, own, true, matched) : Answer::kDone;
    if (answer != Answer::kDone) return answer;
  }
  const bool lonely = outer_ && !own.matched();
  const bool waits = left_until(own.time) > now && (can_match || outer_) && !(anti_ && own.matched());
  if (waits || lonely) {
    if (found == states.end()) found = states.try_emplace(StateKey(key_)).first;
    if (lonely) arm(found->second, key_, std::max(left_until(own.time), now));
    keep(found->second.left, std::move(own), rows, 0, right_);
  } else if (found != states.end() && found->second.empty()) {
    states.erase(found);
  }
  return Answer::kDone;
}

StreamJoin::Answer StreamJoin::add_right(Evaluator& evaluator, JoinRows rows, Ticks now, const Matched& matched) {
  evaluator.bind(rows.sources, now, rows.analytics);
  const bool can_match = key(evaluator, false);
  if (!lenient_ && !evaluator.error().empty()) return Answer::kDataError;
  if (!can_match) return Answer::kDone;
  Kept own;
  own.time = rows.sources[right_].time;
  const auto part = part_of_key(key_);
  before_change(part);
  auto& states = state_.part(part);
  auto found = states.find(key_);
  auto answer = Answer::kDone;
  if (found != states.end()) {
    forget(found->second, now);
    answer = probe(evaluator, rows, found->second.left, own, false, matched);
    if (anti_) std::erase_if(found->second.left, [](const Kept& row) { return row.matched(); });
  }
  if (answer == Answer::kDone && right_until(own.time) > now) {
    if (found == states.end()) found = states.try_emplace(StateKey(key_)).first;
    keep(found->second.right, std::move(own), rows, right_, right_ + 1);
  }
  if (found != states.end() && found->second.empty()) states.erase(found);
  return answer;
}

// A key that is looked at before needs no second entry: fire() looks what else waits.
void StreamJoin::arm(Sides& sides, std::string_view key, Ticks at) {
  if (sides.armed <= at) return;
  sides.armed = at;
  due_[at].emplace_back(key);
}

std::optional<Ticks> StreamJoin::due() const { return due_.empty() ? std::nullopt : std::optional(due_.begin()->first); }

StreamJoin::Answer StreamJoin::fire(JoinRows rows, const std::function<bool(Ticks time)>& unmatched) {
  const auto waiting = due_.extract(due_.begin());
  const auto now = waiting.key();
  std::vector<Lonely> ready;
  for (const auto& key : waiting.mapped()) {
    auto& states = state_.part_of(key.view());
    const auto found = states.find(key.view());
    if (found == states.end() || found->second.armed != now) continue;
    auto& sides = found->second;
    sides.armed = kNever;
    auto next = kNever;
    for (const auto& row : sides.left) {
      if (row.matched()) continue;
      const auto until = left_until(row.time);
      if (until <= now) ready.push_back({row.number(), key.view()});
      else next = std::min(next, until);
    }
    if (next != kNever) arm(sides, key.view(), next);
  }
  std::ranges::sort(ready, {}, &Lonely::number);
  for (const auto& one : ready) {
    if (!fire_row(rows, one, unmatched)) return Answer::kStopped;
  }
  return Answer::kDone;
}

bool StreamJoin::fire_row(JoinRows rows, Lonely lonely, const std::function<bool(Ticks time)>& unmatched) {
  const auto part = part_of_key(lonely.key);
  const auto found = state_.part(part).find(lonely.key);
  if (found == state_.part(part).end()) return true;
  auto& left = found->second.left;
  const auto row = std::ranges::find(left, lonely.number, &Kept::number);
  if (row == left.end()) return true;
  before_change(part);
  const auto one = std::move(*row);
  left.erase(row);
  if (found->second.empty()) state_.part(part).erase(found);
  if (!unpack_side(rows, 0, right_, one.packed.get())) return true;
  rows.sources[right_] = {};
  rows.sources[right_].nobody = true;
  for (std::size_t i = 0; i < select_.analytics.size(); ++i) {
    if (select_.analytics[i].source == right_) rows.analytics[i] = Value::null();
  }
  // Never before the left row itself.
  const Ticks latest = left_time(rows);
  return unmatched(std::max(latest, one.time + bound_.upper_ticks));
}

std::string StreamJoin::save_part(std::uint32_t part) const {
  if (state_.part(part).empty()) return {};
  std::string out;
  pack_number(out, next_number_);
  const auto save_side = [](std::string& to, const std::vector<Kept>& side) {
    pack_number(to, side.size());
    for (const auto& row : side) {
      pack_signed(to, row.time);
      pack_number(to, row.mark);
      pack_bytes(to, row.packed.get());
    }
  };
  return out + state_.save(part, [&](std::string& to, const Sides& sides) {
    save_side(to, sides.left);
    save_side(to, sides.right);
  });
}

bool StreamJoin::load_part(std::uint32_t part, std::string_view bytes) {
  Unpacker head(bytes);
  next_number_ = std::max(next_number_, head.number());
  const auto load_side = [](Unpacker& from, std::vector<Kept>& side) {
    const auto count = from.number();
    for (std::uint64_t i = 0; i < count && from.ok(); ++i) {
      Kept row;
      row.time = from.signed_number();
      row.mark = from.number();
      row.packed.set(from.bytes());
      side.push_back(std::move(row));
    }
  };
  return head.ok() && state_.load(part, head.rest(), [&](Unpacker& from) {
    Sides sides;
    load_side(from, sides.left);
    load_side(from, sides.right);
    return from.ok() ? std::optional(std::move(sides)) : std::nullopt;
  });
}

bool StreamJoin::loaded() {
  if (!outer_) return true;
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (auto& [key, sides] : state_.part(part)) {
      auto first = kNever;
      for (const auto& row : sides.left) {
        if (!row.matched()) first = std::min(first, left_until(row.time));
      }
      if (first != kNever) arm(sides, key.view(), first);
    }
  }
  return true;
}

std::uint64_t StreamJoin::keys() const { return state_.size(); }

std::uint64_t StreamJoin::bytes() const {
  std::uint64_t sum = state_.bytes();
  for (const auto& [due, keys] : due_) sum += keys.capacity() * sizeof(StateKey);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, sides] : state_.part(part)) {
      for (const auto* side : {&sides.left, &sides.right}) {
        sum += side->capacity() * sizeof(Kept);
        for (const auto& row : *side) sum += row.packed.heap_bytes() + 16;
      }
    }
  }
  return sum;
}

}  // namespace meterhub::engine
