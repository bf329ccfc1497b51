#include "audit_list.h"

#include <algorithm>

namespace meterhub::app {
namespace {

using console::FilterType;
using console::ListQuery;
using console::ListRow;
using enum console::ValueType;

std::vector<std::string> texts(const ListQuery& query, std::string_view name) {
  std::vector<std::string> out;
  for (const auto value : query.values(name)) out.emplace_back(value);
  return out;
}

registry::Store::AuditFilter filter_of(const ListQuery& query) {
  return {.actors = texts(query, "actor"),
          .actions = texts(query, "action"),
          .subjects = texts(query, "subject"),
          .from = query.time("from"),
          .to = query.time("to"),
          .search = std::string(query.text("q"))};
}

class AuditRows final : public console::ListRows {
 public:
  AuditRows(const registry::Store& store, const ListQuery& query, const console::ListWindow& window, std::int64_t total)
      : store_(store),
        filter_(filter_of(query)),
        newest_first_(query.sort.empty() || query.sort.front().descending),
        offset_(window.offset),
        left_(window.limit),
        total_(static_cast<std::uint64_t>(total)) {}

  std::optional<std::uint64_t> total() const override { return total_; }
  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    std::vector<ListRow> out;
    const auto wanted = std::min<std::uint64_t>(most, left_);
    for (const auto& entry : MH_TRY(store_.find_audit(filter_, newest_first_, offset_, wanted))) {
      out.push_back({static_cast<std::int64_t>(entry.number), entry.time, entry.actor, entry.action, entry.subject,
                     entry.detail});
    }
    offset_ += out.size();
    left_ -= out.size();
    return out;
  }

 private:
  const registry::Store& store_;
  const registry::Store::AuditFilter filter_;
  const bool newest_first_;
  std::uint64_t offset_;
  std::uint64_t left_;
  const std::uint64_t total_;
};

}  // namespace

console::ListForm audit_list_form() {
  console::ListForm out{.name = "audit", .english = "Audit", .chinese = "操作记录"};
  out.columns = {{"number", kInteger, "Number", "序号"},       {"time", kTime, "Time", "时间", false},
                 {"actor", kText, "Who", "操作人", false},     {"action", kText, "Did what", "操作", false},
                 {"subject", kText, "To whom", "对象", false}, {"detail", kText, "Detail", "说明", false}};
  out.filters = {{"actor"},
                 {"action"},
                 {"subject"},
                 {"q", FilterType::kSearch},
                 {"from", FilterType::kFrom, "time"},
                 {"to", FilterType::kTo, "time"}};
  out.order = {{0, true}};
  return out;
}

console::ListSource audit_list(const registry::Store& store) {
  // Entries name no tenant: the route is the platform's (scopes.cc).
  return [&store](const ListQuery& query, const console::Caller&,
                  const console::ListWindow& window) -> base::Result<std::unique_ptr<console::ListRows>> {
    return std::make_unique<AuditRows>(store, query, window, MH_TRY(store.count_audit(filter_of(query))));
  };
}

}  // namespace meterhub::app
