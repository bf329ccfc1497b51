#include "platform.h"

#include <algorithm>
#include <ranges>

#include <meterhub/base/logging.h>
#include <meterhub/registry/master_key.h>

#include "backup.h"
#include "job_set.h"
#include "restore.h"

namespace meterhub::app {
namespace {

constexpr std::chrono::seconds kFirstSessionsPatience{60};

struct ReadBy {
  std::string_view role;
  std::string_view group;
  std::string_view topic;
};
constexpr ReadBy kStages[] = {
    {"connector", log::groups::kConnector, log::topics::kTelemetry},
    {"connector", log::groups::kConnector, log::topics::kRetry},
    {"hub", log::groups::kJoins, log::topics::kJoins},
    {"stream", log::groups::kDeduplication, log::topics::kDecoded},
    {"history", log::groups::kArchive, log::topics::kReadings},
};

}  // namespace

Platform::Platform(const base::Settings& settings, PlatformHooks hooks, DirectoryLock lock)
    : settings_(settings),
      hooks_(std::move(hooks)),
      lock_(std::move(lock)),
      paths_{settings.text("platform.data")},
      job_threads_(std::make_unique<JobThreads>()) {}

base::Result<std::unique_ptr<Platform>> Platform::start(const base::Settings& settings, PlatformHooks hooks) {
  base::PosixDisk disk;
  auto lock = MH_TRY(DirectoryLock::take(disk, DataPaths{settings.text("platform.data")}));
  std::unique_ptr<Platform> platform(new Platform(settings, std::move(hooks), std::move(lock)));
  MH_TRY_VOID(platform->open_stores());
  MH_TRY_VOID(platform->start_registry());
  MH_TRY_VOID(platform->start_roles());
  base::logging::info("platform_started", {{"data", platform->paths_.root}, {"parts", platform->parts_.size()}});
  return platform;
}

Platform::~Platform() {
  if (backups_) backups_->stop();
  hub_part_.reset();
  while (!parts_.empty()) parts_.pop_back();
  end_registry();
}

base::Result<void> Platform::open_stores() {
  MH_TRY_VOID(check_restored(disk_, paths_));
  remove_backup_leftovers(paths_);
  tls_ = MH_TRY(load_or_make_tls(disk_, clock_, paths_.tls(), settings_.list("hub.host_names")));
  if (!settings_.text("hub.certificate_file").empty()) {
    tls_.server = MH_TRY(read_identity(disk_, settings_.text("hub.certificate_file"), settings_.text("hub.key_file")));
  }
  registry::Store::Options store;
  store.file = paths_.registry();
  store.master_key = MH_TRY(registry::master_key_of(paths_.registry(), master_key_file()));
  store_ = MH_TRY(registry::Store::open(store, clock_));
  database_ = MH_TRY(tables::Database::open(paths_.database(), clock_));
  log_ = MH_TRY(open_logs(settings_, paths_, clock_, new_thread("log"), metrics_,
                          [this](base::Error error) { fail(std::move(error)); }));
  return {};
}

base::Result<void> Platform::start_registry() {
  if (hooks_.prepare) MH_TRY_VOID(hooks_.prepare(*store_));
  registry_thread_ = &new_thread("registry");
  writers_beside_log_.push_back(registry_thread_);
  auto started = ask<base::Result<void>>(*registry_thread_, [this]() -> base::Result<void> {
    follower_ = std::make_unique<registry::Follower>(*store_, directory_, *registry_thread_, metrics_,
                                                     settings_.duration("registry.follow_interval"));
    // Gateways need not wait for a million meters: what they send waits in the log.
    MH_TRY_VOID(follower_->start([this] { return runs("hub") ? start_hub() : base::Result<void>(); }));
    feed_ = std::make_unique<registry::SessionFeed>(*store_, *registry_thread_);
    session_subscription_ = feed_->subscribe(session_sink_, *registry_thread_);
    return {};
  });
  MH_TRY_VOID(std::move(started));
  if (!session_sink_.wait_until_complete(kFirstSessionsPatience)) {
    return base::fail(base::Errc::kTimeout, "the registry did not give its sessions in time");
  }
  return {};
}

void Platform::end_registry() {
  if (registry_thread_ == nullptr) return;
  run_on(*registry_thread_, [this] {
    session_subscription_.reset();
    feed_.reset();
    follower_.reset();
  });
}

bool Platform::drain() {
  if (backups_) backups_->stop();
  bool whole = true;
  for (auto& part : parts_ | std::views::reverse) {
    if (part->drain(settings_.duration("platform.drain_timeout"))) continue;
    base::logging::warn("part_not_drained", {{"part", part->name()}});
    whole = false;
  }
  base::logging::info("platform_drained", {{"whole", whole ? "yes" : "no"}});
  return whole;
}

std::vector<StageLag> Platform::lags() const {
  std::vector<StageLag> out;
  const auto now = clock_.now();
  const auto add = [&](std::string_view group, std::string_view topic, const Positions& positions) {
    const auto behind = backlog(*log_, group, topic, now, positions);
    if (!behind) return;  // the log is closing
    if (out.empty() || out.back().name != group) out.push_back({std::string(group), {}});
    auto& total = out.back().backlog;
    total.records += behind->records;
    total.age = std::max(total.age, behind->age);
  };
  for (const auto& stage : kStages) {
    const bool elsewhere = stage.topic == log::topics::kTelemetry && telemetry_reader(settings_) == TelemetryReader::kOutside;
    if (runs(stage.role) && !elsewhere) add(stage.group, stage.topic, {});
  }
  if (job_set_ != nullptr) {
    for (const auto& group : job_set_->groups()) add(group.group, group.log, group.positions());
  }
  return out;
}

bool Platform::settled_all() const {
  return std::ranges::all_of(lags(), [](const StageLag& stage) { return stage.backlog.records == 0; });
}

bool Platform::runs(std::string_view role) const {
  const auto& roles = settings_.list("platform.roles");
  return roles.empty() || std::ranges::find(roles, role) != roles.end();
}

base::ThreadExecutor& Platform::new_thread(const std::string& name) {
  threads_.push_back(std::make_unique<base::ThreadExecutor>(name));
  return *threads_.back();
}

void Platform::fail(base::Error error) {
  std::call_once(failed_, [&] {
    base::logging::error("platform_failed", {{"error", error.text}});
    if (hooks_.fatal) hooks_.fatal(std::move(error));
  });
}

}  // namespace meterhub::app
