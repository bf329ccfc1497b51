#include <cstdio>
#include <memory>

#include <meterhub/alarm/policy_settings.h>

#include "commands.h"
#include "settings_table.h"

namespace meterhub::app {
namespace {

std::optional<std::string> given(const std::string& file) { return file.empty() ? std::nullopt : std::optional(file); }

int print(const std::string& file) {
  const auto table = settings_table();
  const auto settings = base::Settings::load(table, settings_sources(given(file)));
  if (!settings) {
    std::fprintf(stderr, "%s\n", settings.error().text.c_str());
    return 1;
  }
  std::fputs(base::settings_file(table, &*settings).c_str(), stdout);
  return 0;
}

int check(const std::string& file) {
  const auto settings = base::Settings::load(settings_table(), settings_sources(given(file)));
  if (!settings) {
    std::fprintf(stderr, "%s\n", settings.error().text.c_str());
    return 1;
  }
  // Which tenants there are only a registry knows.
  const auto anybody = [](std::string_view) { return std::optional(base::TenantNumber(1)); };
  if (const auto alarms = alarm::read_policies(*settings, anybody); !alarms) {
    std::fprintf(stderr, "%s\n", alarms.error().text.c_str());
    return 1;
  }
  std::puts("settings are fine");
  return 0;
}

}  // namespace

void add_config(CLI::App& program, Exit& exit) {
  auto* config = program.add_subcommand("config", "Show or check the settings")->require_subcommand(1);
  const auto file = std::make_shared<std::string>();
  auto* print_command = config->add_subcommand("print", "Print all settings as a commented file");
  print_command->add_option("--config", *file, "Settings file (TOML)");
  print_command->callback([file, &exit] { exit.code = print(*file); });
  auto* check_command = config->add_subcommand("check", "Check a settings file and the environment");
  check_command->add_option("--config", *file, "Settings file (TOML)");
  check_command->callback([file, &exit] { exit.code = check(*file); });
  config->add_subcommand("reference", "Print docs/reference/config.md")->group("")->callback([] {
    std::fputs(config_reference(settings_table()).c_str(), stdout);
  });
}

}  // namespace meterhub::app
