#include "joins.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tight.h"
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
  for (auto i = first; i < end; ++i) pack_row_tight(packed_, rows.sources[i], with_metadata_);
  for (std::size_t i = 0; i < select_.analytics.size(); ++i) {
    if (has_analytics_of(select_, i, first, end)) pack_tight(packed_, rows.analytics[i]);
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
  texts_.clear();
  for (std::size_t i = 0; i < select_.analytics.size(); ++i) {
    if (has_analytics_of(select_, i, first, end)) rows.analytics[i] = take_tight(from, texts_);
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
  auto* sides = state_.find(part, key_);
  const bool known = sides != nullptr;
  auto answer = Answer::kDone;
  if (known) {
    forget(*sides, now);
    if (can_match) answer = probe(evaluator, rows, sides->right, own, true, matched);
  }
  if (answer == Answer::kDone) {
    const bool lonely = outer_ && !own.matched();
    const bool waits = left_until(own.time) > now && (can_match || outer_) && !(anti_ && own.matched());
    if (waits || lonely) {
      if (!known) sides = &state_.make(part, key_);
      if (lonely) arm(*sides, key_, std::max(left_until(own.time), now));
      keep(sides->left, std::move(own), rows, 0, right_);
    }
  }
  if (sides != nullptr) state_.store(part, key_, *sides);
  return answer;
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
  auto* sides = state_.find(part, key_);
  auto answer = Answer::kDone;
  if (sides != nullptr) {
    forget(*sides, now);
    answer = probe(evaluator, rows, sides->left, own, false, matched);
    if (anti_) std::erase_if(sides->left, [](const Kept& row) { return row.matched(); });
  }
  if (answer == Answer::kDone && right_until(own.time) > now) {
    if (sides == nullptr) sides = &state_.make(part, key_);
    keep(sides->right, std::move(own), rows, right_, right_ + 1);
  }
  if (sides != nullptr) state_.store(part, key_, *sides);
  return answer;
}

// A key that is looked at before needs no second entry: fire() looks what else waits.
void StreamJoin::arm(Sides& sides, std::string_view key, Ticks at) {
  if (sides.armed <= at) return;
  sides.armed = at;
  pack_bytes(due_[at], key);
}

std::optional<Ticks> StreamJoin::due() const { return due_.empty() ? std::nullopt : std::optional(due_.begin()->first); }

StreamJoin::Answer StreamJoin::fire(JoinRows rows, const std::function<bool(Ticks time)>& unmatched) {
  const auto waiting = due_.extract(due_.begin());
  const auto now = waiting.key();
  std::vector<Lonely> ready;
  Unpacker keys(waiting.mapped());
  while (keys.ok() && !keys.done()) {
    const auto key = keys.bytes();
    const auto part = part_of_key(key);
    auto* const sides = state_.find(part, key);
    if (sides == nullptr || sides->armed != now) continue;
    sides->armed = kNever;
    auto next = kNever;
    for (const auto& row : sides->left) {
      if (row.matched()) continue;
      const auto until = left_until(row.time);
      if (until <= now) ready.push_back({row.number(), key});
      else next = std::min(next, until);
    }
    if (next != kNever) arm(*sides, key, next);
    state_.store(part, key, *sides);
  }
  std::ranges::sort(ready, {}, &Lonely::number);
  for (const auto& one : ready) {
    if (!fire_row(rows, one, unmatched)) return Answer::kStopped;
  }
  return Answer::kDone;
}

bool StreamJoin::fire_row(JoinRows rows, Lonely lonely, const std::function<bool(Ticks time)>& unmatched) {
  const auto part = part_of_key(lonely.key);
  auto* const sides = state_.find(part, lonely.key);
  if (sides == nullptr) return true;
  auto& left = sides->left;
  const auto row = std::ranges::find(left, lonely.number, &Kept::number);
  if (row == left.end()) return true;
  before_change(part);
  const auto one = std::move(*row);
  left.erase(row);
  state_.store(part, lonely.key, *sides);
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
  if (state_.empty(part)) return {};
  std::string out;
  pack_number(out, next_number_);
  return out + state_.save(part);
}

bool StreamJoin::load_part(std::uint32_t part, std::string_view bytes) {
  Unpacker head(bytes);
  next_number_ = std::max(next_number_, head.number());
  return head.ok() && state_.load(part, head.rest());
}

bool StreamJoin::loaded() {
  if (!outer_) return true;
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& key : state_.keys_of(part)) {
      auto& sides = *state_.find(part, key);
      auto first = kNever;
      for (const auto& row : sides.left) {
        if (!row.matched()) first = std::min(first, left_until(row.time));
      }
      if (first == kNever) continue;
      arm(sides, key, first);
      state_.store(part, key, sides);
    }
  }
  return true;
}

std::uint64_t StreamJoin::keys() const { return state_.size(); }

std::uint64_t StreamJoin::bytes() const {
  std::uint64_t sum = state_.bytes();
  for (const auto& [due, keys] : due_) sum += keys.capacity();
  return sum;
}

}  // namespace meterhub::engine
