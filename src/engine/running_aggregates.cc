// Aggregates OVER (LIMIT DURATION).
#include <utility>

#include "analytic_calls.h"
#include "recent_histories.h"
#include "sweeps.h"

namespace meterhub::engine {
namespace {

class Running final : public AnalyticFamily {
 public:
  Running(std::vector<Call> calls, bool lenient)
      : calls_(std::move(calls)), lenient_(lenient), partition_(*calls_.front().call), duration_(calls_.front().call->duration),
        set_(aggregates(calls_), lenient), histories_(set_), sweeps_(duration_) {}

  bool take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) override;
  bool accepts(Evaluator& evaluator) override;
  bool give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override { return histories_.load(part, bytes); }
  bool loaded() override {
    histories_.loaded(set_);
    return true;
  }
  std::uint64_t keys() const override { return histories_.size(); }
  std::uint64_t bytes() const override { return histories_.bytes(); }

 protected:
  std::string save_part(std::uint32_t part) const override { return histories_.save(part); }

 private:
  static std::vector<sql::AggregateCall> aggregates(const std::vector<Call>& calls) {
    std::vector<sql::AggregateCall> out;
    for (const auto& one : calls) out.push_back({one.call->function, one.call->args, false, one.call->whole_event, one.call->order});
    return out;
  }
  bool results(const RecentRows& rows, const std::byte* states, Evaluator& evaluator, std::span<Value> out);

  const std::vector<Call> calls_;
  const bool lenient_;
  Partition partition_;
  const Ticks duration_;
  AggregateSet set_;
  RecentHistories histories_;
  Sweeps sweeps_;
  std::string now_;
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
  if (sweeps_.due(part, row.time)) histories_.forget(part, until);
  auto history = takes ? histories_.make(part, key) : histories_.find(part, key);
  if (history.rows == nullptr) {
    AggregateStates none(set_);
    return results({}, none.data(), evaluator, out);
  }
  const bool evicts = history.rows->has_before(until);
  if (evicts) {  // overwrites what was taken
    now_.clear();
    if (takes) set_.pack(now_);
    history.rows->evict(until, set_, evaluator, history.states);
    Unpacker again(now_);
    if (takes) set_.unpack(again);
  }
  const bool added = !takes || history.rows->append(row.time, set_, evaluator, history.states);
  if (takes || evicts) histories_.store(part, key, history);
  return (added || lenient_) && results(*history.rows, history.states, evaluator, out);
}

bool Running::results(const RecentRows& rows, const std::byte* states, Evaluator& evaluator, std::span<Value> out) {
  if (!rows.results(set_, evaluator, states, results_) && !lenient_) return false;
  for (std::size_t i = 0; i < calls_.size(); ++i) out[calls_[i].index] = results_[i];
  return true;
}

}  // namespace

std::unique_ptr<AnalyticFamily> make_running(std::vector<Call> calls, bool lenient) {
  return std::make_unique<Running>(std::move(calls), lenient);
}

}  // namespace meterhub::engine
