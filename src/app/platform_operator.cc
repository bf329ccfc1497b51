// The commands' part of the control socket.
#include "audit_list.h"
#include "backup.h"
#include "device_api.h"
#include "notify_api.h"
#include "operator_api.h"
#include "platform.h"
#include "presence_keeper.h"
#include "usage_api.h"

namespace meterhub::app {

base::Result<void> Platform::start_operator() {
  OperatorWorld world{*log_, directory_, {}};
  if (history_ != nullptr) {
    world.compact = [history = history_,
                     thread = history_thread_](std::move_only_function<void(base::Result<void>)> done) {
      thread->post([history, done = std::move(done)]() mutable { history->compact(std::move(done)); });
    };
  }
  auto& thread = new_thread("operator");
  auto api = MH_TRY((ask<base::Result<std::unique_ptr<OperatorApi>>>(
      thread, [&] { return OperatorApi::create(std::move(world), thread); })));
  backups_ = make_backups();
  run_on(*console_loop_, [&] {
    add_routes(console_->server(), *api, thread);
    add_backup_routes(console_->server(), *backups_);
    console_->add_list("/api/v1/audit", audit_list_form(), audit_list(*store_), &thread);
  });
  parts_.push_back(std::make_unique<RolePart<OperatorApi, &OperatorApi::drain>>("operator", thread, std::move(api)));
  return {};
}

base::Result<void> Platform::start_usage() {
  auto& thread = new_thread("usage");
  auto api = std::make_unique<UsageApi>(UsageWorld{directory_, disk_, clock_, paths_.lake(), paths_.database()});
  run_on(*console_loop_, [&] { add_usage_routes(*console_, *api, thread); });
  parts_.push_back(std::make_unique<RolePart<UsageApi, &UsageApi::drain>>("usage", thread, std::move(api)));
  return {};
}

// The registry as IoT Hub's clients know it. It ends after the hub, whose last news it keeps.
base::Result<void> Platform::start_devices() {
  auto keeper = ask<std::unique_ptr<PresenceKeeper>>(
      *registry_thread_, [this] { return std::make_unique<PresenceKeeper>(*store_, presence_, *registry_thread_); });
  using KeeperPart = RolePart<PresenceKeeper, &PresenceKeeper::stop>;
  parts_.push_back(std::make_unique<KeeperPart>("presence", *registry_thread_, std::move(keeper)));
  DeviceApiOptions options;
  options.gate.host_names = settings_.list("hub.host_names");
  options.gate.rate = static_cast<double>(settings_.integer("registry.rest_rate"));
  options.gate.burst = static_cast<double>(settings_.integer("registry.rest_burst"));
  options.registry.tenant = settings_.text("registry.rest_tenant");
  const DeviceApiWorld world{*store_, directory_, presence_, clock_, metrics_, [this](base::Task then) {
                               registry_thread_->post([this, then = std::move(then)]() mutable {
                                 // What cannot be read now, the follower reads with its next look.
                                 (void)follower_->poll();
                                 then();
                               });
                             }};
  auto& thread = new_thread("devices");
  auto api = std::make_unique<DeviceApi>(world, options);
  run_on(*console_loop_, [&] { add_device_routes(console_->server(), *api, world, options, thread); });
  parts_.push_back(std::make_unique<RolePart<DeviceApi, &DeviceApi::drain>>("devices", thread, std::move(api)));
  return {};
}

// Channels and routes are the registry's: whoever sends looks there.
base::Result<void> Platform::start_notify_commands() {
  auto& thread = new_thread("notify-commands");
  auto api = MH_TRY(NotifyApi::create(*store_, clock_, settings_));
  run_on(*console_loop_, [&] { add_notify_routes(console_->server(), *api, thread); });
  parts_.push_back(std::make_unique<RolePart<NotifyApi, &NotifyApi::drain>>("notify-commands", thread, std::move(api)));
  return {};
}

}  // namespace meterhub::app
