#include "recent_rows.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <meterhub/base/assert.h>

namespace meterhub::engine {
namespace {

// A time of a row after the one before it: in the largest unit that it is a multiple of, so that
// 30 s take a byte. The unit is in the two lowest bits.
constexpr std::array<Ticks, 3> kUnits{1, sql::kTicksPerSecond / 1000, sql::kTicksPerSecond};

void pack_step(std::string& out, Ticks step) {
  std::size_t unit = kUnits.size() - 1;
  while (step % kUnits[unit] != 0) --unit;
  pack_number(out, static_cast<std::uint64_t>(step / kUnits[unit]) << 2 | unit);
}

Ticks take_step(Unpacker& from) {
  const auto packed = from.number();
  return static_cast<Ticks>(packed >> 2) * kUnits[std::min<std::size_t>(packed & 3, kUnits.size() - 1)];
}

}  // namespace

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

void RecentRows::evict(Ticks until, AggregateSet& set, Evaluator& evaluator) {
  while (has_before(until)) {
    Unpacker entries(entries_.view());
    take_step(entries);
    set.unpack(entries);
    if (states_) set.remove(states_.data(), evaluator);
    const auto rest = entries.rest();
    if (!entries.done()) oldest_ += take_step(entries);
    entries_.drop(entries_.view().size() - rest.size());
  }
}

bool RecentRows::append(Ticks time, const AggregateSet& set, Evaluator& evaluator) {
  if (states_ && !set.add(states_.data(), evaluator)) return false;
  if (empty()) oldest_ = newest_ = time;
  std::string entry;
  pack_step(entry, std::max<Ticks>(time - newest_, 0));
  set.pack(entry);
  entries_.append(entry);
  newest_ = time;
  return true;
}

bool RecentRows::results(AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out) const {
  if (states_) return set.results(states_.data(), evaluator, out);
  return set.results(collect(set, evaluator).data(), evaluator, out);
}

AggregateStates RecentRows::collect(AggregateSet& set, Evaluator& evaluator) const {
  AggregateStates states(set);
  Unpacker entries(entries_.view());
  while (entries.ok() && !entries.done()) {
    take_step(entries);
    set.unpack(entries);
    set.add(states.data(), evaluator);
  }
  return states;
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

void RecentRows::rebuild(AggregateSet& set, Evaluator& evaluator) {
  if (set.removable()) states_ = collect(set, evaluator);
}

std::uint64_t RecentRows::bytes(const AggregateSet& set) const {
  return entries_.capacity() + 8 + (states_ ? set.size() + 16 + set.heap_bytes(states_.data()) : 0);
}

}  // namespace meterhub::engine
