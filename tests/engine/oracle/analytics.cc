// LAG, LAST, ISFIRST and aggregates OVER (LIMIT DURATION): looking back over all earlier events
// of the source, once for each event (stream-sql 6, 8.4).
#include <algorithm>

#include "aggregates.h"
#include "anomaly.h"
#include "run.h"
#include "values.h"

namespace meterhub::engine::oracle {
namespace {

using sql::FunctionId;

// What one call reads of one event.
struct Seen {
  std::vector<Value> partition;
  bool when = true;  // satisfies WHEN
  CallInput input;
};

Call call_of(const sql::AnalyticCall& call) {
  return {call.function, &call.args, &call.order, false, call.whole_event};
}

// End of the tumbling interval that holds the time (7.1).
Ticks interval_end(Ticks time, Ticks length) { return (time + length - 1) / length * length; }

bool is_lag(const sql::AnalyticCall& call) {
  return call.function->id == FunctionId::kLag || call.function->id == FunctionId::kLast;
}

bool is_anomaly(const sql::AnalyticCall& call) {
  return call.function->id == FunctionId::kSpikeAndDip || call.function->id == FunctionId::kChangePoint;
}

double as_double(const Value& value) {
  return value.kind == Kind::kFloat ? value.number : static_cast<double>(value.integer);
}

// The scores themselves are the engine's own (8.4): what is compared is the history they are of.
Value score(Evaluator& evaluator, const sql::AnalyticCall& call, const std::vector<double>& history, double value) {
  const auto constant = [&](std::size_t i) { return evaluator.value(*call.args[i]); };
  const double confidence = as_double(constant(1));
  const auto mode = call.args.size() < 4 ? std::string("spikesanddips") : lower_case(constant(3).text);
  const auto found = call.function->id == FunctionId::kChangePoint
                         ? score_change_point(history, value, confidence)
                         : score_spike_and_dip(history, value, confidence,
                                               mode == "spikes" ? AnomalyMode::kSpikes
                                               : mode == "dips" ? AnomalyMode::kDips
                                                                : AnomalyMode::kSpikesAndDips);
  const std::string flag = found.anomaly ? "1" : "0";
  return Value::record(
      evaluator.arena().keep("{\"IsAnomaly\":" + flag + ",\"Score\":" + float_text(found.score) + "}"));
}

// The events of a source, in order, with what each call reads of them.
struct History {
  const std::vector<sql::AnalyticCall>& calls;
  Rows rows;
  std::vector<std::vector<Seen>> seen;  // by row and call

  // Event `i` counts for call `c`: it satisfies WHEN and is of the same partition as event `now`.
  bool counts(std::size_t i, std::size_t now, std::size_t c) const {
    return seen[i][c].when && same_group(seen[i][c].partition, seen[now][c].partition);
  }
  // In (t - length, t] (D12).
  bool young(std::size_t i, std::size_t now, std::size_t c) const {
    return rows[i].time > rows[now].time - calls[c].duration;
  }

  // LAG's event: going back from `now`, the current one included for LAST only.
  std::optional<std::size_t> find_back(std::size_t now, std::size_t c) const {
    const bool last = calls[c].function->id == FunctionId::kLast;
    std::int64_t passed_over = last ? 0 : calls[c].offset - 1;
    for (std::size_t i = last ? now + 1 : now; i-- > 0;) {
      if (young(i, now, c) && counts(i, now, c) && passed_over-- == 0) return i;
    }
    return std::nullopt;
  }

  Value is_first(std::size_t now, std::size_t c) const {
    const auto interval = [&](std::size_t i) { return interval_end(rows[i].time, calls[c].duration); };
    bool first = seen[now][c].when;
    for (std::size_t i = 0; i < now; ++i) {
      if (interval(i) == interval(now) && counts(i, now, c)) first = false;
    }
    return Value::bigint(first ? 1 : 0);
  }

  // The newest values before event `now`, as many as the history has places.
  std::vector<double> values_before(std::size_t now, std::size_t c) const {
    std::vector<double> values;
    for (std::size_t i = 0; i < now; ++i) {
      const bool counted = young(i, now, c) && counts(i, now, c) && !seen[i][c].input.args.front().is_null();
      if (counted) values.push_back(as_double(seen[i][c].input.args.front()));
    }
    const auto most = static_cast<std::size_t>(std::get<std::int64_t>(calls[c].args[2]->literal));
    if (values.size() > most) values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(most));
    return values;
  }

  std::vector<const CallInput*> recent(std::size_t now, std::size_t c) const {
    std::vector<const CallInput*> inputs;
    for (std::size_t i = 0; i <= now; ++i) {
      if (young(i, now, c) && counts(i, now, c)) inputs.push_back(&seen[i][c].input);
    }
    return inputs;
  }
};

Seen look(Evaluator& evaluator, const sql::AnalyticCall& call, std::string_view whole) {
  Seen seen;
  for (const auto& key : call.partition) seen.partition.push_back(evaluator.value(*key));
  seen.when = !call.when || evaluator.is_true(*call.when);
  if (seen.when && is_anomaly(call)) seen.input.args = {evaluator.to_number(evaluator.value(*call.args.front()))};
  else if (seen.when) seen.input = read_call(evaluator, call_of(call), whole);
  return seen;
}

// Over the row of event `now`, which is bound.
Value value_of(Evaluator& evaluator, const History& history, std::size_t now, std::size_t c) {
  const auto& call = history.calls[c];
  if (call.function->id == FunctionId::kIsFirst) return history.is_first(now, c);
  if (is_anomaly(call)) {
    const auto& own = history.seen[now][c];
    if (!own.when || own.input.args.front().is_null()) return Value::null();
    return score(evaluator, call, history.values_before(now, c), as_double(own.input.args.front()));
  }
  if (!is_lag(call)) return aggregate(evaluator, call_of(call), history.recent(now, c));
  const auto found = history.find_back(now, c);
  if (!found) return call.fallback ? evaluator.value(*call.fallback) : Value::null();
  const auto& input = history.seen[*found][c].input;
  return call.whole_event ? Value::record(input.whole) : input.args.front();
}

}  // namespace

// The values of the source's own PARTITION BY: everything is apart by them (5.3).
std::vector<Value> Run::parts(const sql::Source& source, const SourceRow& row) {
  std::vector<Value> parts;
  evaluator_.bind(std::span(&row, 1), row.time);
  for (const auto& key : source.partition_by) parts.push_back(evaluator_.value(*key));
  return parts;
}

Run::Analysed Run::analyse(std::uint32_t step, const sql::Select& select, std::uint32_t source, Rows rows) {
  std::vector<SourceRow> bound(select.sources.size());
  const auto bind = [&](const Row& row) {
    bound[source] = {row.values, row.whole, row.time, row.metadata};
    evaluator_.bind(bound, row.time);
  };

  // An event with a data error in what a call reads of it is no part of the history.
  History history{select.analytics, {}, {}};
  for (auto& row : rows) {
    const auto apart = parts(select.sources[source], {row.values, row.whole, row.time, row.metadata});
    bind(row);
    std::vector<Seen> seen(select.analytics.size());
    for (std::size_t c = 0; c < select.analytics.size(); ++c) {
      if (select.analytics[c].source != source) continue;
      seen[c] = look(evaluator_, select.analytics[c], row.whole);
      seen[c].partition.insert(seen[c].partition.end(), apart.begin(), apart.end());
    }
    if (dropped(step, row.origin, row.time, row.metadata)) continue;
    history.seen.push_back(std::move(seen));
    history.rows.push_back(std::move(row));
  }

  Analysed out;
  for (std::size_t now = 0; now < history.rows.size(); ++now) {
    const Row& row = history.rows[now];
    bind(row);
    std::vector<Value> values(select.analytics.size());
    for (std::size_t c = 0; c < select.analytics.size(); ++c) {
      if (select.analytics[c].source == source) values[c] = value_of(evaluator_, history, now, c);
    }
    if (dropped(step, row.origin, row.time, row.metadata)) continue;
    out.rows.push_back(row);
    out.values.push_back(std::move(values));
  }
  return out;
}

}  // namespace meterhub::engine::oracle
