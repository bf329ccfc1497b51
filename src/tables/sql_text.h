// SQL texts of output tables. Names are checked and quoted here, values are always bound.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/tables/database.h>

namespace meterhub::tables {

// kInvalidArgument for names that cannot be a table or column.
base::Result<void> check_output(const OutputSpec& spec);
// own_column_name(), quoted.
std::string own(std::string_view name, const std::vector<Column>& columns);
std::string create_table_text(std::string_view table, const std::vector<Column>& columns);
// Up to VALUES: job, output, part, pos, sub, tenant, event time, created, then the columns.
std::string insert_text(std::string_view table, const std::vector<Column>& columns);
// Id and the same order: "SELECT … FROM table".
std::string select_from_text(std::string_view table, const std::vector<Column>& columns);
// Id and the same order. Parameters: the id after which rows count, tenant twice (-1 = any), limit.
std::string select_text(std::string_view table, const std::vector<Column>& columns, std::string_view order);

}  // namespace meterhub::tables
