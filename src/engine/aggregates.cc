#include "aggregates.h"

#include <cmath>

#include <meterhub/base/assert.h>

#include "aggregate_kinds.h"

namespace meterhub::engine {

void Aggregate::remove(std::byte*, const AggregateInput&, Evaluator&) const {
  MH_ASSERT(removable() && "remove() without removable()");
}

std::unique_ptr<Aggregate> make_aggregate(const sql::AggregateCall& call) {
  using sql::FunctionId;
  MH_ASSERT(call.function != nullptr);
  switch (call.function->id) {
    case FunctionId::kCount: return call.distinct ? make_distinct(call) : make_count(call);
    case FunctionId::kSum: return make_sum();
    case FunctionId::kAvg: return make_average();
    case FunctionId::kMin:
    case FunctionId::kMax: return make_extreme(call);
    case FunctionId::kStdev:
    case FunctionId::kStdevp:
    case FunctionId::kVar:
    case FunctionId::kVarp: return make_deviation(call.function->id);
    case FunctionId::kTopOne:
    case FunctionId::kCollectTop: return make_top(call);
    case FunctionId::kCollect: return make_collect(call);
    case FunctionId::kPercentileCont:
    case FunctionId::kPercentileDisc: return make_percentile(call);
    default: break;
  }
  MH_ASSERT(false && "not an aggregate of the function table");
}

NumberArgument number_argument(const Value& given, Evaluator& evaluator) {
  if (given.is_null()) return {};
  const auto number = evaluator.to_number(given);
  if (number.kind != Kind::kFloat || std::isfinite(number.number)) return {number, !number.is_null()};
  evaluator.fail("a number that is not finite");
  return {Value::null(), false};
}

namespace {

int rank_of(Kind kind) {
  switch (kind) {
    case Kind::kNull: return 0;
    case Kind::kBigint:
    case Kind::kFloat:
    case Kind::kBit: return 1;
    case Kind::kDatetime: return 2;
    case Kind::kText: return 3;
    case Kind::kRecord: return 4;
    case Kind::kArray: return 5;
  }
  return 6;
}

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

}  // namespace

int compare_all(const Value& a, const Value& b) {
  const int rank = rank_of(a.kind);
  const int by_rank = order(rank, rank_of(b.kind));
  if (by_rank != 0 || rank == 0) return by_rank;
  if (rank == 1) return compare_numbers(a, b);
  return rank == 2 ? order(a.integer, b.integer) : order(a.text, b.text);
}

}  // namespace meterhub::engine
