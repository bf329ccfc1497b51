// What the kinds of analytic functions have in common; analytics.cc chooses among them.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "analytics.h"
#include "packed.h"

namespace meterhub::engine {

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
  static bool same(const sql::ExprPtr& a, const sql::ExprPtr& b) {
    if (!a || !b) return !a && !b;
    return sql::same_expression(*a, *b);
  }

  const std::vector<sql::ExprPtr> partition_;
  const sql::ExprPtr when_;
  std::string key_;
  bool takes_ = false;
};

// LAG and LAST; aggregates OVER (LIMIT DURATION). Of one partition and WHEN; those OVER of one duration.
std::unique_ptr<AnalyticFamily> make_earlier(std::vector<Call> calls, bool lenient);
std::unique_ptr<AnalyticFamily> make_running(std::vector<Call> calls, bool lenient);

}  // namespace meterhub::engine
