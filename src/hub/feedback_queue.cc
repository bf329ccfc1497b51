#include "feedback_queue.h"

#include <utility>

namespace meterhub::hub {

bool FeedbackQueue::add(Feedback record) {
  const auto number = record.number;
  records_.try_emplace(number, Held{std::move(record), 0, {}});
  if (records_.size() <= limits_.records_max) return false;
  records_.erase(records_.begin());
  return true;
}

std::optional<FeedbackQueue::Batch> FeedbackQueue::take(base::MonotonicTime at) {
  Batch out{DeliveryLock(locks_given_ + 1), {}};
  Locked locked{{}, at + limits_.lock};
  for (auto& [number, held] : records_) {
    if (held.lock.value != 0) continue;
    held.lock = out.lock;
    ++held.deliveries;
    locked.numbers.push_back(number);
    out.records.push_back(&held.record);
    if (out.records.size() == limits_.batch_max) break;
  }
  if (out.records.empty()) return std::nullopt;
  ++locks_given_;
  locks_.emplace_hint(locks_.end(), out.lock, std::move(locked));
  return out;
}

std::vector<base::Offset> FeedbackQueue::end(DeliveryLock lock) {
  std::vector<base::Offset> out;
  const auto found = locks_.find(lock);
  if (found == locks_.end()) return out;
  for (const auto number : found->second.numbers)
    if (records_.erase(number) != 0) out.push_back(number);
  locks_.erase(found);
  return out;
}

std::vector<base::Offset> FeedbackQueue::give_back(DeliveryLock lock) {
  std::vector<base::Offset> out;
  const auto found = locks_.find(lock);
  if (found == locks_.end()) return out;
  for (const auto number : found->second.numbers) {
    const auto at = records_.find(number);
    if (at == records_.end()) continue;
    at->second.lock = {};
    if (at->second.deliveries < limits_.deliveries_max) continue;
    records_.erase(at);
    out.push_back(number);
  }
  locks_.erase(found);
  return out;
}

std::vector<base::Offset> FeedbackQueue::sweep(base::Timestamp now, base::MonotonicTime at) {
  std::vector<base::Offset> out;
  while (!locks_.empty() && locks_.begin()->second.until <= at) {
    const auto gone = give_back(locks_.begin()->first);
    out.insert(out.end(), gone.begin(), gone.end());
  }
  // Their times rise with their numbers: both are the log's.
  while (!records_.empty() && records_.begin()->second.record.at + limits_.kept <= now) {
    out.push_back(records_.begin()->first);
    records_.erase(records_.begin());
  }
  return out;
}

std::optional<base::Offset> FeedbackQueue::oldest() const {
  return records_.empty() ? std::nullopt : std::optional(records_.begin()->first);
}

}  // namespace meterhub::hub
