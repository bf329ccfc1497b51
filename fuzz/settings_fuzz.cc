// A settings file that somebody wrote, and values of every kind.
#include <meterhub/base/settings.h>

#include "input.h"

namespace meterhub::base {
namespace {

using fuzz::require;

SettingsTable table() {
  SettingsTable out;
  out.section("hub", "The device side.");
  out.add({"hub.port", "Port.", SettingKind::kInt, "5671", int_between(0, 65'535)});
  out.add({"hub.plain", "Without TLS.", SettingKind::kBool, "false"});
  out.add({"hub.networks", "Who may send.", SettingKind::kList, "10.0.0.0/8,192.168.0.0/16"});
  out.section("log", "Where packets are kept.");
  out.add({"log.retention", "How long.", SettingKind::kDuration, "24h"});
  out.add({"log.quota", "How much.", SettingKind::kBytes, "30GB"});
  out.add({"log.engine", "Which.", SettingKind::kText, "embedded"});
  return out;
}

void read_values(std::string_view text) {
  for (const auto kind : {SettingKind::kBool, SettingKind::kInt, SettingKind::kText, SettingKind::kList}) {
    static_cast<void>(parse_setting(kind, text));
  }
  if (const auto duration = parse_duration(text)) require(parse_duration(duration_text(*duration)) == *duration);
  if (const auto size = parse_byte_size(text)) require(parse_byte_size(byte_size_text(*size)) == *size);
}

// What is in force, printed and read again, is what is in force.
void read_file(std::string_view text) {
  static const SettingsTable declared = table();
  const auto load = [](std::string_view content) {
    const fuzz::MemoryFile file(content);
    return Settings::load(declared, {.file = file.path(), .environment = {}, .flags = {}});
  };
  const auto settings = load(text);
  if (!settings) return require(!settings.error().text.empty());
  const auto printed = settings_file(declared, &*settings);
  const auto again = load(printed);
  require(again.has_value());
  require(settings_file(declared, &*again) == printed);
  require(again->text("log.engine") == settings->text("log.engine"));
  require(again->list("hub.networks") == settings->list("hub.networks"));
}

}  // namespace
}  // namespace meterhub::base

MH_FUZZER(settings, input) {
  meterhub::base::read_values(input.text());
  meterhub::base::read_file(input.text());
}
