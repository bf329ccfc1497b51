// All settings of the program: what each module declares, in one table.
#pragma once

#include <optional>
#include <string>

#include <meterhub/base/settings.h>

namespace meterhub::app {

// Modules with settings offer `void declare_settings(base::SettingsTable&)` and have a line here.
base::SettingsTable settings_table();

// File, environment and flags of this process.
base::SettingSources settings_sources(std::optional<std::string> file);

}  // namespace meterhub::app
