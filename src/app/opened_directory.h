// The stores of a data directory that no process runs on, opened for one command.
#pragma once

#include <memory>
#include <string>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/http/message.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>
#include <meterhub/registry/store.h>
#include <meterhub/tables/database.h>

#include "backup.h"
#include "data_directory.h"
#include "operator_api.h"

namespace meterhub::app {

// One thread.
class OpenedDirectory {
 public:
  // Takes the directory's lock. kNotFound when no platform ever ran in it.
  static base::Result<std::unique_ptr<OpenedDirectory>> open(const std::string& data);
  ~OpenedDirectory();
  OpenedDirectory(const OpenedDirectory&) = delete;
  OpenedDirectory& operator=(const OpenedDirectory&) = delete;

  // As the control socket would; also GET /api/v1/status and /api/v1/alerts, with what can be
  // known of a platform that does not run, and what there is to ask of jobs and messages.
  base::Result<http::Response> answer(const http::Request& request);

  // For a backup of the directory as it lies here; goes before this object.
  BackupWorld backup_world();

 private:
  OpenedDirectory(DataPaths paths, DirectoryLock lock) : paths_(std::move(paths)), lock_(std::move(lock)) {}
  base::Result<void> open_stores();
  base::Result<std::string> answer_operator(const http::Request& request);
  base::Result<http::Response> answer_jobs(const http::Request& request);
  base::Result<http::Response> answer_notify(const http::Request& request);
  base::Result<std::string> status_json() const;
  base::Result<BackupMoment> backup_moment(const std::string& store);

  DataPaths paths_;
  std::string master_key_file_;
  DirectoryLock lock_;  // given back last
  base::PosixDisk disk_;
  base::SystemClock clock_;
  base::Metrics metrics_;
  base::ThreadExecutor writer_{"log"};
  base::ThreadExecutor thread_{"operator"};
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<OperatorApi> api_;  // on thread_
};

}  // namespace meterhub::app
