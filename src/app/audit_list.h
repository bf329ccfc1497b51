// GET /api/v1/audit: who changed what in the registry.
#pragma once

#include <meterhub/console/list.h>
#include <meterhub/registry/store.h>

namespace meterhub::app {

console::ListForm audit_list_form();
// Blocks on the registry's database: on a thread that can wait. The store outlives it.
console::ListSource audit_list(const registry::Store& store);

}  // namespace meterhub::app
