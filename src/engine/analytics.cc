#include "analytics.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <absl/container/flat_hash_set.h>

#include "anomaly.h"
#include "key_digest.h"
#include "keyed_state.h"
#include "recent_rows.h"
#include "windows.h"

namespace meterhub::engine {
namespace {

bool same(const sql::ExprPtr& a, const sql::ExprPtr& b) {
  if (!a || !b) return !a && !b;
  return sql::same_expression(*a, *b);
}

// A call and its place in Select::analytics.
struct Call {
  const sql::AnalyticCall* call = nullptr;
  std::size_t index = 0;
};

// Partition and WHEN, the same for all calls of a family.
class Partition {
 public:
  explicit Partition(const sql::AnalyticCall& call) : partition_(call.partition), when_(call.when) {}

  bool covers(const sql::AnalyticCall& call) const {
    return std::ranges::equal(partition_, call.partition, same) && same(when_, call.when);
  }
  // Of the row that is bound; both stay until the next one.
  void take(Evaluator& evaluator, std::string_view apart) {
    key_.clear();
    for (const auto& expr : partition_) append_key(key_, evaluator.value(*expr));
    key_ += apart;
    takes_ = !when_ || evaluator.is_true(*when_);
  }
  const std::string& key() const { return key_; }
  bool takes() const { return takes_; }

 private:
  const std::vector<sql::ExprPtr> partition_;
  const sql::ExprPtr when_;
  std::string key_;
  bool takes_ = false;
};

// LAG and LAST: the newest events that satisfy WHEN, newest first.
class Earlier final : public AnalyticFamily {
 public:
  Earlier(std::vector<Call> calls, bool lenient)
      : calls_(std::move(calls)), lenient_(lenient), partition_(*calls_.front().call), longest_(longest(calls_)), sweeps_(longest_) {
    for (const auto& one : calls_) {
      depth_ = std::max(depth_, static_cast<std::size_t>(std::max<std::int64_t>(one.call->offset, 1)));
      whole_ = whole_ || one.call->whole_event;
    }
    now_.resize(calls_.size());
    fallbacks_.resize(calls_.size());
  }

  bool take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) override;
  bool give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    return state_.load(part, bytes, [](Unpacker& from) { return std::optional<History>(std::in_place, from.bytes()); });
  }
  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override;

 protected:
  std::string save_part(std::uint32_t part) const override {
    return state_.save(part, [](std::string& out, const History& history) { pack_bytes(out, history.view()); });
  }

 private:
  // Entries, newest first, each: length, then time and values. One of a number or a short text
  // lies in the table itself.
  using History = KeptText<24>;

  static Ticks longest(const std::vector<Call>& calls) {
    Ticks most = 0;
    for (const auto& one : calls) most = std::max(most, one.call->duration);
    return most;
  }
  void look_back(std::string_view history, Ticks now, Arena& arena, std::span<Value> out, std::int64_t from_now);
  void push(History& history, Ticks now);
  void sweep(std::uint32_t part, Ticks now);

  const std::vector<Call> calls_;
  const bool lenient_;
  Partition partition_;
  const Ticks longest_;
  std::size_t depth_ = 1;
  bool whole_ = false;
  KeyedState<History> state_;
  Sweeps sweeps_;
  std::vector<Value> now_, fallbacks_;  // of the current event, a call
  std::string entry_, entries_;
};

bool Earlier::take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) {
  partition_.take(evaluator, apart);
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    const auto& call = *calls_[i].call;
    now_[i] = call.whole_event ? Value::record(row.whole) : evaluator.value(*call.args.front());
    fallbacks_[i] = call.fallback ? evaluator.value(*call.fallback) : Value::null();
  }
  return lenient_ || evaluator.error().empty();
}

bool Earlier::give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) {
  const auto& key = partition_.key();
  for (std::size_t i = 0; i < calls_.size(); ++i) out[calls_[i].index] = fallbacks_[i];
  const auto part = part_of_key(key);
  auto& states = state_.part(part);
  if (!partition_.takes()) {
    const auto found = states.find(key);
    if (found != states.end()) look_back(found->second.view(), row.time, evaluator.arena(), out, 0);
    return true;
  }
  before_change(part);
  if (sweeps_.due(part, row.time)) sweep(part, row.time);
  auto& history = states.try_emplace(StateKey(key)).first->second;
  look_back(history.view(), row.time, evaluator.arena(), out, 1);
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    if (calls_[i].call->offset == 0) out[calls_[i].index] = now_[i];
  }
  push(history, row.time);
  return true;
}

// `from_now`: 1 when the current event will stand before those of the history.
void Earlier::look_back(std::string_view history, Ticks now, Arena& arena, std::span<Value> out, std::int64_t from_now) {
  Unpacker entries(history);
  for (std::int64_t back = 1; entries.ok() && !entries.done(); ++back) {
    Unpacker entry(entries.bytes());
    const Ticks time = entry.signed_number();
    for (const auto& one : calls_) {
      const auto value = entry.value();
      // LAG counts events before the current one, LAST the current one too, if it satisfies WHEN.
      const auto wanted = one.call->offset == 0 ? 1 - from_now : one.call->offset;
      if (wanted == back && time > now - one.call->duration) out[one.index] = keep(value, arena);
    }
  }
}

void Earlier::push(History& history, Ticks now) {
  entry_.clear();
  pack_signed(entry_, now);
  for (const auto& value : now_) pack(entry_, value);
  entries_.clear();
  pack_bytes(entries_, entry_);
  Unpacker entries(history.view());
  for (std::size_t i = 1; i < depth_ && entries.ok() && !entries.done(); ++i) pack_bytes(entries_, entries.bytes());
  history.set(entries_);
}

void Earlier::sweep(std::uint32_t part, Ticks now) {
  absl::erase_if(state_.part(part), [&](const auto& entry) {
    Unpacker entries(entry.second.view());
    Unpacker newest(entries.bytes());
    return newest.signed_number() <= now - longest_;
  });
}

std::uint64_t Earlier::bytes() const {
  std::uint64_t sum = state_.bytes();
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, history] : state_.part(part)) sum += history.heap_bytes();
  }
  return sum;
}

// ISFIRST: the keys of which an event satisfied WHEN in the interval that runs. Events come in
// order of time, so that no other interval is asked for.
class FirstOf final : public AnalyticFamily {
 public:
  FirstOf(Call call, bool lenient) : call_(call), lenient_(lenient), partition_(*call.call) {}

  bool take(Evaluator& evaluator, const SourceRow& /*row*/, std::string_view apart) override {
    partition_.take(evaluator, apart);
    return lenient_ || evaluator.error().empty();
  }
  bool give(Evaluator& /*evaluator*/, const SourceRow& row, std::span<Value> out) override {
    out[call_.index] = Value::bigint(0);
    if (!partition_.takes()) return true;
    const auto end = window_end(row.time, call_.call->duration, 0);
    if (end != end_) begin_interval(end);
    const auto digest = digest_of(partition_.key());
    const auto part = part_of(digest);
    before_change(part);
    if (parts_[part].insert(digest).second) out[call_.index] = Value::bigint(1);
    return true;
  }

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    Unpacker from(bytes);
    end_ = std::max(end_, from.signed_number());
    const auto digests = from.rest();
    if (!from.ok() || digests.size() % sizeof(Digest) != 0) return false;
    for (std::size_t at = 0; at < digests.size(); at += sizeof(Digest)) {
      Digest digest;
      digests.copy(digest.data(), digest.size(), at);
      if (part_of(digest) != part) return false;
      parts_[part].insert(digest);
    }
    return true;
  }
  std::uint64_t keys() const override {
    std::uint64_t sum = 0;
    for (const auto& part : parts_) sum += part.size();
    return sum;
  }
  std::uint64_t bytes() const override {
    std::uint64_t sum = 0;
    for (const auto& part : parts_) sum += part.capacity() * (sizeof(Digest) + 1);
    return sum;
  }

 protected:
  std::string save_part(std::uint32_t part) const override {
    if (parts_[part].empty()) return {};
    std::string out;
    pack_signed(out, end_);
    for (const auto& digest : parts_[part]) out.append(digest.data(), digest.size());
    return out;
  }

 private:
  void begin_interval(Ticks end) {
    for (std::uint32_t part = 0; part < kStateParts; ++part) {
      if (parts_[part].empty()) continue;
      before_change(part);
      parts_[part].clear();
    }
    end_ = end;  // last: parts that were pending are saved with the one before
  }
  static std::uint32_t part_of(const Digest& digest) { return part_of_key({digest.data(), digest.size()}); }

  const Call call_;
  const bool lenient_;
  Partition partition_;
  Ticks end_ = 0;  // of the interval
  std::array<absl::flat_hash_set<Digest>, kStateParts> parts_;
};

// Aggregates OVER (LIMIT DURATION).
class Running final : public AnalyticFamily {
 public:
  Running(std::vector<Call> calls, bool lenient)
      : calls_(std::move(calls)), lenient_(lenient), partition_(*calls_.front().call), duration_(calls_.front().call->duration),
        set_(aggregates(calls_), lenient), sweeps_(duration_) {}

  bool take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) override;
  bool accepts(Evaluator& evaluator) override;
  bool give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    return state_.load(part, bytes, [](Unpacker& from) {
      RecentRows rows;
      return rows.load(from) ? std::optional(std::move(rows)) : std::nullopt;
    });
  }
  bool loaded() override;
  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override;

 protected:
  std::string save_part(std::uint32_t part) const override {
    return state_.save(part, [](std::string& out, const RecentRows& rows) { rows.save(out); });
  }

 private:
  static std::vector<sql::AggregateCall> aggregates(const std::vector<Call>& calls) {
    std::vector<sql::AggregateCall> out;
    for (const auto& one : calls) out.push_back({one.call->function, one.call->args, false, one.call->whole_event, one.call->order});
    return out;
  }
  bool results(RecentRows& rows, Evaluator& evaluator, std::span<Value> out);

  const std::vector<Call> calls_;
  const bool lenient_;
  Partition partition_;
  const Ticks duration_;
  AggregateSet set_;
  KeyedState<RecentRows> state_;
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
  before_change(part);
  auto& states = state_.part(part);
  if (sweeps_.due(part, row.time)) absl::erase_if(states, [&](const auto& e) { return e.second.newest() <= row.time - duration_; });
  auto found = states.find(key);
  if (found == states.end()) {
    RecentRows none(set_);
    if (!takes) return results(none, evaluator, out);
    found = states.try_emplace(StateKey(key), std::move(none)).first;
  }
  auto& rows = found->second;
  if (rows.has_before(row.time - duration_)) {  // overwrites what was taken
    now_.clear();
    if (takes) set_.pack(now_);
    rows.evict(row.time - duration_, set_, evaluator);
    Unpacker again(now_);
    if (takes) set_.unpack(again);
  }
  if (takes && !rows.append(row.time, set_, evaluator) && !lenient_) return false;
  return results(rows, evaluator, out);
}

bool Running::results(RecentRows& rows, Evaluator& evaluator, std::span<Value> out) {
  if (!rows.results(set_, evaluator, results_) && !lenient_) return false;
  for (std::size_t i = 0; i < calls_.size(); ++i) out[calls_[i].index] = results_[i];
  return true;
}

bool Running::loaded() {
  Arena arena;
  Evaluator evaluator(arena, false);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (auto& [key, rows] : state_.part(part)) rows.rebuild(set_, evaluator);
  }
  return true;
}

std::uint64_t Running::bytes() const {
  std::uint64_t sum = state_.bytes();
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, rows] : state_.part(part)) sum += rows.bytes(set_);
  }
  return sum;
}

// The values that AnomalyDetection_* learns from, oldest first, with their times: of one key.
class ValueHistory {
 public:
  void evict(Ticks until) {
    const auto young = std::ranges::find_if(times_, [&](Ticks time) { return time > until; });
    forget(static_cast<std::size_t>(young - times_.begin()));
  }
  void append(Ticks time, double value, std::size_t most) {
    if (times_.size() >= most) forget(times_.size() + 1 - most);
    times_.push_back(time);
    values_.push_back(value);
  }
  std::span<const double> values() const { return values_; }
  Ticks newest() const { return times_.empty() ? 0 : times_.back(); }
  std::uint64_t bytes() const { return times_.capacity() * sizeof(Ticks) + values_.capacity() * sizeof(double); }

  // Number of values; each: time since the one before, value.
  void save(std::string& out) const {
    pack_number(out, values_.size());
    Ticks before = 0;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      pack_signed(out, times_[i] - before);
      pack(out, Value::real(values_[i]));
      before = times_[i];
    }
  }
  // Nothing: foreign bytes.
  static std::optional<ValueHistory> load(Unpacker& from, std::size_t most) {
    const auto count = from.number();
    if (count > most) return std::nullopt;
    ValueHistory out;
    Ticks time = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (__builtin_add_overflow(time, from.signed_number(), &time)) return std::nullopt;
      const auto value = from.value();
      if (!from.ok() || value.kind != Kind::kFloat) return std::nullopt;
      out.append(time, value.number, most);
    }
    return out;
  }

 private:
  void forget(std::size_t count) {
    times_.erase(times_.begin(), times_.begin() + static_cast<std::ptrdiff_t>(count));
    values_.erase(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(count));
  }

  std::vector<Ticks> times_;
  std::vector<double> values_;
};

AnomalyMode mode_of(const sql::AnalyticCall& call) {
  if (call.args.size() < 4) return AnomalyMode::kSpikesAndDips;
  const auto& text = std::get<std::string>(call.args[3]->literal);
  if (equal_without_case(text, "spikes")) return AnomalyMode::kSpikes;
  return equal_without_case(text, "dips") ? AnomalyMode::kDips : AnomalyMode::kSpikesAndDips;
}

double confidence_of(const sql::AnalyticCall& call) {
  const auto& literal = call.args[1]->literal;
  const auto* whole = std::get_if<std::int64_t>(&literal);
  return whole != nullptr ? static_cast<double>(*whole) : std::get<double>(literal);
}

// AnomalyDetection_SpikeAndDip and _ChangePoint: each event is scored against those before it.
// Events that do not satisfy WHEN, and NULLs, have no score and are not learnt from.
class Anomalies final : public AnalyticFamily {
 public:
  Anomalies(Call call, bool lenient)
      : call_(call), lenient_(lenient), partition_(*call.call), changes_(call.call->function->id == sql::FunctionId::kChangePoint),
        confidence_(confidence_of(*call.call)), size_(static_cast<std::size_t>(std::get<std::int64_t>(call.call->args[2]->literal))),
        mode_(mode_of(*call.call)), sweeps_(call.call->duration) {}

  bool take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) override;
  bool give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    return state_.load(part, bytes, [this](Unpacker& from) { return ValueHistory::load(from, size_); });
  }
  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override {
    std::uint64_t sum = state_.bytes();
    for (std::uint32_t part = 0; part < kStateParts; ++part) {
      for (const auto& [key, history] : state_.part(part)) sum += history.bytes();
    }
    return sum;
  }

 protected:
  std::string save_part(std::uint32_t part) const override {
    return state_.save(part, [](std::string& out, const ValueHistory& history) { history.save(out); });
  }

 private:
  AnomalyScore score(std::span<const double> history, double value) const {
    return changes_ ? score_change_point(history, value, confidence_) : score_spike_and_dip(history, value, confidence_, mode_);
  }

  const Call call_;
  const bool lenient_;
  Partition partition_;
  const bool changes_;
  const double confidence_;
  const std::size_t size_;
  const AnomalyMode mode_;
  Value value_;  // of the current event
  KeyedState<ValueHistory> state_;
  Sweeps sweeps_;
};

bool Anomalies::take(Evaluator& evaluator, const SourceRow& /*row*/, std::string_view apart) {
  partition_.take(evaluator, apart);
  value_ = partition_.takes() ? evaluator.to_number(evaluator.value(*call_.call->args.front())) : Value::null();
  return lenient_ || evaluator.error().empty();
}

bool Anomalies::give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) {
  out[call_.index] = Value::null();
  if (value_.is_null()) return true;
  const auto& key = partition_.key();
  const double number = value_.kind == Kind::kFloat ? value_.number : static_cast<double>(value_.integer);
  const auto part = part_of_key(key);
  before_change(part);
  const auto old = row.time - call_.call->duration;
  if (sweeps_.due(part, row.time)) absl::erase_if(state_.part(part), [&](const auto& entry) { return entry.second.newest() <= old; });
  auto& history = state_.part(part).try_emplace(StateKey(key)).first->second;
  history.evict(old);
  const auto [anomaly, p] = score(history.values(), number);
  history.append(row.time, number, size_);
  out[call_.index] = Value::record(evaluator.arena().keep(std::string("{\"IsAnomaly\":") + (anomaly ? '1' : '0') + ",\"Score\":" + float_text(p) + '}'));
  return true;
}

bool scores(const sql::AnalyticCall& call) { return call.function->id == sql::FunctionId::kSpikeAndDip || call.function->id == sql::FunctionId::kChangePoint; }

bool looks_back(const sql::AnalyticCall& call) { return call.function->id == sql::FunctionId::kLag || call.function->id == sql::FunctionId::kLast; }

// Whether one state serves both.
bool together(const sql::AnalyticCall& a, const sql::AnalyticCall& b) {
  const auto alone = [](const sql::AnalyticCall& call) { return call.function->id == sql::FunctionId::kIsFirst || scores(call); };
  if (alone(a) || alone(b)) return false;
  if (looks_back(a) != looks_back(b) || !Partition(a).covers(b)) return false;
  return looks_back(a) || a.duration == b.duration;
}

}  // namespace

std::vector<std::unique_ptr<AnalyticFamily>> make_analytics(const sql::Select& select, std::uint32_t source, bool lenient) {
  std::vector<std::vector<Call>> families;
  for (std::size_t i = 0; i < select.analytics.size(); ++i) {
    const auto& call = select.analytics[i];
    if (call.source != source) continue;
    const auto family = std::ranges::find_if(families, [&](const auto& calls) { return together(*calls.front().call, call); });
    if (family == families.end()) families.push_back({{&call, i}});
    else family->push_back({&call, i});
  }
  std::vector<std::unique_ptr<AnalyticFamily>> out;
  for (auto& calls : families) {
    const auto& first = *calls.front().call;
    if (first.function->id == sql::FunctionId::kIsFirst) out.push_back(std::make_unique<FirstOf>(calls.front(), lenient));
    else if (scores(first)) out.push_back(std::make_unique<Anomalies>(calls.front(), lenient));
    else if (looks_back(first)) out.push_back(std::make_unique<Earlier>(std::move(calls), lenient));
    else out.push_back(std::make_unique<Running>(std::move(calls), lenient));
  }
  return out;
}

}  // namespace meterhub::engine
