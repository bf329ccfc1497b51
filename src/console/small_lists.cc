#include "small_lists.h"

#include <algorithm>

#include <meterhub/tables/table_reader.h>

namespace meterhub::console {
namespace {

using enum ValueType;

// The case study's columns and their headers.
constexpr std::array<std::array<std::string_view, 3>, 9> kAlertHeads{{{"DeviceID", "Meter", "表号"},
                                                                      {"DateTime", "Time", "时间"},
                                                                      {"MeterType", "Meter type", "表类型"},
                                                                      {"FactoryCode", "Factory code", "厂家代码"},
                                                                      {"Bought", "Bought, m³", "累计购气 (m³)"},
                                                                      {"Remaining", "Left, m³", "剩余气量 (m³)"},
                                                                      {"TotalUsed", "Used, m³", "累计用气 (m³)"},
                                                                      {"MeterStatus", "Meter says", "表具状态"},
                                                                      {"MeterSoftwareVer", "Software", "软件版本"}}};

ValueType type_of(tables::ColumnType type) {
  switch (type) {
    case tables::ColumnType::kBigint: return kInteger;
    case tables::ColumnType::kFloat: return kNumber;
    case tables::ColumnType::kDatetime: return kTime;
    case tables::ColumnType::kBit: return kFlag;
    case tables::ColumnType::kDecimal:
    case tables::ColumnType::kText: break;
  }
  return kText;
}

Value value_of(const tables::Cell& cell) {
  return std::visit([](const auto& value) { return Value(value); }, cell);
}

class AlertRows final : public ListRows {
 public:
  AlertRows(tables::TableReader& reader, tables::RowFilter filter, const ListWindow& window, const base::Clock& clock)
      : reader_(reader), filter_(std::move(filter)), skip_(window.offset), left_(window.limit), clock_(clock) {}

  std::optional<std::uint64_t> total() const override { return std::nullopt; }

  base::Result<std::vector<ListRow>> next(std::size_t most) override {
    std::vector<ListRow> out;
    while (out.empty() && left_ > 0 && !ended_) {
      const auto wanted = std::min<std::uint64_t>(most, skip_ + left_);
      const auto found = MH_TRY(reader_.newest(tables::kAlertsTable, filter_, wanted, clock_));
      ended_ = found.rows.size() < wanted;
      if (!found.rows.empty()) filter_.before_id = found.rows.back().id;
      for (const auto& row : found.rows) {
        if (skip_ > 0) {
          --skip_;
        } else if (left_ > 0) {
          --left_;
          out.push_back(list_row(row));
        }
      }
    }
    return out;
  }

 private:
  static ListRow list_row(const tables::StoredRow& row) {
    ListRow out{row.id};
    for (const auto& cell : row.cells) out.push_back(value_of(cell));
    out.emplace_back(std::int64_t{row.tenant.value});
    out.emplace_back(row.job);
    return out;
  }

  tables::TableReader& reader_;
  tables::RowFilter filter_;
  std::uint64_t skip_;
  std::uint64_t left_;
  const base::Clock& clock_;
  bool ended_ = false;
};

std::vector<std::string> texts(const ListQuery& query, std::string_view name) {
  std::vector<std::string> out;
  for (const auto value : query.values(name)) out.emplace_back(value);
  return out;
}

// Of a tenant's name among several: the table knows one number a row.
std::optional<base::TenantNumber> tenant_of(const ListQuery& query, const registry::Directory& directory) {
  for (const auto& tenant : directory.tenants()) {
    if (tenant.name == query.text("tenant")) return tenant.number;
  }
  return std::nullopt;
}

// Nothing: nobody has such rows.
std::optional<tables::RowFilter> filter_of(const ListQuery& query, const Caller& caller,
                                           const registry::Directory& directory) {
  tables::RowFilter out;
  out.tenant = caller.tenant;
  if (query.has("tenant")) {
    const auto named = tenant_of(query, directory);
    if (!named || !caller.sees(*named)) return std::nullopt;
    out.tenant = named;
  }
  out.from = query.time("from");
  out.to = query.time("to");
  out.jobs = texts(query, "job");
  if (query.has("eui")) out.texts.emplace_back("DeviceID", texts(query, "eui"));
  out.search = query.text("q");
  return out;
}

class NoRows final : public ListRows {
 public:
  std::optional<std::uint64_t> total() const override { return 0; }
  base::Result<std::vector<ListRow>> next(std::size_t) override { return std::vector<ListRow>(); }
};

}  // namespace

ListForm alert_list_form() {
  ListForm out{.name = "alerts", .english = "Alerts", .chinese = "告警"};
  out.columns.push_back({"id", kInteger, "Number", "序号", false});
  for (std::size_t c = 0; c < tables::alert_columns().size(); ++c) {
    const auto& column = tables::alert_columns()[c];
    const auto head = std::ranges::find(kAlertHeads, column.name, [](const auto& names) { return names[0]; });
    const bool known = head != kAlertHeads.end();
    out.columns.push_back({column.name, type_of(column.type), known ? std::string((*head)[1]) : column.name,
                           known ? std::string((*head)[2]) : column.name, false});
  }
  out.columns.push_back({"Tenant", kInteger, "Tenant number", "公司编号", false});
  out.columns.push_back({"job", kText, "Job", "作业", false});
  out.filters = {
      {"eui"}, {"job"}, {"tenant"}, {"q", FilterType::kSearch}, {"from", FilterType::kFrom}, {"to", FilterType::kTo}};
  out.bare_array = true;
  return out;
}

ListSource alert_list(const tables::Database& database, const registry::Directory& directory,
                      const base::Clock& clock) {
  // Opened with the first question: the database is there by then.
  auto reader = std::make_shared<std::unique_ptr<tables::TableReader>>();
  return [&database, &directory, &clock, reader](const ListQuery& query, const Caller& caller,
                                                 const ListWindow& window) -> base::Result<std::unique_ptr<ListRows>> {
    auto filter = filter_of(query, caller, directory);
    if (!filter) return std::make_unique<NoRows>();
    if (*reader == nullptr) *reader = MH_TRY(tables::TableReader::open(database.file()));
    return std::make_unique<AlertRows>(**reader, std::move(*filter), window, clock);
  };
}

ListForm gateway_list_form() {
  ListForm out{.name = "gateways", .english = "Gateways", .chinese = "网关"};
  out.columns = {{"id", kText, "Gateway", "网关"},
                 {"eui", kText, "EUI", "EUI"},
                 {"tenant", kText, "Tenant", "公司"},
                 {"enabled", kFlag, "Let in", "启用"},
                 {"last_heard", kTime, "Last heard", "最近上报"}};
  out.filters = {{"enabled", FilterType::kChoice, {}, {"true", "false"}},
                 {"tenant"},
                 {"q", FilterType::kSearch},
                 {"from", FilterType::kFrom, "last_heard"},
                 {"to", FilterType::kTo, "last_heard"}};
  return out;
}

ListSource gateway_list(const registry::Directory& directory, GatewayHeard heard) {
  return list_of(
      gateway_list_form(),
      [&directory, heard = std::move(heard)](const Caller& caller) -> base::Result<std::vector<ListRow>> {
        std::vector<ListRow> out;
        for (const auto& gateway : directory.gateways()) {
          if (!caller.sees(gateway->tenant)) continue;
          const auto tenant = directory.tenant(gateway->tenant);
          const auto at = heard ? heard(gateway->id) : std::nullopt;
          out.push_back({gateway->id, gateway->eui ? Value(gateway->eui->text()) : Value(),
                         tenant ? tenant->name : std::string(), gateway->enabled, at ? Value(*at) : Value()});
        }
        return out;
      });
}

}  // namespace meterhub::console
