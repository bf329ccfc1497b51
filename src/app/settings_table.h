// All settings of the program: what each module declares, in one table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/settings.h>

namespace meterhub::app {

// What platform.roles may name.
const std::vector<std::string>& known_roles();

base::SettingsTable settings_table();

// docs/reference/config.md.
std::string config_reference(const base::SettingsTable& table);

// File, environment and flags of this process.
base::SettingSources settings_sources(std::optional<std::string> file);

}  // namespace meterhub::app
