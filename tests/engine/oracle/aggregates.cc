#include "aggregates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "exact.h"
#include "values.h"

namespace meterhub::engine::oracle {
namespace {

using sql::FunctionId;

using Inputs = std::vector<const CallInput*>;

bool takes_numbers(FunctionId id) {
  switch (id) {
    case FunctionId::kSum:
    case FunctionId::kAvg:
    case FunctionId::kStdev:
    case FunctionId::kStdevp:
    case FunctionId::kVar:
    case FunctionId::kVarp: return true;
    default: return false;
  }
}

bool is_percentile(FunctionId id) { return id == FunctionId::kPercentileCont || id == FunctionId::kPercentileDisc; }

// 4.5: text counts as a float, unless it was made text by a cast.
Value for_extremum(Evaluator& evaluator, const Value& value, const sql::Expr& expr) {
  switch (value.kind) {
    case Kind::kText: return expr.type == sql::Type::kText ? value : evaluator.cast(value, sql::Type::kFloat, false);
    case Kind::kRecord:
    case Kind::kArray: return evaluator.fail("MIN and MAX of a " + std::string(kind_name(value.kind)));
    default: return value;
  }
}

// 8.4: ordering by bigint, float and datetime only; percentiles by numbers.
Value for_order(Evaluator& evaluator, const Value& value, bool percentile) {
  if (percentile) return evaluator.to_number(value);
  switch (value.kind) {
    case Kind::kNull:
    case Kind::kBigint:
    case Kind::kFloat:
    case Kind::kDatetime: return value;
    default: return evaluator.fail("ORDER BY a " + std::string(kind_name(value.kind)));
  }
}

std::vector<Value> values_of(const Inputs& rows) {
  std::vector<Value> values;
  for (const auto* row : rows) {
    if (!row->args.empty() && !row->args.back().is_null()) values.push_back(row->args.back());
  }
  return values;
}

Rational exact(const Value& number) {
  return number.kind == Kind::kFloat ? Rational(number.number) : Rational(number.integer);
}

Rational exact_sum(const std::vector<Value>& values) {
  Rational sum = 0;
  for (const auto& value : values) sum += exact(value);
  return sum;
}

Value count(const Call& call, const Inputs& rows) {
  if (call.whole_event) return Value::bigint(static_cast<std::int64_t>(rows.size()));
  auto values = values_of(rows);
  if (call.distinct) {
    std::ranges::sort(values, [](const Value& a, const Value& b) { return order_values(a, b) < 0; });
    const auto again =
        std::ranges::unique(values, [](const Value& a, const Value& b) { return order_values(a, b) == 0; });
    values.erase(again.begin(), again.end());
  }
  return Value::bigint(static_cast<std::int64_t>(values.size()));
}

Value sum(Evaluator& evaluator, const std::vector<Value>& values) {
  if (values.empty()) return Value::null();
  const bool whole = std::ranges::all_of(values, [](const Value& v) { return v.kind == Kind::kBigint; });
  const Rational total = exact_sum(values);
  if (!whole) return evaluator.finite(nearest_double(total));
  using Limits = std::numeric_limits<std::int64_t>;
  if (total > Limits::max() || total < Limits::min()) return evaluator.fail("bigint overflow");
  return Value::bigint(static_cast<std::int64_t>(numerator(total)));
}

Value average(Evaluator& evaluator, const std::vector<Value>& values) {
  if (values.empty()) return Value::null();
  return evaluator.finite(nearest_double(exact_sum(values) / values.size()));
}

// Mean square of the distances from the mean, over n - 1 for a sample.
Value variance(Evaluator& evaluator, const std::vector<Value>& values, bool sample, bool root) {
  const std::size_t divisor = sample ? values.size() - 1 : values.size();
  if (values.empty() || divisor == 0) return Value::null();
  const Rational mean = exact_sum(values) / values.size();
  Rational squares = 0;
  for (const auto& value : values) squares += (exact(value) - mean) * (exact(value) - mean);
  const double result = nearest_double(squares / divisor);
  return evaluator.finite(root ? std::sqrt(result) : result);
}

Value extremum(std::vector<Value> values, bool largest) {
  if (values.empty()) return Value::null();
  const auto less = [](const Value& a, const Value& b) { return order_values(a, b) < 0; };
  Value best = largest ? *std::ranges::max_element(values, less) : *std::ranges::min_element(values, less);
  if (best.kind == Kind::kFloat) best.text = {};  // a computed value: shortest form
  return best;
}

// In the order of ORDER BY; of equals the earlier event first.
Inputs ordered(const Call& call, Inputs rows) {
  std::ranges::stable_sort(rows, [&](const CallInput* a, const CallInput* b) {
    for (std::size_t i = 0; i < call.order->size(); ++i) {
      const int order = order_values(a->order[i], b->order[i]);
      if (order != 0) return (*call.order)[i].descending ? order > 0 : order < 0;
    }
    return false;
  });
  return rows;
}

Value picked(const Call& call, const CallInput& row) {
  return call.whole_event ? Value::record(row.whole) : row.args.back();
}

Value collect(Evaluator& evaluator, const Call& call, const Inputs& rows) {
  std::string json = "[";
  for (const auto* row : rows) {
    const auto value = picked(call, *row);
    if (value.is_null()) continue;  // 4.6
    if (json.size() > 1) json += ',';
    append_json(json, value);
  }
  return Value::array(evaluator.arena().keep(json + ']'));
}

Value collect_top(Evaluator& evaluator, const Call& call, const Inputs& rows) {
  if (rows.empty()) return Value::array("[]");
  const auto wanted = evaluator.to_bigint(rows.front()->args.front()).integer;
  std::string json = "[";
  std::int64_t rank = 0;
  for (const auto* row : ordered(call, rows)) {
    if (++rank > wanted) break;
    if (rank > 1) json += ',';
    json += "{\"rank\":" + std::to_string(rank) + ",\"value\":";
    append_json(json, picked(call, *row));
    json += '}';
  }
  return Value::array(evaluator.arena().keep(json + ']'));
}

Value percentile(Evaluator& evaluator, const Call& call, const Inputs& rows, bool interpolated) {
  Inputs known = rows;
  std::erase_if(known, [](const CallInput* row) { return row->order.front().is_null(); });
  if (known.empty()) return Value::null();
  known = ordered(call, known);
  const Rational part = exact(evaluator.to_number(rows.front()->args.front()));
  const auto value_at = [&](std::size_t index) { return known[std::min(index, known.size() - 1)]->order.front(); };
  const auto floor_of = [](const Rational& r) { return static_cast<std::size_t>(numerator(r) / denominator(r)); };
  if (interpolated) {
    const Rational position = part * (known.size() - 1);
    const std::size_t below = floor_of(position);
    const Rational low = exact(value_at(below));
    const Rational high = exact(value_at(below + 1));
    return evaluator.finite(nearest_double(low + (high - low) * (position - below)));
  }
  // The first value at which that part of the rows is reached.
  std::size_t reached = 1;
  while (Rational(reached) < part * known.size()) ++reached;
  Value value = value_at(reached - 1);
  if (value.kind == Kind::kFloat) value.text = {};
  return value;
}

}  // namespace

CallInput read_call(Evaluator& evaluator, const Call& call, std::string_view whole) {
  const auto id = call.function->id;
  CallInput input;
  input.whole = whole;
  for (const auto& arg : *call.args) {
    const auto value = evaluator.value(*arg);
    if (takes_numbers(id)) input.args.push_back(evaluator.to_number(value));
    else if (id == FunctionId::kMin || id == FunctionId::kMax)
      input.args.push_back(for_extremum(evaluator, value, *arg));
    else input.args.push_back(value);
  }
  for (const auto& key : *call.order)
    input.order.push_back(for_order(evaluator, evaluator.value(*key.expr), is_percentile(id)));
  return input;
}

Value aggregate(Evaluator& evaluator, const Call& call, const Inputs& rows) {
  switch (call.function->id) {
    case FunctionId::kCount: return count(call, rows);
    case FunctionId::kSum: return sum(evaluator, values_of(rows));
    case FunctionId::kAvg: return average(evaluator, values_of(rows));
    case FunctionId::kMin: return extremum(values_of(rows), false);
    case FunctionId::kMax: return extremum(values_of(rows), true);
    case FunctionId::kVar: return variance(evaluator, values_of(rows), true, false);
    case FunctionId::kVarp: return variance(evaluator, values_of(rows), false, false);
    case FunctionId::kStdev: return variance(evaluator, values_of(rows), true, true);
    case FunctionId::kStdevp: return variance(evaluator, values_of(rows), false, true);
    case FunctionId::kCollect: return collect(evaluator, call, rows);
    case FunctionId::kCollectTop: return collect_top(evaluator, call, rows);  // of nothing: [], as Collect
    default: break;
  }
  if (rows.empty()) return Value::null();  // only an OVER whose WHEN kept nothing
  switch (call.function->id) {
    case FunctionId::kTopOne: return picked(call, *ordered(call, rows).front());
    case FunctionId::kPercentileCont: return percentile(evaluator, call, rows, true);
    case FunctionId::kPercentileDisc: return percentile(evaluator, call, rows, false);
    default: return evaluator.fail("not an aggregate: " + std::string(call.function->name));
  }
}

}  // namespace meterhub::engine::oracle
