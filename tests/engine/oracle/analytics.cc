// LAG, LAST, ISFIRST and aggregates OVER (LIMIT DURATION): looking back over all earlier events
// of the source, once for each event (stream-sql 6, 8.4).
#include <algorithm>

#include "aggregates.h"
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

}  // namespace

Run::Analysed Run::analyse(std::uint32_t step, const sql::Select& select, std::uint32_t source, Rows rows) {
  std::vector<SourceRow> bound(select.sources.size());
  const auto bind = [&](const Row& row) {
    bound[source] = {row.values, row.whole, row.time, row.metadata};
    evaluator_.bind(bound, row.time);
  };
  const auto look = [&](const sql::AnalyticCall& call, const Row& row) {
    Seen seen;
    for (const auto& key : call.partition) seen.partition.push_back(evaluator_.value(*key));
    seen.when = !call.when || evaluator_.is_true(*call.when);
    if (seen.when) seen.input = read_call(evaluator_, call_of(call), row.whole);
    return seen;
  };

  // An event with a data error in what a call reads of it is no part of the history.
  Analysed out;
  std::vector<std::vector<Seen>> seen;  // by row and call
  for (auto& row : rows) {
    bind(row);
    std::vector<Value> part;  // PARTITION BY of the source: everything is apart (5.3)
    for (const auto& key : select.sources[source].partition_by) {
      std::vector<SourceRow> alone{bound[source]};
      evaluator_.bind(alone, row.time);
      part.push_back(evaluator_.value(*key));
    }
    bind(row);
    std::vector<Seen> of_row(select.analytics.size());
    for (std::size_t c = 0; c < select.analytics.size(); ++c) {
      if (select.analytics[c].source != source) continue;
      of_row[c] = look(select.analytics[c], row);
      of_row[c].partition.insert(of_row[c].partition.end(), part.begin(), part.end());
    }
    if (dropped(step, row.origin, row.time, row.metadata)) continue;
    seen.push_back(std::move(of_row));
    out.rows.push_back(std::move(row));
  }

  // The newest event that counts, going back from `from`; `skip` of them are passed over.
  const auto find_back = [&](std::size_t now, std::size_t c, bool current_too,
                             std::int64_t skip) -> std::optional<std::size_t> {
    const auto& call = select.analytics[c];
    for (std::size_t i = current_too ? now + 1 : now; i-- > 0;) {
      const bool young = out.rows[i].time > out.rows[now].time - call.duration;
      if (!young || !seen[i][c].when || !same_group(seen[i][c].partition, seen[now][c].partition)) continue;
      if (skip-- == 0) return i;
    }
    return std::nullopt;
  };
  const auto lag = [&](std::size_t now, std::size_t c) {
    const auto& call = select.analytics[c];
    const bool last = call.function->id == FunctionId::kLast;
    const auto found = find_back(now, c, last, last ? 0 : call.offset - 1);
    if (!found) return call.fallback ? evaluator_.value(*call.fallback) : Value::null();
    const auto& input = seen[*found][c].input;
    return call.whole_event ? Value::record(input.whole) : input.args.front();
  };
  const auto is_first = [&](std::size_t now, std::size_t c) {
    const Ticks length = select.analytics[c].duration;
    bool first = seen[now][c].when;
    for (std::size_t i = 0; i < now; ++i) {
      const bool same = interval_end(out.rows[i].time, length) == interval_end(out.rows[now].time, length);
      if (same && seen[i][c].when && same_group(seen[i][c].partition, seen[now][c].partition)) first = false;
    }
    return Value::bigint(first ? 1 : 0);
  };
  const auto over_history = [&](std::size_t now, std::size_t c) {
    const auto& call = select.analytics[c];
    std::vector<const CallInput*> history;
    for (std::size_t i = 0; i <= now; ++i) {
      const bool young = out.rows[i].time > out.rows[now].time - call.duration;
      if (young && seen[i][c].when && same_group(seen[i][c].partition, seen[now][c].partition))
        history.push_back(&seen[i][c].input);
    }
    return aggregate(evaluator_, call_of(call), history);
  };

  Rows kept;
  for (std::size_t now = 0; now < out.rows.size(); ++now) {
    bind(out.rows[now]);
    std::vector<Value> values(select.analytics.size());
    for (std::size_t c = 0; c < select.analytics.size(); ++c) {
      const auto& call = select.analytics[c];
      if (call.source != source) continue;
      if (call.function->id == FunctionId::kIsFirst) values[c] = is_first(now, c);
      else values[c] = is_lag(call) ? lag(now, c) : over_history(now, c);
    }
    if (dropped(step, out.rows[now].origin, out.rows[now].time, out.rows[now].metadata)) continue;
    kept.push_back(out.rows[now]);
    out.values.push_back(std::move(values));
  }
  out.rows = std::move(kept);
  return out;
}

}  // namespace meterhub::engine::oracle
