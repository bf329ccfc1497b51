// A row of select_from_text() as it was put.
#pragma once

#include <vector>

#include <meterhub/db/connection.h>
#include <meterhub/tables/database.h>

namespace meterhub::tables {

// Columns that every table has before the job's own.
inline constexpr int kOwnColumns = 9;

StoredRow read_row(db::Statement& row, const std::vector<Column>& columns);

}  // namespace meterhub::tables
