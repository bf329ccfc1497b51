#include "settings_table.h"

namespace meterhub::app {
namespace {

void declare_platform(base::SettingsTable& table) {
  using base::SettingKind;
  table.section("platform", "The process as a whole.");
  table.add({"platform.data", "Directory that holds everything: logs, registry, database, lake, certificates.",
             SettingKind::kText, "meterhub-data"});
  table.add({"platform.roles", "Roles that this process runs; empty means all.", SettingKind::kList, ""});
  table.add({"platform.log_level", "Lowest level of events that are logged: debug, info, warn or error.",
             SettingKind::kText, "info", base::one_of({"debug", "info", "warn", "error"})});
  table.add({"platform.log_format", "How events are written to stderr: text or json.", SettingKind::kText, "text",
             base::one_of({"text", "json"})});
}

}  // namespace

base::SettingsTable settings_table() {
  base::SettingsTable table;
  declare_platform(table);
  return table;
}

base::SettingSources settings_sources(std::optional<std::string> file) {
  return {std::move(file), base::settings_environment(), {}};
}

}  // namespace meterhub::app
