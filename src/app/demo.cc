#include "demo.h"

#include <cstring>
#include <filesystem>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include <meterhub/base/encoding.h>

#include "program.h"
#include "settings_table.h"

namespace meterhub::app {
namespace {

constexpr std::chrono::seconds kGatewaysPatience{15};
constexpr std::chrono::seconds kSettlePatience{60};
constexpr std::chrono::milliseconds kLook{50};

// "amqps" or "console" with the port of an earlier start, so that what a reader copied from the
// terminal stays right.
std::string ports_file(const DataPaths& paths, std::string_view name) {
  return base::join_path(paths.root, std::string("port.") + std::string(name));
}

bool port_is_free(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  ::close(fd);
  return free;
}

// "127.0.0.1:port"; port 0 lets the system choose a free one.
std::string loopback_at(const base::Disk& disk, const DataPaths& paths, std::string_view name) {
  const auto text = disk.read(ports_file(paths, name));
  const auto stored = text ? base::parse_setting(base::SettingKind::kInt, *text) : base::fail(base::Errc::kNotFound, "");
  const auto port = stored ? static_cast<std::uint16_t>(std::get<std::int64_t>(*stored)) : std::uint16_t{0};
  return net::Address::loopback(port != 0 && port_is_free(port) ? port : std::uint16_t{0}).text();
}

void wait_until_passed(Platform& platform) {
  const auto end = platform.clock().monotonic() + kSettlePatience;
  while (!platform.settled_all() && platform.clock().monotonic() < end) std::this_thread::sleep_for(kLook);
}

}  // namespace

base::Result<base::Settings> demo_settings(const DemoOptions& options) {
  const base::PosixDisk disk;
  const DataPaths paths{options.data};
  auto sources = settings_sources(std::nullopt);
  const auto unless_set = [&](const std::string& variable, const std::string& name, std::string value) {
    if (!sources.environment.contains(variable)) sources.flags[name] = std::move(value);
  };
  sources.flags["platform.data"] = options.data;
  sources.flags["hub.amqps_listen"] = loopback_at(disk, paths, "amqps");
  sources.flags["console.listen"] = loopback_at(disk, paths, "console");
  unless_set("MH_HISTORY_FLUSH_AFTER", "history.flush_after", "2s");
  unless_set("MH_PLATFORM_LOG_LEVEL", "platform.log_level", "warn");
  return base::Settings::load(settings_table(), sources);
}

base::Result<std::unique_ptr<Demo>> Demo::start(const base::Settings& settings, const DemoOptions& options) {
  std::unique_ptr<Demo> demo(new Demo(DataPaths{options.data}));
  MH_TRY_VOID(demo->disk_.make_directories(options.data));
  std::error_code ignored;  // the truth of the town holds its keys
  std::filesystem::permissions(options.data, std::filesystem::perms::owner_all, ignored);
  auto town = MH_TRY(demo_town(demo->disk_, demo->paths_, options.town));
  PlatformHooks hooks;
  hooks.fatal = end_with_error;
  hooks.prepare = [&](registry::Store& store) { return enrol(town, options.town, store, demo->disk_, demo->paths_); };
  hooks.join_answered = [listening = demo->listening_](const log::Properties&, const registry::JoinResult& result) {
    if (auto* hearer = listening->load()) hearer->hear(result);
  };
  demo->platform_ = MH_TRY(Platform::start(settings, std::move(hooks)));
  demo->remember_ports();
  MH_TRY_VOID(demo->start_town(std::move(town), options.town));
  return demo;
}

base::Result<void> Demo::start_town(sim::Town town, const TownPlan& plan) {
  sim::DriverOptions how;
  how.hub = *platform_->amqps_address();
  how.host = "localhost";
  how.tls = MH_TRY(net::TlsContext::client({platform_->tls().authority_pem, {}, {}}));
  town_ = MH_TRY(TownAtWork::start(std::move(town), plan, disk_, paths_, std::move(how)));
  listening_->store(town_.get());
  return {};
}

void Demo::remember_ports() {
  const auto keep = [&](std::string_view name, const std::optional<net::Address>& at) {
    if (at) (void)disk_.write(ports_file(paths_, name), std::to_string(at->port));  // a convenience only
  };
  keep("amqps", platform_->amqps_address());
  keep("console", platform_->page_address());
}

Demo::~Demo() {
  listening_->store(nullptr);
  platform_.reset();  // hears of joins until it is gone
  town_.reset();
}

std::string Demo::host() const { return fmt::format("localhost:{}", platform_->amqps_address()->port); }

base::Result<std::string> Demo::reader_connection() const {
  const auto gateway = MH_TRY(platform_->registry().gateway(kReaderGateway));
  return fmt::format("HostName={};DeviceId={};SharedAccessKey={}", host(), gateway.id,
                     base::base64_encode(gateway.keys.primary));
}

bool Demo::finish() {
  town_->stop(kGatewaysPatience);
  wait_until_passed(*platform_);
  const bool passed = platform_->settled_all();
  return platform_->drain() && passed;
}

}  // namespace meterhub::app
