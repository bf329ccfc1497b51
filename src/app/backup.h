// Backups of a platform, running or not: what `meterhub backup` starts (docs/backup.md).
//
// A backup is what a crash at one moment would have left on the disk, and nothing else: every role
// goes on from that without loss and without duplicates, which is tested for crashes anyway. So
// taking it needs one short moment at which nobody is between two stores (BackupWorld::take); the
// files are brought over afterwards, while all goes on.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/mutex.h>
#include <meterhub/base/result.h>
#include <meterhub/crypto/aead.h>
#include <meterhub/db/snapshot.h>
#include <meterhub/http/server.h>
#include <meterhub/lake/manifest.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/store.h>

#include "bringing.h"
#include "data_directory.h"

namespace meterhub::app {

// Files of a job's blob output, "part-PP-OFFSET.jsonl": below `next` of their partition they are
// never written again.
struct BlobFiles {
  std::string folder;              // below the data directory
  std::vector<base::Offset> next;  // by partition
};
// The offsets as the jobs have committed them.
base::Result<std::vector<BlobFiles>> blob_files(const log::Log& log, const registry::Store& registry);

// The platform at one moment.
struct BackupMoment {
  base::Timestamp taken{};
  lake::State lake;
  std::optional<db::Snapshot> registry;
  std::optional<db::Snapshot> database;
  std::vector<BlobFiles> blobs;
};

// What a backup is made of. Called on the backup's own thread.
struct BackupWorld {
  DataPaths paths;
  std::function<base::Result<crypto::Key256>()> master_key;
  // Takes the moment; the log's checkpoint goes to `store`, which does not exist yet. Until
  // release() the files of the moment's lake stay as they are.
  std::function<base::Result<BackupMoment>(const std::string& store)> take;
  std::function<void()> release;
};

// One at a time. Any thread.
class Backups {
 public:
  explicit Backups(BackupWorld world) : world_(std::move(world)) {}
  ~Backups() { stop(); }
  Backups(const Backups&) = delete;
  Backups& operator=(const Backups&) = delete;

  // Returns as soon as it has begun. kAlreadyExists: there is something at `to`, an absolute path;
  // kUnavailable: another one is under way.
  base::Result<void> start(const std::string& to);
  // {"state": none | running | done | failed, …} (docs/reference/http-api.md).
  std::string status_json() const;
  // Ends one that is under way; what it has written is removed.
  void cancel();
  // Cancels and waits for the end; nothing can be started afterwards.
  void stop();

 private:
  base::Result<void> run(const std::string& to, BringProgress& progress);
  void say(std::string phase);

  const BackupWorld world_;
  mutable base::Mutex mutex_;
  bool stopped_ MH_GUARDED_BY(mutex_) = false;
  bool running_ MH_GUARDED_BY(mutex_) = false;
  std::string to_ MH_GUARDED_BY(mutex_);
  std::string phase_ MH_GUARDED_BY(mutex_);
  std::optional<base::Result<void>> outcome_ MH_GUARDED_BY(mutex_);
  std::optional<BackupFacts> facts_ MH_GUARDED_BY(mutex_);
  std::shared_ptr<BringProgress> progress_ MH_GUARDED_BY(mutex_);
  std::thread thread_;  // start() and stop() only
};

// What a backup that was killed has left in the data directory: links that keep dropped files alive.
void remove_backup_leftovers(const DataPaths& paths);

// POST /api/v1/backup?to=DIR, GET /api/v1/backup, POST /api/v1/backup/cancel; on the control socket
// alone, as they write where they are told to. The server's loop thread.
void add_backup_routes(http::Server& server, Backups& backups);

}  // namespace meterhub::app
