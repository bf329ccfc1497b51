// Event hubs that the settings declare ([event_hubs.NAME]): each is a log of its own, by its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/settings.h>
#include <meterhub/log/log.h>

namespace meterhub::app {

// So many may be declared: each is a log, with memory and files of its own.
inline constexpr std::size_t kEventHubsMax = 16;

// Why an event hub cannot have this name; empty = it can. 1 to 64 of a-z, 0-9, '.', '-' and '_', a letter or digit
// at both ends; not a log of the platform or of a job, nor the first word of another address.
std::string check_event_hub_name(std::string_view name);

void declare_event_hubs(base::SettingsTable& table);

// Their logs, in order of name. `quota`: of all logs, bytes; those without a quota of their own share a twentieth of it.
std::vector<log::TopicSpec> event_hub_logs(const base::Settings& settings, std::uint64_t quota);

// Events a second of all senders together; 0 = no limit.
double event_hub_rate(const base::Settings& settings, const std::string& name);

}  // namespace meterhub::app
