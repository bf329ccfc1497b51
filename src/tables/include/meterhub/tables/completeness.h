// Table completeness_day of database.sqlite: readings expected and received on local days that are closed
// (docs/completeness.md, docs/formats/tables.md). Written by the role `office`.
//
// Functions work inside the caller's transaction (Database::transact); errors are the database's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {

// Why readings are missing, in the order of the table's columns.
enum class MissingColumn : std::uint8_t { kSilent, kGatewayDown, kDecryptFailed, kRejected, kLost };
inline constexpr std::size_t kMissingColumns = 5;

// Days are counted from 1970-01-01.
struct CompletenessRow {
  std::int32_t day = 0;
  base::TenantNumber tenant;
  std::string_view kind;  // meter, gateway, building, district, tenant
  // A meter's EUI, a gateway's id, a building's number, a district's or tenant's name.
  std::string subject{};
  std::string tenant_name{}, district{}, building{};
  std::uint64_t received = 0, late = 0;
  std::array<std::uint64_t, kMissingColumns> missing{};
};

// Rows that are there already are replaced.
base::Result<void> write_completeness(db::Connection& connection, std::span<const CompletenessRow> rows);
// Those of a tenant and day: what an earlier attempt to close it left.
base::Result<void> remove_completeness(db::Connection& connection, base::TenantNumber tenant, std::int32_t day);
// A tenant's rows of meters before one day and of all else before another.
base::Result<void> expire_completeness(db::Connection& connection, base::TenantNumber tenant,
                                       std::int32_t meters_before, std::int32_t others_before);

// The newest day of each tenant that is closed.
using ClosedDays = std::vector<std::pair<base::TenantNumber, std::int32_t>>;
base::Result<ClosedDays> closed_days(db::Connection& connection);
base::Result<void> set_closed_day(db::Connection& connection, base::TenantNumber tenant, std::int32_t day);

// A reading that came when its day was closed.
struct LateReading {
  std::int32_t day = 0;
  base::TenantNumber tenant;
  base::Eui64 meter;
  std::uint32_t building = 0;  // 0: none
  std::string gateway{};       // empty: unknown
  bool received = true;        // else it took a missing one's place as kRejected
  std::optional<MissingColumn> from{};  // what it was counted as; nothing: it was not expected
};
// In the rows of its meter, building, district, tenant and gateway, as far as they are there, it is late instead of
// missing. A meter without a row missed nothing: there it was not expected.
base::Result<void> add_late(db::Connection& connection, const LateReading& reading);

// --- reading

// Rows of closed days. Empty lists and texts: any; nobody's tenants: none.
struct CompletenessFilter {
  std::optional<std::vector<base::TenantNumber>> tenants{};
  std::vector<std::string> kinds{};
  std::string from{}, to{};  // days, both among those wanted: "2026-11-20"
  std::optional<std::string> subject{}, district{}, building{};
};
struct StoredCompleteness {
  base::TenantNumber tenant;
  std::string kind, day, subject, tenant_name, district, building;
  std::int64_t expected = 0, received = 0, late = 0;
  std::array<std::int64_t, kMissingColumns> missing{};
  double percent = 0;
};
base::Result<std::int64_t> count_completeness(db::Connection& connection, const CompletenessFilter& filter);
// In order of tenant, kind, day and subject; behind `after`, the last one of the block before.
base::Result<std::vector<StoredCompleteness>> read_completeness(db::Connection& connection,
                                                                const CompletenessFilter& filter,
                                                                const StoredCompleteness* after, std::size_t limit);

}  // namespace meterhub::tables
