// Aggregates OVER (LIMIT DURATION).
#include <cstring>
#include <optional>
#include <utility>

#include "analytic_calls.h"
#include "kept_records.h"
#include "recent_rows.h"
#include "states_pool.h"
#include "sweeps.h"

namespace meterhub::engine {
namespace {

class Running final : public AnalyticFamily {
 public:
  Running(std::vector<Call> calls, bool lenient)
      : calls_(std::move(calls)), lenient_(lenient), partition_(*calls_.front().call), duration_(calls_.front().call->duration),
        set_(aggregates(calls_), lenient), states_(set_), sweeps_(duration_) {}

  bool take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) override;
  bool accepts(Evaluator& evaluator) override;
  bool give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    return state_.load(part, bytes, [this](Unpacker& from, std::string& value) {
      if (!rows_.load(from)) return false;
      put(value, kNone);
      return true;
    });
  }
  bool loaded() override;
  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override { return state_.bytes() + states_.bytes(); }

 protected:
  std::string save_part(std::uint32_t part) const override {
    return state_.save(part, [](std::string& out, std::string_view value) {
      RecentRows rows;
      rows.take(value.substr(sizeof(StatesPool::Handle)));
      rows.save(out);
    });
  }

 private:
  static constexpr StatesPool::Handle kNone = 0xffffffff;

  static std::vector<sql::AggregateCall> aggregates(const std::vector<Call>& calls) {
    std::vector<sql::AggregateCall> out;
    for (const auto& one : calls) out.push_back({one.call->function, one.call->args, false, one.call->whole_event, one.call->order});
    return out;
  }
  // A record: where the states lie, then the rows.
  static StatesPool::Handle states_of(std::string_view record) {
    StatesPool::Handle handle = kNone;
    std::memcpy(&handle, record.data(), sizeof(handle));
    return handle;
  }
  void put(std::string& record, StatesPool::Handle handle) const {
    record.append(reinterpret_cast<const char*>(&handle), sizeof(handle));
    rows_.keep(record);
  }
  std::byte* states(StatesPool::Handle handle) { return handle == kNone ? nullptr : states_.at(handle); }
  bool results(const std::byte* states, Evaluator& evaluator, std::span<Value> out);
  bool results_of_nothing(Evaluator& evaluator, std::span<Value> out);
  void sweep(std::uint32_t part, Ticks until);

  const std::vector<Call> calls_;
  const bool lenient_;
  Partition partition_;
  const Ticks duration_;
  AggregateSet set_;
  KeptRecords state_;
  StatesPool states_;
  Sweeps sweeps_;
  RecentRows rows_;  // of the key at hand
  std::string now_, record_;
  std::vector<Value> results_;
};

bool Running::take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) {
  partition_.take(evaluator, apart);
  if (partition_.takes()) set_.take(evaluator, row.whole);
  return lenient_ || evaluator.error().empty();
}

// An aggregate may refuse a value that could be evaluated: a text that is no number.
bool Running::accepts(Evaluator& evaluator) {
  if (lenient_ || !partition_.takes()) return true;
  AggregateStates probe(set_);
  return set_.add(probe.data(), evaluator);
}

bool Running::give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) {
  const auto& key = partition_.key();
  const bool takes = partition_.takes();
  const auto part = part_of_key(key);
  const auto until = row.time - duration_;
  before_change(part);
  if (sweeps_.due(part, row.time)) sweep(part, until);
  const auto found = state_.find(part, key);
  if (found == nullptr && !takes) return results_of_nothing(evaluator, out);
  auto handle = kNone;
  if (found != nullptr) {
    const auto record = state_.get(found).value;
    handle = states_of(record);
    rows_.take(record.substr(sizeof(handle)));
  } else {
    rows_ = {};
    if (set_.removable()) handle = states_.make();
  }
  const bool evicts = rows_.has_before(until);
  if (evicts) {  // overwrites what was taken
    now_.clear();
    if (takes) set_.pack(now_);
    rows_.evict(until, set_, evaluator, states(handle));
    Unpacker again(now_);
    if (takes) set_.unpack(again);
  }
  const bool added = !takes || rows_.append(row.time, set_, evaluator, states(handle));
  if (takes || evicts) {
    record_.clear();
    put(record_, handle);
    if (found != nullptr) state_.set(found, record_);
    else state_.add(part, key, record_);
  }
  return (added || lenient_) && results(states(handle), evaluator, out);
}

bool Running::results_of_nothing(Evaluator& evaluator, std::span<Value> out) {
  rows_ = {};
  AggregateStates none(set_);
  return results(none.data(), evaluator, out);
}

bool Running::results(const std::byte* states, Evaluator& evaluator, std::span<Value> out) {
  if (!rows_.results(set_, evaluator, states, results_) && !lenient_) return false;
  for (std::size_t i = 0; i < calls_.size(); ++i) out[calls_[i].index] = results_[i];
  return true;
}

void Running::sweep(std::uint32_t part, Ticks until) {
  state_.erase_if(part, [&](KeptRecords::Found found) {
    const auto record = state_.get(found).value;
    const auto handle = states_of(record);
    rows_.take(record.substr(sizeof(handle)));
    const bool old = rows_.newest() <= until;
    if (old && handle != kNone) states_.drop(handle);
    return old;
  });
}

bool Running::loaded() {
  if (!set_.removable()) return true;
  Arena arena;
  Evaluator evaluator(arena, false);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    state_.each(part, [&](KeptRecords::Found found) {
      const auto handle = states_.make();
      rows_.take(state_.get(found).value.substr(sizeof(handle)));
      rows_.collect(set_, evaluator, states_.at(handle));
      std::memcpy(state_.value_bytes(found), &handle, sizeof(handle));
    });
  }
  return true;
}

}  // namespace

std::unique_ptr<AnalyticFamily> make_running(std::vector<Call> calls, bool lenient) {
  return std::make_unique<Running>(std::move(calls), lenient);
}

}  // namespace meterhub::engine
