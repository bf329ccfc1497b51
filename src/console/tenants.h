// Tenants by name, for lists.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <meterhub/console/caller.h>
#include <meterhub/console/list.h>
#include <meterhub/registry/directory.h>

namespace meterhub::console {

// Empty for one that the registry does not know.
std::string tenant_name(base::TenantNumber number, const registry::Directory& directory);

// Those that a caller may see and asked for in filter `tenant`; nothing: all.
std::optional<std::vector<base::TenantNumber>> tenants_of(const ListQuery& query, const Caller& caller,
                                                          const registry::Directory& directory);

}  // namespace meterhub::console
