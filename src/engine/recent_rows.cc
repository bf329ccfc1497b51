#include "recent_rows.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <meterhub/base/assert.h>

#include "tight.h"

namespace meterhub::engine {
void ByteQueue::append(std::string_view bytes) {
  const auto size = end_ - begin_;
  const auto needed = size + bytes.size();
  MH_ASSERT(needed <= UINT32_MAX / 2);
  if (end_ + bytes.size() > capacity_) {
    if (needed + needed / 8 > capacity_) {
      const auto room = (needed + needed / 8 + 15) / 16 * 16;
      auto larger = std::make_unique_for_overwrite<char[]>(room);
      view().copy(larger.get(), size);
      bytes_ = std::move(larger);
      capacity_ = static_cast<std::uint32_t>(room);
    } else {
      std::memmove(bytes_.get(), bytes_.get() + begin_, size);
    }
    begin_ = 0;
    end_ = size;
  }
  bytes.copy(bytes_.get() + end_, bytes.size());
  end_ += static_cast<std::uint32_t>(bytes.size());
}

void ByteQueue::assign(std::string_view bytes) {
  begin_ = end_ = 0;
  append(bytes);
}

// One entry after another.
class RecentRows::Reader {
 public:
  Reader(std::string_view entries, Ticks step_before) : from_(entries), step_(step_before) {}

  bool more() const { return from_.ok() && !from_.done(); }
  // First of an entry its step, then what its row gave.
  Ticks step() {
    tag_ = tag_of_same_step(static_cast<std::uint8_t>(from_.rest().front()));
    if (tag_) from_.skip(1);
    else step_ = take_step(from_);
    return step_;
  }
  void unpack(AggregateSet& set) {
    if (tag_ && set.has_values()) set.unpack_behind(*tag_, from_);
    else set.unpack(from_);
  }
  std::size_t left() const { return from_.rest().size(); }

 private:
  Unpacker from_;
  Ticks step_;
  std::optional<std::uint8_t> tag_;  // of an entry with the same step
};

void RecentRows::evict(Ticks until, AggregateSet& set, Evaluator& evaluator, std::byte* states) {
  Reader entries(entries_.view(), dropped_step_);
  while (has_before(until)) {
    dropped_step_ = entries.step();
    entries.unpack(set);
    if (states != nullptr) set.remove(states, evaluator);
    if (entries.more()) {
      auto next = entries;
      oldest_ += next.step();
    }
    entries_.drop(entries_.view().size() - entries.left());
  }
}

bool RecentRows::append(Ticks time, const AggregateSet& set, Evaluator& evaluator, std::byte* states) {
  if (states != nullptr && !set.add(states, evaluator)) return false;
  if (empty()) {
    oldest_ = newest_ = time;
    newest_step_ = kUnknown;
  }
  const auto step = std::max<Ticks>(time - newest_, 0);
  given_.clear();
  set.pack(given_);
  const bool same = step == newest_step_ && set.has_values();
  const auto byte = same ? same_step_byte(static_cast<std::uint8_t>(given_.front())) : std::nullopt;
  entry_.clear();
  if (byte) given_.front() = static_cast<char>(*byte);
  else pack_step(entry_, step);
  entry_ += given_;
  entries_.append(entry_);
  newest_ = time;
  newest_step_ = step;
  return true;
}

bool RecentRows::results(AggregateSet& set, Evaluator& evaluator, const std::byte* states, std::vector<Value>& out) const {
  if (states != nullptr) return set.results(states, evaluator, out);
  AggregateStates made(set);
  collect(set, evaluator, made.data());
  return set.results(made.data(), evaluator, out);
}

void RecentRows::collect(AggregateSet& set, Evaluator& evaluator, std::byte* states) const {
  Reader entries(entries_.view(), dropped_step_);
  while (entries.more()) {
    entries.step();
    entries.unpack(set);
    set.add(states, evaluator);
  }
}

void RecentRows::save(std::string& out) const {
  pack_signed(out, oldest_);
  pack_signed(out, newest_);
  const auto entries = entries_.view();
  const auto tag = entries.empty() ? std::nullopt : tag_of_same_step(static_cast<std::uint8_t>(entries.front()));
  if (!tag) return pack_bytes(out, entries);
  // The first one stands alone then: nothing is before it.
  std::string first;
  pack_step(first, dropped_step_);
  first.push_back(static_cast<char>(*tag));
  pack_number(out, first.size() + entries.size() - 1);
  out += first;
  out += entries.substr(1);
}

bool RecentRows::load(Unpacker& from) {
  oldest_ = from.signed_number();
  newest_ = from.signed_number();
  entries_ = {};
  dropped_step_ = 0;
  newest_step_ = kUnknown;
  const auto bytes = from.bytes();
  if (bytes.size() > UINT32_MAX / 4) return false;
  entries_.append(bytes);
  return from.ok();
}

void RecentRows::keep(std::string& out) const {
  pack_time(out, oldest_);
  pack_step(out, newest_ - oldest_);
  pack_step(out, dropped_step_);
  pack_number(out, newest_step_ == kUnknown ? 0 : 1);
  if (newest_step_ != kUnknown) pack_step(out, newest_step_);
  out += entries_.view();
}

void RecentRows::take(std::string_view kept) {
  Unpacker from(kept);
  oldest_ = take_time(from);
  newest_ = oldest_ + take_step(from);
  dropped_step_ = take_step(from);
  newest_step_ = from.number() == 0 ? kUnknown : take_step(from);
  entries_.assign(from.rest());
}

}  // namespace meterhub::engine
