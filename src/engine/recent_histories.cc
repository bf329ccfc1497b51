#include "recent_histories.h"

#include <cstring>
#include <utility>

namespace meterhub::engine {
namespace {

// Rows that are copied for every event; with more they lie open until they are half of that.
constexpr std::size_t kPackedMost = 2'048;

}  // namespace

RecentHistories::Head RecentHistories::head_of(std::string_view record) {
  Head head;
  std::memcpy(&head, record.data(), sizeof(head));
  return head;
}

RecentRows& RecentHistories::rows_of(const Head& head, std::string_view record) {
  if (head.open != kNone) return *open_[head.open];
  at_hand_.take(record.substr(sizeof(head)));
  return at_hand_;
}

void RecentHistories::put(std::string& record, const Head& head, const RecentRows& rows) const {
  record.append(reinterpret_cast<const char*>(&head), sizeof(head));
  if (head.open == kNone) rows.keep(record);
}

std::uint32_t RecentHistories::open_one(RecentRows rows) {
  auto number = static_cast<std::uint32_t>(open_.size());
  if (unused_.empty()) {
    open_.emplace_back();
  } else {
    number = unused_.back();
    unused_.pop_back();
  }
  open_[number] = std::make_unique<RecentRows>(std::move(rows));
  return number;
}

RecentHistories::History RecentHistories::find(std::uint32_t part, std::string_view key) {
  History out;
  out.found = records_.find(part, key);
  if (out.found == nullptr) return out;
  const auto record = records_.get(out.found).value;
  const auto head = head_of(record);
  out.rows = &rows_of(head, record);
  out.states_at = head.states;
  out.open = head.open;
  if (head.states != kNone) out.states = states_.at(head.states);
  return out;
}

RecentHistories::History RecentHistories::make(std::uint32_t part, std::string_view key) {
  auto out = find(part, key);
  if (out.rows != nullptr) return out;
  at_hand_.clear();
  out.rows = &at_hand_;
  out.open = kNone;
  out.states_at = set_.removable() ? states_.make() : kNone;
  if (out.states_at != kNone) out.states = states_.at(out.states_at);
  return out;
}

void RecentHistories::store(std::uint32_t part, std::string_view key, History& history) {
  Head head{history.states_at, history.open};
  const auto size = history.rows->size_bytes();
  if (head.open == kNone && size > kPackedMost) {
    head.open = open_one(std::exchange(at_hand_, {}));
    history.rows = open_[head.open].get();
    history.open = head.open;
  } else if (head.open != kNone) {
    if (size > kPackedMost / 2) return;
    at_hand_ = std::move(*open_[head.open]);
    open_[head.open].reset();
    unused_.push_back(head.open);
    history.rows = &at_hand_;
    history.open = head.open = kNone;
  }
  record_.clear();
  put(record_, head, *history.rows);
  if (history.found != nullptr) records_.set(history.found, record_);
  else records_.add(part, key, record_);
}

void RecentHistories::forget(std::uint32_t part, Ticks until) {
  records_.erase_if(part, [&](KeptRecords::Found found) {
    const auto record = records_.get(found).value;
    const auto head = head_of(record);
    if (rows_of(head, record).newest() > until) return false;
    if (head.states != kNone) states_.drop(head.states);
    if (head.open != kNone) {
      open_[head.open].reset();
      unused_.push_back(head.open);
    }
    return true;
  });
}

std::string RecentHistories::save(std::uint32_t part) const {
  RecentRows rows;
  return records_.save(part, [&](std::string& out, std::string_view record) {
    const auto head = head_of(record);
    if (head.open != kNone) return open_[head.open]->save(out);
    rows.take(record.substr(sizeof(head)));
    rows.save(out);
  });
}

bool RecentHistories::load(std::uint32_t part, std::string_view bytes) {
  return records_.load(part, bytes, [this](Unpacker& from, std::string& record) {
    RecentRows rows;
    if (!rows.load(from)) return false;
    Head head;
    if (rows.size_bytes() > kPackedMost) head.open = open_one(std::exchange(rows, {}));
    put(record, head, rows);
    return true;
  });
}

void RecentHistories::loaded(AggregateSet& set) {
  if (!set.removable()) return;
  Arena arena;
  Evaluator evaluator(arena, false);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    records_.each(part, [&](KeptRecords::Found found) {
      const auto record = records_.get(found).value;
      auto head = head_of(record);
      head.states = states_.make();
      rows_of(head, record).collect(set, evaluator, states_.at(head.states));
      std::memcpy(records_.value_bytes(found), &head, sizeof(head));
    });
  }
}

std::uint64_t RecentHistories::bytes() const {
  std::uint64_t sum = records_.bytes() + states_.bytes();
  for (const auto& rows : open_) sum += sizeof(rows) + (rows ? sizeof(RecentRows) + 16 + rows->heap_bytes() : 0);
  return sum;
}

}  // namespace meterhub::engine
