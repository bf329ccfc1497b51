#include "opened_directory.h"

#include <algorithm>
#include <cstdlib>
#include <future>

#include <nlohmann/json.hpp>

#include <meterhub/base/time_text.h>
#include <meterhub/log/embedded.h>
#include <meterhub/registry/master_key.h>

#include "job_api.h"
#include "logs.h"
#include "notify_api.h"
#include "settings_table.h"
#include "threads.h"
#include "usage_api.h"

namespace meterhub::app {

using nlohmann::json;

base::Result<std::unique_ptr<OpenedDirectory>> OpenedDirectory::open(const std::string& data) {
  base::PosixDisk disk;
  const DataPaths paths{data};
  if (!MH_TRY(disk.exists(paths.store()))) {
    return base::fail(base::Errc::kNotFound, data + ": no platform has run in this directory");
  }
  auto lock = MH_TRY(DirectoryLock::take(disk, paths, Holding::kCommand));
  std::unique_ptr<OpenedDirectory> out(new OpenedDirectory(paths, std::move(lock)));
  MH_TRY_VOID(out->open_stores());
  return out;
}

base::Result<void> OpenedDirectory::open_stores() {
  const auto settings = MH_TRY(base::Settings::load(settings_table(), settings_sources(std::nullopt)));
  const auto& key_file = settings.text("registry.master_key_file");
  registry::Store::Options store;
  store.file = paths_.registry();
  master_key_file_ = key_file.empty() ? paths_.master_key() : key_file;
  store.master_key = MH_TRY(registry::master_key_of(paths_.registry(), master_key_file_));
  store_ = MH_TRY(registry::Store::open(store, clock_));
  MH_TRY_VOID(directory_.load(*store_));
  database_ = MH_TRY(tables::Database::open(paths_.database(), clock_));
  // Logs are as they were declared: this command says nothing about how they are kept.
  log::EmbeddedOptions options;
  options.directory = paths_.store();
  options.quota_bytes = settings.bytes("log.quota");
  log_ = MH_TRY(log::EmbeddedLog::open(std::move(options), clock_, writer_, metrics_));
  api_ = MH_TRY((ask<base::Result<std::unique_ptr<OperatorApi>>>(
      thread_, [this] { return OperatorApi::create({*log_, directory_, {}}, thread_); })));
  run_on(thread_, [] {});  // the letters' partitions are assigned by now
  return {};
}

OpenedDirectory::~OpenedDirectory() {
  if (!api_) return;
  wait_for_end(thread_, std::chrono::seconds(10), [this](base::Task done) { api_->drain(std::move(done)); });
  run_on(thread_, [this] { api_.reset(); });
}

base::Result<http::Response> OpenedDirectory::answer_jobs(const http::Request& request) {
  std::optional<http::Response> out;
  JobApi({*store_, paths_, clock_, {*log_, *database_, disk_, metrics_}}).answer(request, [&](http::Response response) {
    out = std::move(response);
  });
  if (out) return std::move(*out);
  return base::fail(base::Errc::kInternal, "no answer");
}

base::Result<http::Response> OpenedDirectory::answer_notify(const http::Request& request) {
  const auto settings = MH_TRY(base::Settings::load(settings_table(), settings_sources(std::nullopt)));
  const auto api = MH_TRY(NotifyApi::create(*store_, clock_, settings));
  // Shared: set_value() may still be returning when the answer is here.
  const auto answer = std::make_shared<std::promise<http::Response>>();
  auto given = answer->get_future();
  api->answer(request, [answer](http::Response response) { answer->set_value(std::move(response)); });
  return given.get();
}

base::Result<http::Response> OpenedDirectory::answer(const http::Request& request) {
  if (request.path.starts_with("/api/v1/jobs")) return answer_jobs(request);
  if (request.path.starts_with("/api/v1/notify/")) return answer_notify(request);
  if (request.path == "/api/v1/usage" || request.path == "/api/v1/peaks" || request.path.starts_with("/api/v1/meters/"))
    return UsageApi({directory_, disk_, clock_, paths_.lake(), paths_.database()}).answer(request);
  return http::Response::json(200, MH_TRY(request.path == "/api/v1/status" ? status_json() : answer_operator(request)));
}

base::Result<std::string> OpenedDirectory::answer_operator(const http::Request& request) {
  base::Result<std::string> out = base::fail(base::Errc::kTimeout, "no answer in time");
  const bool answered = wait_for_end(thread_, std::chrono::minutes(10), [&](base::Task done) {
    api_->answer(request, [&out, done = std::move(done)](base::Result<std::string> body) mutable {
      out = std::move(body);
      done();
    });
  });
  if (!answered) std::_Exit(1);  // what is under way still writes here
  return out;
}

BackupWorld OpenedDirectory::backup_world() {
  BackupWorld out;
  out.paths = paths_;
  out.master_key = [this] { return registry::load_master_key(master_key_file_); };
  out.take = [this](const std::string& store) { return backup_moment(store); };
  out.release = [] {};
  return out;
}

// Nobody else writes here: any moment is as good.
base::Result<BackupMoment> OpenedDirectory::backup_moment(const std::string& store) {
  const base::PosixDisk disk;
  BackupMoment out;
  out.taken = clock_.now();
  out.lake = MH_TRY(lake::Manifest::load(disk, paths_.lake()));
  out.registry = MH_TRY(db::Snapshot::take(paths_.registry()));
  out.database = MH_TRY(db::Snapshot::take(paths_.database()));
  MH_TRY_VOID(checkpoint_logs(*log_, store));
  out.blobs = MH_TRY(blob_files(*log_, *store_));
  return out;
}

base::Result<std::string> OpenedDirectory::status_json() const {
  const auto now = clock_.now();
  json stages = json::array();
  double oldest = 0;
  for (const auto& [group, topic] : {std::pair{log::groups::kConnector, log::topics::kTelemetry},
                                     std::pair{log::groups::kDeduplication, log::topics::kDecoded},
                                     std::pair{log::groups::kArchive, log::topics::kReadings}}) {
    const auto behind = MH_TRY(backlog(*log_, group, topic, now));
    const double age = std::chrono::duration<double>(behind.age).count();
    oldest = std::max(oldest, age);
    stages.push_back({{"name", group}, {"records", behind.records}, {"seconds", age}});
  }
  const json out{{"running", false},
                 {"time", base::rfc3339(now)},
                 {"lag", {{"seconds", oldest}, {"stages", stages}}},
                 {"meters", {{"total", directory_.meter_count()}}},
                 {"alerts", {{"total", MH_TRY(database_->count(tables::kAlertsTable))}}},
                 {"log", {{"fill", log_->fill()}}}};
  return out.dump();
}

}  // namespace meterhub::app
