// docs/reference/config.md from the table of settings.
#include "settings_table.h"

#include <fmt/format.h>

namespace meterhub::app {
namespace {

std::string_view kind_name(base::SettingKind kind) {
  switch (kind) {
    case base::SettingKind::kBool: return "true or false";
    case base::SettingKind::kInt: return "number";
    case base::SettingKind::kText: return "text";
    case base::SettingKind::kDuration: return "duration";
    case base::SettingKind::kBytes: return "size";
    case base::SettingKind::kList: return "list";
    case base::SettingKind::kDecimal: return "decimal number";
  }
  return "";
}

std::string shown_default(const base::Setting& setting) {
  if (setting.initial.empty()) return setting.kind == base::SettingKind::kList ? "`[]`" : "empty";
  return fmt::format("`{}`", setting.initial);
}

std::string section_of(const base::Setting& setting) { return setting.name.substr(0, setting.name.find('.')); }

}  // namespace

std::string config_reference(const base::SettingsTable& table) {
  std::string out =
      "# Settings\n\n"
      "One TOML file, given with `--config`; every setting may also come from the environment\n"
      "(`hub.amqps_listen` as `MH_HUB_AMQPS_LISTEN`), which wins over the file; flags win over both.\n"
      "Unknown keys are errors. Durations are written as `500ms`, `30s`, `5m`, `24h`, `7d`, sizes as\n"
      "`512B`, `64KiB`, `30GB`. `meterhub config print` shows what is in force, `meterhub config check`\n"
      "checks a file. This page is made by `meterhub config reference`.\n";
  for (const auto& [section, sentence] : table.sections()) {
    out += fmt::format("\n## {}\n\n{}\n\n| setting | what it does | kind | default |\n|---|---|---|---|\n", section, sentence);
    for (const auto& setting : table.all()) {
      if (section_of(setting) != section) continue;
      out += fmt::format("| `{}` | {} | {} | {} |\n", setting.name, setting.sentence, kind_name(setting.kind), shown_default(setting));
    }
  }
  return out;
}

}  // namespace meterhub::app
