// Searching the audit rows; what writes them is State::note_audit().
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

// A condition and the values of its parameters.
struct Condition {
  std::string text = " WHERE 1";
  std::vector<std::string> texts;  // bound first
  std::vector<base::Timestamp> times;
};

void add_any(Condition& out, std::string_view column, const std::vector<std::string>& any) {
  if (any.empty()) return;
  out.text += " AND " + std::string(column) + " IN (";
  for (std::size_t i = 0; i < any.size(); ++i) out.text += i == 0 ? "?" : ", ?";
  out.text += ')';
  out.texts.insert(out.texts.end(), any.begin(), any.end());
}

Condition condition_of(const Store::AuditFilter& filter) {
  Condition out;
  add_any(out, "actor", filter.actors);
  add_any(out, "action", filter.actions);
  add_any(out, "subject", filter.subjects);
  if (!filter.search.empty()) {
    // instr() knows no wildcards; lower() changes ASCII letters only.
    out.text += " AND instr(lower(actor || ' ' || action || ' ' || subject || ' ' || detail), lower(?)) > 0";
    out.texts.push_back(filter.search);
  }
  for (const auto& [time, compare] : {std::pair{filter.from, " AND time >= ?"}, std::pair{filter.to, " AND time < ?"}}) {
    if (!time) continue;
    out.text += compare;
    out.times.push_back(*time);
  }
  return out;
}

int bind(db::Statement& row, const Condition& condition) {
  int index = 0;
  for (const auto& text : condition.texts) row.bind(++index, std::string_view(text));
  for (const auto& time : condition.times) row.bind(++index, time);
  return index;
}

}  // namespace

base::Result<std::vector<AuditEntry>> Store::find_audit(const AuditFilter& filter, bool newest_first, std::uint64_t offset,
                                                        std::size_t limit) const {
  const auto condition = condition_of(filter);
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->connection->prepare("SELECT number, time, actor, action, subject, detail FROM audit" + condition.text +
                                                " ORDER BY number " + (newest_first ? "DESC" : "ASC") + " LIMIT ? OFFSET ?"));
  int index = bind(row, condition);
  row.bind(++index, static_cast<std::int64_t>(limit));
  row.bind(++index, static_cast<std::int64_t>(offset));
  std::vector<AuditEntry> out;
  while (MH_TRY(row.step())) {
    out.push_back({static_cast<std::uint64_t>(row.integer(0)), row.time(1), Actor(row.text(2)), std::string(row.text(3)),
                   std::string(row.text(4)), std::string(row.text(5))});
  }
  return out;
}

base::Result<std::int64_t> Store::count_audit(const AuditFilter& filter) const {
  const auto condition = condition_of(filter);
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->connection->prepare("SELECT count(*) FROM audit" + condition.text));
  bind(row, condition);
  MH_TRY_VOID(row.step());
  return row.integer(0);
}

}  // namespace meterhub::registry
