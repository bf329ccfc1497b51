// What a backup takes from a running platform.
#include <algorithm>
#include <iterator>

#include <meterhub/base/logging.h>
#include <meterhub/registry/master_key.h>

#include "backup.h"
#include "job_set.h"
#include "platform.h"
#include "standstill.h"

namespace meterhub::app {
namespace {

// A write to the lake or to a database may be under way on a busy disk.
constexpr std::chrono::seconds kStandstillPatience{30};

}  // namespace

// Archive, jobs and the registry's owner write to the log and to a store of their own, and each is
// built to be stopped between the two by a crash. They stand still here, so that the databases and
// the lake belong to the log's checkpoint as they would after a crash. Hub, connector and
// deduplication write to the log alone, whose checkpoint is atomic: they go on.
base::Result<BackupMoment> Platform::backup_moment(const std::string& store) {
  // First without the others: an hour that is being closed may take seconds to come to a step's end.
  if (history_ != nullptr) run_on(*history_thread_, [this] { history_->hold_files(); });
  const auto begun = clock_.monotonic();
  // While their control stands still no job comes or goes.
  Standstill control({jobs_thread_});
  if (!control.reached(kStandstillPatience))
    return base::fail(base::Errc::kTimeout, "jobs are being changed; try again");
  auto writers = writers_beside_log_;
  if (job_set_ != nullptr) std::ranges::copy(job_set_->executors(), std::back_inserter(writers));
  Standstill standstill(writers);
  if (!standstill.reached(kStandstillPatience)) {
    return base::fail(base::Errc::kTimeout,
                      "the roles did not come to a stop for the backup; is the disk busy? try again");
  }
  BackupMoment out;
  out.taken = clock_.now();
  // The archive's thread stands still: its state may be read from here.
  if (history_ != nullptr) {
    out.lake = history_->hold_files();
  } else {
    out.lake = MH_TRY(lake::Manifest::load(disk_, paths_.lake()));
  }
  out.registry = MH_TRY(db::Snapshot::take(paths_.registry()));
  out.database = MH_TRY(db::Snapshot::take(paths_.database()));
  MH_TRY_VOID(checkpoint_logs(*log_, store));
  if (runs("stream")) out.blobs = MH_TRY(blob_files(*log_, *store_));
  const auto stood = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.monotonic() - begun);
  base::logging::info("backup_moment", {{"stood_ms", stood.count()}});
  return out;
}

std::unique_ptr<Backups> Platform::make_backups() {
  BackupWorld world;
  world.paths = paths_;
  world.master_key = [this] { return registry::load_master_key(master_key_file()); };
  world.take = [this](const std::string& store) { return backup_moment(store); };
  world.release = [this] {
    if (history_ != nullptr) run_on(*history_thread_, [this] { history_->release_files(); });
  };
  return std::make_unique<Backups>(std::move(world));
}

std::string Platform::master_key_file() const {
  const auto& set = settings_.text("registry.master_key_file");
  return set.empty() ? paths_.master_key() : set;
}

}  // namespace meterhub::app
