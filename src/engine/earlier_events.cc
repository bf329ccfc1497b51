// LAG and LAST: the newest events that satisfy WHEN, newest first.
#include <algorithm>
#include <utility>

#include "analytic_calls.h"
#include "kept_records.h"
#include "sweeps.h"
#include "tight.h"

namespace meterhub::engine {
namespace {

class Earlier final : public AnalyticFamily {
 public:
  Earlier(std::vector<Call> calls, bool lenient)
      : calls_(std::move(calls)), lenient_(lenient), partition_(*calls_.front().call), longest_(longest(calls_)), sweeps_(longest_) {
    for (const auto& one : calls_) {
      depth_ = std::max(depth_, static_cast<std::size_t>(std::max<std::int64_t>(one.call->offset, 1)));
      const auto same = std::ranges::find_if(arguments_, [&](const auto* call) { return same_argument(*call, *one.call); });
      argument_of_.push_back(static_cast<std::size_t>(same - arguments_.begin()));
      if (same == arguments_.end()) arguments_.push_back(one.call);
    }
    now_.resize(arguments_.size());
    kept_.resize(arguments_.size());
    fallbacks_.resize(calls_.size());
  }

  bool take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) override;
  bool give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    return state_.load(part, bytes, [this](Unpacker& from, std::string& history) { return load_history(from.bytes(), history); });
  }
  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override { return state_.bytes(); }

 protected:
  std::string save_part(std::uint32_t part) const override {
    return state_.save(part, [this](std::string& out, std::string_view history) { save_history(out, history); });
  }

 private:
  static Ticks longest(const std::vector<Call>& calls) {
    Ticks most = 0;
    for (const auto& one : calls) most = std::max(most, one.call->duration);
    return most;
  }
  static bool same_argument(const sql::AnalyticCall& a, const sql::AnalyticCall& b) {
    if (a.whole_event || b.whole_event) return a.whole_event && b.whole_event;
    return sql::same_expression(*a.args.front(), *b.args.front());
  }
  void look_back(std::string_view history, Ticks now, Arena& arena, std::span<Value> out, std::int64_t from_now);
  void push(std::string_view history, Ticks now);
  void put_entry(std::string& history, Ticks time, std::span<const Value> values);
  Unpacker next_entry(Unpacker& history) const;
  void sweep(std::uint32_t part, Ticks now);
  void save_history(std::string& out, std::string_view history) const;
  bool load_history(std::string_view bytes, std::string& history);

  const std::vector<Call> calls_;
  const bool lenient_;
  Partition partition_;
  std::vector<const sql::AnalyticCall*> arguments_;  // calls that differ in theirs; one value of each is kept
  std::vector<std::size_t> argument_of_;             // a call
  const Ticks longest_;
  std::size_t depth_ = 1;
  // Entries, newest first, each: time, a value of each argument; behind its length where there may be several.
  KeptRecords state_;
  Sweeps sweeps_;
  std::vector<Value> now_;        // of the current event, an argument
  std::vector<Value> kept_;       // of an earlier one
  std::vector<Value> fallbacks_;  // a call
  std::string entry_, entries_;
};

bool Earlier::take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) {
  partition_.take(evaluator, apart);
  for (std::size_t i = 0; i < arguments_.size(); ++i) {
    now_[i] = arguments_[i]->whole_event ? Value::record(row.whole) : evaluator.value(*arguments_[i]->args.front());
  }
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    const auto& fallback = calls_[i].call->fallback;
    fallbacks_[i] = fallback ? evaluator.value(*fallback) : Value::null();
  }
  return lenient_ || evaluator.error().empty();
}

bool Earlier::give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) {
  const auto& key = partition_.key();
  for (std::size_t i = 0; i < calls_.size(); ++i) out[calls_[i].index] = fallbacks_[i];
  const auto part = part_of_key(key);
  if (!partition_.takes()) {
    const auto found = state_.find(part, key);
    if (found != nullptr) look_back(state_.get(found).value, row.time, evaluator.arena(), out, 0);
    return true;
  }
  before_change(part);
  if (sweeps_.due(part, row.time)) sweep(part, row.time);
  const auto found = state_.find(part, key);
  const auto history = found != nullptr ? state_.get(found).value : std::string_view();
  look_back(history, row.time, evaluator.arena(), out, 1);
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    if (calls_[i].call->offset == 0) out[calls_[i].index] = now_[argument_of_[i]];
  }
  push(history, row.time);
  if (found != nullptr) state_.set(found, entries_);
  else state_.add(part, key, entries_);
  return true;
}

Unpacker Earlier::next_entry(Unpacker& history) const {
  if (depth_ > 1) return Unpacker(history.bytes());
  return std::exchange(history, Unpacker({}));
}

// `from_now`: 1 when the current event will stand before those of the history.
void Earlier::look_back(std::string_view history, Ticks now, Arena& arena, std::span<Value> out, std::int64_t from_now) {
  Unpacker entries(history);
  for (std::int64_t back = 1; entries.ok() && !entries.done(); ++back) {
    auto entry = next_entry(entries);
    const Ticks time = take_time(entry);
    for (auto& value : kept_) value = take_tight(entry, arena);
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const auto& call = *calls_[i].call;
      // LAG counts events before the current one, LAST the current one too, if it satisfies WHEN.
      const auto wanted = call.offset == 0 ? 1 - from_now : call.offset;
      if (wanted == back && time > now - call.duration) out[calls_[i].index] = keep(kept_[argument_of_[i]], arena);
    }
  }
}

void Earlier::put_entry(std::string& history, Ticks time, std::span<const Value> values) {
  entry_.clear();
  pack_time(entry_, time);
  for (const auto& value : values) pack_tight(entry_, value);
  if (depth_ > 1) pack_bytes(history, entry_);
  else history += entry_;
}

// Makes entries_.
void Earlier::push(std::string_view history, Ticks now) {
  entries_.clear();
  put_entry(entries_, now, now_);
  if (depth_ == 1) return;
  Unpacker entries(history);
  for (std::size_t i = 1; i < depth_ && entries.ok() && !entries.done(); ++i) pack_bytes(entries_, entries.bytes());
}

void Earlier::sweep(std::uint32_t part, Ticks now) {
  state_.erase_if(part, [&](KeptRecords::Found found) {
    Unpacker entries(state_.get(found).value);
    auto newest = next_entry(entries);
    return take_time(newest) <= now - longest_;
  });
}

// As docs/formats/job-state.md has it: a value of every call.
void Earlier::save_history(std::string& out, std::string_view history) const {
  Arena arena;
  std::string saved, entry;
  std::vector<Value> values(arguments_.size());
  Unpacker entries(history);
  while (entries.ok() && !entries.done()) {
    auto kept = next_entry(entries);
    entry.clear();
    pack_signed(entry, take_time(kept));
    for (auto& value : values) value = take_tight(kept, arena);
    for (const auto argument : argument_of_) pack_tight(entry, values[argument]);
    pack_bytes(saved, entry);
  }
  pack_bytes(out, saved);
}

bool Earlier::load_history(std::string_view bytes, std::string& history) {
  Arena arena;
  Unpacker entries(bytes);
  for (std::size_t i = 0; entries.ok() && !entries.done(); ++i) {
    Unpacker entry(entries.bytes());
    const auto time = entry.signed_number();
    for (const auto argument : argument_of_) kept_[argument] = take_tight(entry, arena);
    if (!entry.ok() || !entry.done() || i == depth_) return false;
    put_entry(history, time, kept_);
  }
  return entries.ok() && !history.empty();
}

}  // namespace

std::unique_ptr<AnalyticFamily> make_earlier(std::vector<Call> calls, bool lenient) {
  return std::make_unique<Earlier>(std::move(calls), lenient);
}

}  // namespace meterhub::engine
