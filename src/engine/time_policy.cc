#include "time_policy.h"

#include <algorithm>

namespace meterhub::engine {

TimePolicyState::Verdict TimePolicyState::judge(Ticks time, std::optional<Ticks> arrival, const sql::TimePolicy& policy) {
  Verdict verdict{time, std::nullopt, false};
  const bool drops = policy.action == sql::DisorderAction::kDrop;
  if (arrival && time - *arrival > sql::kEarlyLimit) return {time, DropReason::kEarly, true};
  if (arrival && *arrival - time > policy.late_arrival) {
    if (drops) return {time, DropReason::kLate, true};
    verdict = {*arrival - policy.late_arrival, DropReason::kLate, false};
  }
  if (newest_ && verdict.time < *newest_ - policy.out_of_order) {
    if (drops) return {time, DropReason::kOutOfOrder, true};
    verdict = {*newest_ - policy.out_of_order, verdict.reason.value_or(DropReason::kOutOfOrder), false};
  }
  newest_ = std::max(newest_.value_or(verdict.time), verdict.time);
  return verdict;
}

}  // namespace meterhub::engine
