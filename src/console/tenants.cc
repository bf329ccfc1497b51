#include "tenants.h"

#include <algorithm>

namespace meterhub::console {

std::string tenant_name(base::TenantNumber number, const registry::Directory& directory) {
  const auto tenant = directory.tenant(number);
  return tenant ? tenant->name : std::string();
}

std::optional<std::vector<base::TenantNumber>> tenants_of(const ListQuery& query, const Caller& caller,
                                                          const registry::Directory& directory) {
  if (!query.has("tenant")) return caller.tenant ? std::optional(std::vector{*caller.tenant}) : std::nullopt;
  std::vector<base::TenantNumber> out;
  const auto names = query.values("tenant");
  for (const auto& tenant : directory.tenants()) {
    if (caller.sees(tenant.number) && std::ranges::find(names, tenant.name) != names.end())
      out.push_back(tenant.number);
  }
  return out;
}

}  // namespace meterhub::console
