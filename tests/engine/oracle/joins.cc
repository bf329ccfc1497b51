// Joins by looking at every pair (stream-sql 6.6, 6.7).
#include <algorithm>

#include "run.h"
#include "values.h"

namespace meterhub::engine::oracle {
namespace {

std::size_t width(const sql::Plan& plan, const sql::Source& source) {
  switch (source.kind) {
    case sql::SourceKind::kReader: return plan.readers[source.index].paths.size();
    case sql::SourceKind::kReference: return plan.references[source.index].paths.size();
    case sql::SourceKind::kStep: return plan.steps[source.index].columns.size();
    case sql::SourceKind::kApply: return 2;
  }
  return 0;
}

// What comes of a join is no single event's row any more.
void make_result(Combination& row) {
  row.origin = {true, 0, 0, 0};
  row.metadata = nullptr;
}

}  // namespace

bool Run::matches(std::uint32_t step, const sql::Join& join, const Combination& pair) {
  evaluator_.bind(pair.sources, pair.time, pair.analytics);
  bool match = true;
  for (const auto& key : join.keys) {
    match = match && keys_match(evaluator_.value(*key.left), evaluator_.value(*key.right));
  }
  if (match && join.residual) match = evaluator_.is_true(*join.residual);
  return !dropped(step, pair.origin, pair.time, nullptr) && match;
}

Combinations Run::join(std::uint32_t step, const sql::Select& select, std::uint32_t source, const Combinations& left,
                       Ticks at) {
  const auto& from = select.sources[source];
  const auto& join = *from.join;
  Rows right;
  std::vector<std::vector<Value>> right_analytics;
  const auto look_at = [&](Rows rows) -> const Rows& {
    if (!join.reference) std::erase_if(rows, [](const Row& row) { return row.late; });
    auto analysed = analyse(step, select, source, std::move(rows));
    right_analytics = std::move(analysed.values);
    return rows_of_sources_.emplace_back(std::move(analysed.rows));
  };
  const Rows* candidates = join.reference ? nullptr : &look_at(source_rows(from, at));
  const auto none = keep(std::vector<Value>(width(plan_, from)));
  Combinations out;
  for (const auto& row : left) {
    // Reference data: the version valid at the event's own time.
    if (join.reference) candidates = &look_at(source_rows(from, plan_.steps[step].reference ? at : row.time));
    bool matched = false;
    for (std::size_t i = 0; i < candidates->size(); ++i) {
      const auto& other = (*candidates)[i];
      Combination pair = row;
      pair.sources[source] = {other.values, other.whole, other.time, other.metadata};
      for (std::size_t k = 0; k < select.analytics.size(); ++k) {
        if (select.analytics[k].source == source) pair.analytics[k] = right_analytics[i][k];
      }
      if (!join.reference) {
        pair.time = std::max(row.time, other.time);
        make_result(pair);
      }
      if (!matches(step, join, pair)) continue;
      matched = true;
      out.push_back(std::move(pair));
    }
    if (matched || !join.left_outer) continue;
    Combination alone = row;
    alone.sources[source] = {none, "null", row.time, nullptr};
    if (!join.reference) {
      // Known when no right event can come any more; never before the left row itself.
      alone.time = std::max(row.time, row.sources[join.bound->left].time + join.bound->upper_ticks);
      make_result(alone);
    }
    out.push_back(std::move(alone));
  }
  std::ranges::stable_sort(out, {}, [](const Combination& row) { return std::pair(row.time, row.origin); });
  return out;
}

}  // namespace meterhub::engine::oracle
