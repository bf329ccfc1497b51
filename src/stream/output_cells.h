// Values of a statement as typed columns: for outputs that keep a table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/engine/pipeline.h>
#include <meterhub/sql/plan.h>
#include <meterhub/tables/database.h>

namespace meterhub::stream {

// The columns that the statements of a plan give an output, in order of their first use. kInvalidArgument:
// one of them is `*`, whose columns only the events know.
base::Result<std::vector<tables::Column>> columns_of(const sql::Plan& plan, const std::string& output);
// The row's value of a column as that holds it, NULL where the row has none; kInvalidArgument when it does not fit
// (stream-sql 9.2).
base::Result<tables::Cell> cell_of(const engine::OutputRow& row, const tables::Column& column);

}  // namespace meterhub::stream
