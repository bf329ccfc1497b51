// meterhub serve: the platform, until a signal ends it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include <meterhub/base/logging.h>

#include "commands.h"
#include "ns_process.h"
#include "platform.h"
#include "program.h"
#include "service_manager.h"
#include "settings_table.h"
#include "signals.h"

namespace meterhub::app {
namespace {

struct ServeArguments {
  std::string config, data, roles;

  base::SettingSources sources() const {
    auto out = settings_sources(config.empty() ? std::nullopt : std::optional(config));
    if (!data.empty()) out.flags["platform.data"] = data;
    if (!roles.empty()) out.flags["platform.roles"] = roles;
    return out;
  }
};

bool is_ns_alone(const base::Settings& settings) { return settings.list("platform.roles") == std::vector<std::string>{"ns"}; }

void allow_connections(const base::Settings& settings) {
  constexpr std::uint64_t kOthers = 1'000;  // files of the logs and the lake, other sockets
  const auto descriptors = raise_descriptor_limit();
  const auto wanted = static_cast<std::uint64_t>(settings.integer("hub.connections_max")) + kOthers;
  if (descriptors < wanted) base::logging::info("few_descriptors", {{"have", descriptors}, {"hub_connections_max", wanted - kOthers}});
}

constexpr std::chrono::minutes kStatusEvery{1};

std::string status_of(const Platform& platform) {
  base::Duration behind{0};
  std::string slowest;
  for (const auto& stage : platform.lags()) {
    if (stage.backlog.age <= behind) continue;
    behind = stage.backlog.age;
    slowest = stage.name;
  }
  const auto at = platform.amqps_address();
  return fmt::format("{}{:.1f} s behind{}{}", at ? "gateways at " + at->text() + ", " : "", std::chrono::duration<double>(behind).count(),
                     slowest.empty() ? "" : ": ", slowest);
}

base::Result<int> serve_ns(const base::Settings& settings, StopSignals& signals, const ServiceManager& manager) {
  const auto process = MH_TRY(NsProcess::start(settings));
  base::logging::info("ns_listens", {{"udp", process->address().text()}});
  manager.ready("network server at " + process->address().text());
  while (!signals.wait(kStatusEvery)) {}
  manager.stopping();
  signals.let_next_end_the_process();
  return 0;
}

base::Result<int> serve(const ServeArguments& arguments) {
  const auto settings = MH_TRY(base::Settings::load(settings_table(), arguments.sources()));
  configure_logging(settings);
  allow_connections(settings);
  const auto signals = MH_TRY(StopSignals::create());
  const ServiceManager manager;
  if (is_ns_alone(settings)) return serve_ns(settings, *signals, manager);
  if (std::ranges::find(settings.list("platform.roles"), "ns") != settings.list("platform.roles").end()) {
    return base::fail(base::Errc::kInvalidArgument, "the role ns is a process of its own; ns.transport = \"embedded\" is the same code here");
  }
  PlatformHooks hooks;
  hooks.fatal = end_with_error;
  const auto platform = MH_TRY(Platform::start(settings, std::move(hooks)));
  if (const auto at = platform->feed_address()) base::logging::info("session_feed_listens", {{"address", at->text()}});
  if (!platform->page_url().empty()) std::fprintf(stderr, "page: %s\n", platform->page_url().c_str());
  manager.ready(status_of(*platform));
  while (!signals->wait(kStatusEvery)) manager.status(status_of(*platform));
  manager.stopping();
  signals->let_next_end_the_process();
  return platform->drain() ? 0 : 1;
}

}  // namespace

void add_serve(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<ServeArguments>();
  auto* serve_command = program.add_subcommand("serve", "Runs the platform until SIGTERM or Ctrl-C");
  serve_command->add_option("--config", arguments->config, "Settings file (TOML)");
  serve_command->add_option("--data", arguments->data, "Data directory, instead of platform.data");
  serve_command->add_option("--roles", arguments->roles, "Roles that this process runs, as hub,connector; all when not given");
  serve_command->callback([arguments, &exit] { exit.code = report(serve(*arguments)); });
}

}  // namespace meterhub::app
