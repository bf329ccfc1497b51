#include "analytics.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "analytic_calls.h"
#include "anomaly.h"
#include "digest_set.h"
#include "key_digest.h"
#include "keyed_state.h"
#include "windows.h"

namespace meterhub::engine {
namespace {

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
    if (parts_[part].insert(digest)) out[call_.index] = Value::bigint(1);
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
      if (!is_digest(digest) || part_of(digest) != part) return false;
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
    for (const auto& part : parts_) sum += part.bytes();
    return sum;
  }

 protected:
  std::string save_part(std::uint32_t part) const override {
    if (parts_[part].empty()) return {};
    std::string out;
    pack_signed(out, end_);
    parts_[part].each([&](const Digest& digest) { out.append(digest.data(), digest.size()); });
    return out;
  }

 private:
  void begin_interval(Ticks end) {
    for (std::uint32_t part = 0; part < kStateParts; ++part) {
      if (!parts_[part].empty()) before_change(part);
      parts_[part].clear();  // one that stays empty gives up its memory
    }
    end_ = end;  // last: parts that were pending are saved with the one before
  }
  static std::uint32_t part_of(const Digest& digest) { return part_of_key({digest.data(), digest.size()}); }

  const Call call_;
  const bool lenient_;
  Partition partition_;
  Ticks end_ = 0;  // of the interval
  std::array<DigestSet, kStateParts> parts_;
};

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
    else if (looks_back(first)) out.push_back(make_earlier(std::move(calls), lenient));
    else out.push_back(make_running(std::move(calls), lenient));
  }
  return out;
}

}  // namespace meterhub::engine
