// Files of an output, one a batch: written and synced in `staging/`, then named by the note that the batch's
// transaction commits, then renamed into place. Whoever is fenced has written nothing that counts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/disk.h>
#include <meterhub/log/log.h>

namespace meterhub::stream {

// One thread.
class StagedFiles {
 public:
  // `suffix` as ".jsonl": files are `<folder>/part-PP-<first offset><suffix>`.
  StagedFiles(base::Disk& disk, std::string folder, std::string suffix);

  // As JobOutputWriter's.
  base::Result<void> begin(const log::Assignment& assignment, const std::optional<std::string>& committed);
  void committed(const log::Assignment& assignment);

  // Of a batch: before anything of it is written. Also finishes the batch before, had that failed.
  base::Result<void> next(const log::Assignment& assignment);
  // Where its file is to be written.
  std::string path(const log::Assignment& assignment, base::Offset from) const;
  // It is written: makes it durable. Its note.
  base::Result<std::string> written(const log::Assignment& assignment, base::Offset from);

 private:
  std::string staged_name(const log::Assignment& assignment, base::Offset from) const;
  base::Result<void> put_in_place(std::uint32_t part);
  base::Result<void> remove_what_older_owners_left(const log::Assignment& assignment);

  base::Disk& disk_;
  const std::string folder_;
  const std::string staging_;
  const std::string suffix_;
  std::map<std::uint32_t, std::string> uncommitted_;  // by partition: of the batch under way
  std::map<std::uint32_t, std::string> staged_;       // committed, and not yet known to be in place
};

}  // namespace meterhub::stream
