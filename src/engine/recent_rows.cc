#include "recent_rows.h"

namespace meterhub::engine {

void RecentRows::evict(Ticks until, AggregateSet& set, Evaluator& evaluator) {
  while (!empty() && oldest_ <= until) {
    Unpacker entries(std::string_view(entries_).substr(head_));
    entries.signed_number();
    set.unpack(entries);
    if (states_) set.remove(states_.data(), evaluator);
    head_ = entries_.size() - entries.rest().size();
    if (!entries.done()) oldest_ += Unpacker(entries.rest()).signed_number();
  }
  if (head_ <= entries_.size() / 2) return;
  entries_.erase(0, head_);
  head_ = 0;
}

bool RecentRows::append(Ticks time, const AggregateSet& set, Evaluator& evaluator) {
  if (states_ && !set.add(states_.data(), evaluator)) return false;
  if (empty()) oldest_ = newest_ = time;
  pack_signed(entries_, time - newest_);
  set.pack(entries_);
  newest_ = time;
  return true;
}

bool RecentRows::results(AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out) const {
  if (states_) return set.results(states_.data(), evaluator, out);
  return set.results(collect(set, evaluator).data(), evaluator, out);
}

AggregateStates RecentRows::collect(AggregateSet& set, Evaluator& evaluator) const {
  AggregateStates states(set);
  Unpacker entries(std::string_view(entries_).substr(head_));
  while (entries.ok() && !entries.done()) {
    entries.signed_number();
    set.unpack(entries);
    set.add(states.data(), evaluator);
  }
  return states;
}

void RecentRows::save(std::string& out) const {
  pack_signed(out, oldest_);
  pack_signed(out, newest_);
  pack_bytes(out, std::string_view(entries_).substr(head_));
}

bool RecentRows::load(Unpacker& from) {
  oldest_ = from.signed_number();
  newest_ = from.signed_number();
  entries_ = from.bytes();
  head_ = 0;
  return from.ok();
}

void RecentRows::rebuild(AggregateSet& set, Evaluator& evaluator) {
  if (set.removable()) states_ = collect(set, evaluator);
}

}  // namespace meterhub::engine
