#include <meterhub/tables/completeness.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include <meterhub/db/bulk_insert.h>

namespace meterhub::tables {
namespace {

constexpr std::size_t kColumns = 16;

std::string date_text(std::int32_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::int64_t integer(std::uint64_t value) { return static_cast<std::int64_t>(value); }

// Figures of a stored row.
struct Figures {
  std::int64_t received = 0, late = 0;
  std::array<std::int64_t, kMissingColumns> missing{};

  std::int64_t expected() const { return std::accumulate(missing.begin(), missing.end(), received); }
  double percent() const {
    return expected() == 0 ? 100.0 : 100.0 * static_cast<double>(received) / static_cast<double>(expected());
  }
};

// Where the stored row has none of what the reading was counted as: silence and losses are told apart by time only.
constexpr std::array kInsteadOf{MissingColumn::kLost, MissingColumn::kGatewayDown, MissingColumn::kSilent,
                                MissingColumn::kDecryptFailed};

std::optional<MissingColumn> missing_one(const Figures& figures, MissingColumn wanted) {
  const auto has = [&](MissingColumn column) { return figures.missing[static_cast<std::size_t>(column)] > 0; };
  if (has(wanted)) return wanted;
  const auto found = std::ranges::find_if(kInsteadOf, has);
  return found != kInsteadOf.end() ? std::optional(*found) : std::nullopt;
}

// The row of one of a late reading's subjects.
struct RowKey {
  const LateReading& reading;
  std::string_view kind;
  std::string subject;
};

struct Stored {
  Figures figures;
  std::string district;
};

base::Result<std::optional<Stored>> read_row(db::Connection& connection, const RowKey& key) {
  auto row = MH_TRY(connection.prepare(
      "SELECT Received, Late, Silent, GatewayDown, DecryptFailed, Rejected, Lost, District FROM completeness_day "
      "WHERE TenantNumber = ? AND Kind = ? AND Day = ? AND Subject = ?"));
  row.bind_all(std::int64_t{key.reading.tenant.value}, key.kind, date_text(key.reading.day), key.subject);
  if (!MH_TRY(row.step())) return std::nullopt;
  Stored out;
  out.figures.received = row.integer(0);
  out.figures.late = row.integer(1);
  for (std::size_t n = 0; n < kMissingColumns; ++n) out.figures.missing[n] = row.integer(2 + static_cast<int>(n));
  out.district = row.text(7);
  return out;
}

base::Result<void> write_row(db::Connection& connection, const RowKey& key, const Figures& f) {
  auto row = MH_TRY(connection.prepare(
      "UPDATE completeness_day SET Expected = ?, Received = ?, Late = ?, Silent = ?, GatewayDown = ?, DecryptFailed = ?, "
      "Rejected = ?, Lost = ?, Percent = ? WHERE TenantNumber = ? AND Kind = ? AND Day = ? AND Subject = ?"));
  return row
      .bind_all(f.expected(), f.received, f.late, f.missing[0], f.missing[1], f.missing[2], f.missing[3], f.missing[4],
                f.percent(), std::int64_t{key.reading.tenant.value}, key.kind, date_text(key.reading.day), key.subject)
      .run();
}

// Moves the reading in one row. The row's district; nothing when there is no such row.
base::Result<std::optional<std::string>> move_in(db::Connection& connection, const RowKey& key,
                                                 std::optional<MissingColumn>& from) {
  auto stored = MH_TRY(read_row(connection, key));
  if (!stored) return std::nullopt;
  auto& figures = stored->figures;
  if (from) {
    if (const auto found = missing_one(figures, *from)) --figures.missing[static_cast<std::size_t>(*found)];
  }
  if (key.reading.received) {
    ++figures.received;
    ++figures.late;
  } else {
    ++figures.missing[static_cast<std::size_t>(MissingColumn::kRejected)];
  }
  MH_TRY_VOID(write_row(connection, key, figures));
  return std::move(stored->district);
}

// The WHERE clause of a filter, with its values.
class Conditions {
 public:
  explicit Conditions(const CompletenessFilter& filter) {
    if (filter.tenants) {
      std::vector<db::Value> numbers;
      for (const auto tenant : *filter.tenants) numbers.emplace_back(std::int64_t{tenant.value});
      one_of("TenantNumber", std::move(numbers), true);
    }
    one_of("Kind", {filter.kinds.begin(), filter.kinds.end()}, false);
    if (!filter.from.empty()) add("Day >= ?", {filter.from});
    if (!filter.to.empty()) add("Day <= ?", {filter.to});
    if (filter.subject) add("Subject = ?", {*filter.subject});
    if (filter.district) add("District = ?", {*filter.district});
    if (filter.building) add("Building = ?", {*filter.building});
  }
  void add(std::string_view text, std::vector<db::Value> values) {
    text_ += (text_.empty() ? " WHERE " : " AND ") + std::string(text);
    std::ranges::move(values, std::back_inserter(values_));
  }
  base::Result<db::Statement> prepare(db::Connection& connection, std::string_view select, std::string_view end) const {
    auto out = MH_TRY(connection.prepare(fmt::format("SELECT {} FROM completeness_day{}{}", select, text_, end)));
    int index = 0;
    for (const auto& value : values_) db::bind_value(out, ++index, value);
    return out;
  }

 private:
  void one_of(std::string_view column, std::vector<db::Value> values, bool none_is_none) {
    if (values.empty()) {
      if (none_is_none) add("1 = 0", {});
      return;
    }
    std::string marks = "?";
    for (std::size_t i = 1; i < values.size(); ++i) marks += ", ?";
    add(fmt::format("{} IN ({})", column, marks), std::move(values));
  }

  std::string text_;
  std::vector<db::Value> values_;
};

}  // namespace

base::Result<void> write_completeness(db::Connection& connection, std::span<const CompletenessRow> rows) {
  db::BulkInsert block(
      connection,
      "INSERT OR REPLACE INTO completeness_day(Day, TenantNumber, Kind, Subject, Tenant, District, Building, Expected, "
      "Received, Late, Silent, GatewayDown, DecryptFailed, Rejected, Lost, Percent)",
      kColumns);
  for (const auto& row : rows) {
    Figures figures{integer(row.received), integer(row.late), {}};
    std::ranges::transform(row.missing, figures.missing.begin(), integer);
    std::vector<db::Value> values{date_text(row.day),    std::int64_t{row.tenant.value},
                                  std::string(row.kind), row.subject,
                                  row.tenant_name,       row.district,
                                  row.building,          figures.expected(),
                                  figures.received,      figures.late};
    for (const auto count : figures.missing) values.emplace_back(count);
    values.emplace_back(figures.percent());
    MH_TRY_VOID(block.add(std::move(values)));
  }
  return block.finish();
}

base::Result<void> remove_completeness(db::Connection& connection, base::TenantNumber tenant, std::int32_t day) {
  auto remove = MH_TRY(connection.prepare(
      "DELETE FROM completeness_day WHERE TenantNumber = ? AND Kind IN ('meter', 'gateway', 'building', 'district', 'tenant') AND Day = ?"));
  return remove.bind_all(std::int64_t{tenant.value}, date_text(day)).run();
}

base::Result<void> expire_completeness(db::Connection& connection, base::TenantNumber tenant,
                                       std::int32_t meters_before, std::int32_t others_before) {
  auto meters =
      MH_TRY(connection.prepare("DELETE FROM completeness_day WHERE TenantNumber = ? AND Kind = 'meter' AND Day < ?"));
  MH_TRY_VOID(meters.bind_all(std::int64_t{tenant.value}, date_text(meters_before)).run());
  auto others = MH_TRY(connection.prepare(
      "DELETE FROM completeness_day WHERE TenantNumber = ? AND Kind IN ('gateway', 'building', 'district', 'tenant') AND Day < ?"));
  return others.bind_all(std::int64_t{tenant.value}, date_text(others_before)).run();
}

base::Result<ClosedDays> closed_days(db::Connection& connection) {
  ClosedDays out;
  auto row = MH_TRY(connection.prepare("SELECT TenantNumber, Day FROM completeness_closed"));
  while (MH_TRY(row.step()))
    out.emplace_back(base::TenantNumber(static_cast<std::uint32_t>(row.integer(0))),
                     static_cast<std::int32_t>(row.integer(1)));
  return out;
}

base::Result<void> set_closed_day(db::Connection& connection, base::TenantNumber tenant, std::int32_t day) {
  auto put = MH_TRY(connection.prepare("INSERT OR REPLACE INTO completeness_closed(TenantNumber, Day) VALUES (?, ?)"));
  return put.bind_all(std::int64_t{tenant.value}, std::int64_t{day}).run();
}

base::Result<void> add_late(db::Connection& connection, const LateReading& reading) {
  auto from = reading.from;
  if (!MH_TRY(move_in(connection, {reading, "meter", reading.meter.text()}, from))) from.reset();
  auto of_tenant = MH_TRY(connection.prepare(
      "SELECT Subject FROM completeness_day WHERE TenantNumber = ? AND Kind = 'tenant' AND Day = ?"));
  of_tenant.bind_all(std::int64_t{reading.tenant.value}, date_text(reading.day));
  if (MH_TRY(of_tenant.step())) MH_TRY(move_in(connection, {reading, "tenant", std::string(of_tenant.text(0))}, from));
  if (!reading.gateway.empty()) MH_TRY(move_in(connection, {reading, "gateway", reading.gateway}, from));
  if (reading.building == 0) return {};
  const auto district = MH_TRY(move_in(connection, {reading, "building", std::to_string(reading.building)}, from));
  if (district) MH_TRY(move_in(connection, {reading, "district", *district}, from));
  return {};
}

base::Result<std::int64_t> count_completeness(db::Connection& connection, const CompletenessFilter& filter) {
  auto row = MH_TRY(Conditions(filter).prepare(connection, "count(*)", ""));
  MH_TRY_VOID(row.step());
  return row.integer(0);
}

base::Result<std::vector<StoredCompleteness>> read_completeness(db::Connection& connection,
                                                                const CompletenessFilter& filter,
                                                                const StoredCompleteness* after, std::size_t limit) {
  Conditions conditions(filter);
  if (after != nullptr) {
    conditions.add("(TenantNumber, Kind, Day, Subject) > (?, ?, ?, ?)",
                   {std::int64_t{after->tenant.value}, after->kind, after->day, after->subject});
  }
  auto row = MH_TRY(conditions.prepare(
      connection,
      "TenantNumber, Kind, Day, Subject, Tenant, District, Building, Expected, Received, Late, Silent, GatewayDown, "
      "DecryptFailed, Rejected, Lost, Percent",
      fmt::format(" ORDER BY TenantNumber, Kind, Day, Subject LIMIT {}", limit)));
  std::vector<StoredCompleteness> out;
  while (MH_TRY(row.step())) {
    auto& one = out.emplace_back();
    one.tenant = base::TenantNumber(static_cast<std::uint32_t>(row.integer(0)));
    int column = 1;
    for (auto* const text : {&one.kind, &one.day, &one.subject, &one.tenant_name, &one.district, &one.building})
      *text = row.text(column++);
    for (auto* const count : {&one.expected, &one.received, &one.late}) *count = row.integer(column++);
    for (auto& count : one.missing) count = row.integer(column++);
    one.percent = row.real(column);
  }
  return out;
}

}  // namespace meterhub::tables
