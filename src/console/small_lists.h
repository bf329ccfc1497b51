// GET /api/v1/alerts and GET /api/v1/gateways: small declarations.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <meterhub/console/list.h>
#include <meterhub/registry/directory.h>
#include <meterhub/tables/database.h>

namespace meterhub::console {

// The case study's rows, newest first and in no other order; a bare array.
ListForm alert_list_form();
// Blocks on the database: not on the loop. One executor: it keeps a connection.
ListSource alert_list(const tables::Database& database, const registry::Directory& directory, const base::Clock& clock);

ListForm gateway_list_form();
// `heard`: when a gateway was heard last, if that is known. On the executor that `heard` wants.
using GatewayHeard = std::function<std::optional<base::Timestamp>(const std::string& id)>;
ListSource gateway_list(const registry::Directory& directory, GatewayHeard heard);

}  // namespace meterhub::console
