// The tables of completeness.h.
#pragma once

#include <string_view>

namespace meterhub::tables {

inline constexpr std::string_view kCompletenessSchema = R"sql(
CREATE TABLE completeness_day(
  Day TEXT NOT NULL, TenantNumber BIGINT NOT NULL, Kind TEXT NOT NULL, Subject TEXT NOT NULL, Tenant TEXT NOT NULL,
  District TEXT NOT NULL, Building TEXT NOT NULL, Expected BIGINT NOT NULL, Received BIGINT NOT NULL, Late BIGINT NOT NULL,
  Silent BIGINT NOT NULL, GatewayDown BIGINT NOT NULL, DecryptFailed BIGINT NOT NULL, Rejected BIGINT NOT NULL,
  Lost BIGINT NOT NULL, Percent REAL NOT NULL, PRIMARY KEY(TenantNumber, Kind, Day, Subject)) WITHOUT ROWID;
CREATE TABLE completeness_closed(TenantNumber INTEGER PRIMARY KEY, Day BIGINT NOT NULL);
)sql";

}  // namespace meterhub::tables
