// Queries in files, for the commands of `meterhub sql`.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include <meterhub/base/result.h>
#include <meterhub/sql/compile.h>

#include "commands.h"

namespace meterhub::app {

// The compiled query; its diagnostics with carets on stderr. An error: the file cannot be read.
base::Result<sql::Compiled> compile_query(const std::string& path, const sql::CompileOptions& options);

// `sql test`, in a file of its own.
void add_sql_test(CLI::App& sql, Exit& exit);

}  // namespace meterhub::app
