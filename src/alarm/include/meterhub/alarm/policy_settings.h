// The settings of section `alarms`: when a trouble becomes an episode and when that is over, per rule and tenant
// (docs/alarms.md).
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include <meterhub/alarm/policy.h>
#include <meterhub/base/settings.h>

namespace meterhub::alarm {

// Adds section `alarms` with its scopes `tenant` and `rule` to the program's settings.
void declare(base::SettingsTable& table);

// A tenant's number; nothing: there is no such one.
using TenantLookup = std::function<std::optional<base::TenantNumber>(std::string_view name)>;
// `settings` are of a table that declare() has been given. What they leave open is as default_policy() has it.
// kInvalidArgument for a rule or tenant that does not exist: a wish of nobody is one misspelt.
base::Result<Policies> read_policies(const base::Settings& settings, const TenantLookup& tenant);

}  // namespace meterhub::alarm
