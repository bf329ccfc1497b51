// The platform in one process: from settings to running roles, and back to a clean stop.
//
// Start goes against the way of a packet, so that whoever writes finds a reader: console, archive,
// jobs, deduplication, connector, hub. The drain goes with it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/settings.h>
#include <meterhub/connector/transport.h>
#include <meterhub/console/console.h>
#include <meterhub/decrypt/cipher_plugins.h>
#include <meterhub/decrypt/session_table.h>
#include <meterhub/history/history.h>
#include <meterhub/hub/hub.h>
#include <meterhub/log/log.h>
#include <meterhub/notify/notifier.h>
#include <meterhub/office/office.h>
#include <meterhub/registry/directory.h>
#include <meterhub/registry/follower.h>
#include <meterhub/registry/joins.h>
#include <meterhub/registry/session_feed.h>
#include <meterhub/registry/store.h>
#include <meterhub/rules/thresholds.h>
#include <meterhub/tables/database.h>

#include "data_directory.h"
#include "gateway_lookup.h"
#include "logs.h"
#include "part.h"
#include "policy_lookup.h"
#include "session_sink.h"
#include "threads.h"
#include "tls_files.h"

namespace meterhub::stream {
struct JobWorld;
}

namespace meterhub::app {

class Backups;
struct BackupMoment;
class JobApi;
class JobSet;
class JobThreads;

// What the program around a platform wants to hear.
struct PlatformHooks {
  // Before any role starts: the demo fills the registry here.
  std::function<base::Result<void>(registry::Store&)> prepare;
  // A join was accepted; on the registry's thread.
  registry::JoinRunner::Answer join_answered;
  // Once, on any thread: what was settled may not be durable, the process must end.
  std::function<void(base::Error)> fatal;
};

// One stage that reads a log, and how far behind it is.
struct StageLag {
  std::string name;
  Backlog backlog;
};

// start(), drain() and the destructor: one thread. The rest: any thread.
class Platform {
 public:
  static base::Result<std::unique_ptr<Platform>> start(const base::Settings& settings, PlatformHooks hooks);
  ~Platform();
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;

  // Stops taking and lets what is under way reach the lake and the database. False when a
  // part did not end in time; the next start then does its work again.
  bool drain();

  const DataPaths& paths() const { return paths_; }
  const TlsFiles& tls() const { return tls_; }
  // Where gateways connect with TLS; nothing when this process has no hub.
  std::optional<net::Address> amqps_address() const { return amqps_address_; }
  // The page: its address for people, which holds the key, and where it listens. Empty without one.
  const std::string& page_url() const { return page_url_; }
  std::optional<net::Address> page_address() const { return page_address_; }
  // The same and the device registry over TLS; nothing when console.https_listen is empty.
  std::optional<net::Address> https_address() const { return https_address_; }
  // Where NS processes get their sessions; nothing when ns.feed_listen is empty.
  std::optional<net::Address> feed_address() const { return feed_address_; }
  log::Log& log() { return *log_; }
  registry::Store& registry() { return *store_; }
  const registry::Directory& directory() const { return directory_; }
  tables::Database& database() { return *database_; }
  base::Metrics& metrics() { return metrics_; }
  const base::Clock& clock() const { return clock_; }
  base::Timestamp started() const { return started_; }

  // Stages that must have done everything before what was settled counts as stored.
  std::vector<StageLag> lags() const;
  // True when every stage has read all there is.
  bool settled_all() const;

 private:
  Platform(const base::Settings& settings, PlatformHooks hooks, DirectoryLock lock);

  base::Result<void> open_stores();
  base::Result<void> start_registry();
  base::Result<void> start_roles();
  base::Result<void> start_history();
  base::Result<void> start_rollup();
  base::Result<void> start_jobs();
  void start_job_set(const stream::JobWorld& world);
  base::Result<void> start_pack(JobApi& api);
  base::Result<void> start_deduplication(unsigned instance);
  base::Result<void> start_connector(unsigned instance);
  base::Result<void> start_joins();
  base::Result<std::shared_ptr<connector::Transport>> new_transport(base::Executor& thread);
  base::Result<void> start_feed();
  base::Result<void> start_hub();
  base::Result<void> start_console();
  base::Result<void> start_operator();
  base::Result<void> start_usage();
  base::Result<void> start_devices();
  base::Result<void> start_notify_commands();
  std::unique_ptr<Backups> make_backups();
  base::Result<BackupMoment> backup_moment(const std::string& store);
  base::Result<console::ConsoleOptions> console_options();
  base::Result<std::unique_ptr<office::Office>> make_office(base::Executor& loop);
  base::Result<void> start_notifier();
  void episodes_changed(const alarm::Changes& changes);
  // On the office's writer.
  base::Result<void> put_notices(db::Connection& connection, const alarm::Changes& changes);

  bool runs(std::string_view role) const;
  std::string master_key_file() const;
  base::ThreadExecutor& new_thread(const std::string& name);
  void fail(base::Error error);
  void end_registry();

  const base::Settings& settings_;
  const rules::Rules rules_{settings_};
  PlatformHooks hooks_;
  DirectoryLock lock_;  // given back last
  DataPaths paths_;
  base::PosixDisk disk_;
  base::SystemClock clock_;
  const base::Timestamp started_ = clock_.now();
  base::Metrics metrics_;
  std::once_flag failed_;

  // Threads outlive all that runs on them: members below go first. Loops outlive threads,
  // whose last work, as a query of the lake, may still have a loop to answer to.
  std::vector<std::unique_ptr<LoopThread>> loops_;
  std::vector<std::unique_ptr<base::ThreadExecutor>> threads_;
  std::unique_ptr<JobThreads> job_threads_;  // as threads_

  TlsFiles tls_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<registry::Store> store_;
  std::unique_ptr<tables::Database> database_;

  registry::Directory directory_;
  GatewayLookup gateways_{directory_};
  PolicyLookup policies_{directory_};
  hub::PresenceBoard presence_;
  decrypt::SessionTable sessions_;
  SessionSink session_sink_{sessions_};
  std::unique_ptr<decrypt::CipherPlugins> plugins_;
  base::Executor* registry_thread_ = nullptr;
  // On the registry's thread.
  std::unique_ptr<registry::Follower> follower_;
  std::unique_ptr<registry::SessionFeed> feed_;
  std::unique_ptr<registry::Subscription> session_subscription_;

  std::unique_ptr<Backups> backups_;  // stopped before the parts it asks, gone after the server that asks it
  std::vector<base::Executor*> writers_beside_log_;  // threads that also write elsewhere: see backup_moment()
  std::unique_ptr<notify::Carrier> carrier_;
  notify::Notifier* notifier_ = nullptr;
  console::Console::Publish publish_;
  std::vector<std::unique_ptr<Part>> parts_;  // drained from the last to the first
  std::unique_ptr<Part> hub_part_;            // until the others have started
  // Parts that others ask; they live as long as their part.
  console::Console* console_ = nullptr;
  office::Office* office_ = nullptr;
  net::EventLoop* console_loop_ = nullptr;
  net::EventLoop* hub_loop_ = nullptr;
  hub::Hub::Door hub_door_;
  history::History* history_ = nullptr;
  base::Executor* history_thread_ = nullptr;
  base::Executor* jobs_thread_ = nullptr;
  JobSet* job_set_ = nullptr;  // null: the role stream does not run here
  std::optional<net::Address> amqps_address_;
  std::optional<net::Address> feed_address_;
  std::string page_url_;
  std::optional<net::Address> page_address_;
  std::optional<net::Address> https_address_;
};

}  // namespace meterhub::app
