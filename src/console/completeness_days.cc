#include "completeness_days.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <meterhub/tables/completeness.h>

#include "completeness_list.h"
#include "tenants.h"

namespace meterhub::console {
namespace {

using enum ValueType;
using tables::StoredCompleteness;

// Rows of meters are many: only who asks for them gets them.
const std::vector<std::string> kKinds{"tenant", "district", "building", "gateway", "meter"};

ListRow row_of(StoredCompleteness&& one, const registry::Directory& directory) {
  auto tenant = tenant_name(one.tenant, directory);
  if (tenant.empty()) tenant = std::move(one.tenant_name);
  ListRow row{std::move(one.kind),
              std::move(one.day),
              std::move(tenant),
              std::move(one.district),
              std::move(one.building),
              std::move(one.subject),
              one.expected,
              one.received,
              one.late};
  for (const auto count : one.missing) row.emplace_back(count);
  row.emplace_back();  // nothing was expected
  if (one.expected > 0) row.back().emplace<double>(one.percent);
  return row;
}

class DayRows final : public ListRows {
 public:
  DayRows(const OfficeView& view, tables::CompletenessFilter filter, const ListWindow& window)
      : view_(view), filter_(std::move(filter)), skip_(window.offset), left_(window.limit) {}

  base::Result<void> count() {
    return view_.database.read([this](db::Connection& connection) -> base::Result<void> {
      total_ = static_cast<std::uint64_t>(MH_TRY(tables::count_completeness(connection, filter_)));
      return {};
    });
  }
  std::optional<std::uint64_t> total() const override { return total_; }

  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    std::vector<ListRow> out;
    while (out.empty() && left_ > 0 && !ended_) {
      auto found = MH_TRY(block(static_cast<std::size_t>(std::min<std::uint64_t>(most, skip_ + left_))));
      for (auto& one : found) {
        if (skip_ > 0) {
          --skip_;
        } else if (left_ > 0) {
          --left_;
          out.push_back(row_of(std::move(one), view_.directory));
        }
      }
    }
    return out;
  }

 private:
  base::Result<std::vector<StoredCompleteness>> block(std::size_t wanted) {
    std::vector<StoredCompleteness> found;
    const auto read = view_.database.read([&](db::Connection& connection) -> base::Result<void> {
      found = MH_TRY(tables::read_completeness(connection, filter_, last_ ? &*last_ : nullptr, wanted));
      return {};
    });
    if (!read) return std::unexpected(read.error());
    ended_ = found.size() < wanted;
    if (!found.empty()) last_ = found.back();
    return found;
  }

  const OfficeView& view_;
  const tables::CompletenessFilter filter_;
  std::uint64_t skip_;
  std::uint64_t left_;
  std::uint64_t total_ = 0;
  std::optional<StoredCompleteness> last_;
  bool ended_ = false;
};

// "2026-11-20", a day that there is.
base::Result<std::string> day_of(const ListQuery& query, std::string_view name) {
  const auto text = query.text(name);
  if (text.empty()) return std::string();
  constexpr std::string_view kForm = "0000-00-00";
  const auto shaped =
      std::ranges::equal(text, kForm, [](char c, char form) { return form == '0' ? c >= '0' && c <= '9' : c == form; });
  const auto number = [&](std::size_t at, std::size_t length) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + length, value);
    return value;
  };
  if (!shaped || !std::chrono::year_month_day(std::chrono::year(number(0, 4)),
                                              std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                              std::chrono::day(static_cast<unsigned>(number(8, 2))))
                      .ok()) {
    return base::fail(base::Errc::kInvalidArgument, std::string(name) + " is a day as 2026-11-20");
  }
  return std::string(text);
}

std::optional<std::string> one_of(const ListQuery& query, std::string_view name) {
  return query.has(name) ? std::optional<std::string>(query.text(name)) : std::nullopt;
}

}  // namespace

ListForm completeness_days_form() {
  ListForm form;
  form.name = "completeness-days";
  form.english = "Completeness of closed days";
  form.chinese = "历史数据完整率";
  form.columns = {{"kind", kText, "Kind", "类型"},         {"day", kText, "Day", "日期"},
                  {"tenant", kText, "Tenant", "租户"},     {"district", kText, "District", "片区"},
                  {"building", kText, "Building", "楼栋"}, {"subject", kText, "Subject", "对象"}};
  const auto figures = completeness_columns();
  form.columns.insert(form.columns.end(), figures.begin(), figures.end());
  for (auto& column : form.columns) column.sortable = false;
  form.filters = {{"kind", FilterType::kChoice, {}, kKinds},
                  {"from", FilterType::kEqual, "day"},
                  {"to", FilterType::kEqual, "day"},
                  {"tenant", FilterType::kEqual},
                  {"district", FilterType::kEqual},
                  {"building", FilterType::kEqual},
                  {"subject", FilterType::kEqual}};
  return form;
}

ListSource completeness_days(const OfficeView& view) {
  return [&view](const ListQuery& query, const Caller& caller,
                 const ListWindow& window) -> base::Result<std::unique_ptr<ListRows>> {
    tables::CompletenessFilter filter;
    filter.tenants = tenants_of(query, caller, view.directory);
    for (const auto kind : query.values("kind")) filter.kinds.emplace_back(kind);
    if (filter.kinds.empty()) filter.kinds.assign(kKinds.begin(), kKinds.end() - 1);
    filter.from = MH_TRY(day_of(query, "from"));
    filter.to = MH_TRY(day_of(query, "to"));
    filter.subject = one_of(query, "subject");
    filter.district = one_of(query, "district");
    filter.building = one_of(query, "building");
    auto rows = std::make_unique<DayRows>(view, std::move(filter), window);
    MH_TRY_VOID(rows->count());
    return rows;
  };
}

}  // namespace meterhub::console
