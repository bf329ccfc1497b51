// Restoring a backup into an empty data directory (docs/backup.md).
#pragma once

#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/crypto/aead.h>

#include "bringing.h"
#include "data_directory.h"

namespace meterhub::app {

// Checks all of the backup and puts it into `data`, which is made, or holds nothing but master.key.
// Files that are never changed in place are linked where that is possible: the backup stays whole.
// kNotFound or kCorrupt: no finished backup, or altered; kForbidden: another master key;
// kAlreadyExists: `data` holds something. On an error nothing is left in it.
base::Result<BackupFacts> restore(const std::string& from, const std::string& data, const crypto::Key256& key, BringProgress& progress);

// kPrecondition when a restore that was killed has left the directory half full.
base::Result<void> check_restored(const base::Disk& disk, const DataPaths& paths);

}  // namespace meterhub::app
