// Figures of a query as JSON, and back: processes of a pack tell them so.
#pragma once

#include <nlohmann/json.hpp>

#include "sql.h"

namespace meterhub::app::bench {

nlohmann::json to_json(const SqlFigures& figures);
// kCorrupt: not written by to_json().
base::Result<SqlFigures> figures_from(const nlohmann::json& json);

}  // namespace meterhub::app::bench
