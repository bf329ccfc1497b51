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

// Nothing for a section without scopes.
std::string scopes_text(const std::string& section, const std::vector<std::string>& scopes) {
  if (scopes.empty()) return {};
  std::string out = "\nEach of them may be given for some only, in a table of the file, where a later form in this list wins over an\nearlier one:\n";
  std::string all = section;
  for (const auto& scope : scopes) {
    out += fmt::format("- `[{}.{}.\"NAME\"]`\n", section, scope);
    all += fmt::format(".{}.\"NAME\"", scope);
  }
  return out + (scopes.size() > 1 ? fmt::format("- `[{}]`\n", all) : "");
}

// Nothing for a section without named tables.
std::string names_text(const std::string& section, const base::SettingsTable::Names* names) {
  if (names == nullptr) return {};
  return fmt::format("\nEach table `[{}.NAME]` of the file, at most {}, makes one; the section's own values hold for what a table leaves out.\n",
                     section, names->most);
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
    out += fmt::format("\n## {}\n\n{}\n{}\n| setting | what it does | kind | default |\n|---|---|---|---|\n", section, sentence, scopes_text(section, table.scopes_of(section)) + names_text(section, table.names_of(section)));
    for (const auto& setting : table.all()) {
      if (section_of(setting) != section) continue;
      out += fmt::format("| `{}` | {} | {} | {} |\n", setting.name, setting.sentence, kind_name(setting.kind), shown_default(setting));
    }
  }
  return out;
}

}  // namespace meterhub::app
