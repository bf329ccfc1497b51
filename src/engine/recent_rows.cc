#include "recent_rows.h"

#include <algorithm>
#include <cstring>

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

void RecentRows::evict(Ticks until, AggregateSet& set, Evaluator& evaluator, std::byte* states) {
  while (has_before(until)) {
    Unpacker entries(entries_.view());
    take_step(entries);
    set.unpack(entries);
    if (states != nullptr) set.remove(states, evaluator);
    const auto rest = entries.rest();
    if (!entries.done()) oldest_ += take_step(entries);
    entries_.drop(entries_.view().size() - rest.size());
  }
}

bool RecentRows::append(Ticks time, const AggregateSet& set, Evaluator& evaluator, std::byte* states) {
  if (states != nullptr && !set.add(states, evaluator)) return false;
  if (empty()) oldest_ = newest_ = time;
  entry_.clear();
  pack_step(entry_, std::max<Ticks>(time - newest_, 0));
  set.pack(entry_);
  entries_.append(entry_);
  newest_ = time;
  return true;
}

bool RecentRows::results(AggregateSet& set, Evaluator& evaluator, const std::byte* states, std::vector<Value>& out) const {
  if (states != nullptr) return set.results(states, evaluator, out);
  AggregateStates made(set);
  collect(set, evaluator, made.data());
  return set.results(made.data(), evaluator, out);
}

void RecentRows::collect(AggregateSet& set, Evaluator& evaluator, std::byte* states) const {
  Unpacker entries(entries_.view());
  while (entries.ok() && !entries.done()) {
    take_step(entries);
    set.unpack(entries);
    set.add(states, evaluator);
  }
}

void RecentRows::save(std::string& out) const {
  pack_signed(out, oldest_);
  pack_signed(out, newest_);
  pack_bytes(out, entries_.view());
}

bool RecentRows::load(Unpacker& from) {
  oldest_ = from.signed_number();
  newest_ = from.signed_number();
  entries_ = {};
  const auto bytes = from.bytes();
  if (bytes.size() > UINT32_MAX / 4) return false;
  entries_.append(bytes);
  return from.ok();
}

void RecentRows::keep(std::string& out) const {
  pack_time(out, oldest_);
  pack_step(out, newest_ - oldest_);
  out += entries_.view();
}

void RecentRows::take(std::string_view kept) {
  Unpacker from(kept);
  oldest_ = take_time(from);
  newest_ = oldest_ + take_step(from);
  entries_.assign(from.rest());
}

}  // namespace meterhub::engine
