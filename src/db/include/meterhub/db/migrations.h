// Numbered changes of a schema, applied once each and in order. What was applied stands
// in table `schema_migrations(number, name, applied_at)`.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::db {

struct Migration {
  std::uint32_t number;  // from 1, without gaps
  std::string_view name;
  std::string_view sql;
};

// Applies what is missing, all in one transaction, and returns how many. kPrecondition
// when the database was made by a newer program. Safe beside other processes.
base::Result<std::uint32_t> migrate(Connection& connection, std::span<const Migration> migrations, base::Timestamp now);

}  // namespace meterhub::db
