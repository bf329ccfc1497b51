// One partition on its way into the lake: what was read and not yet written.
#pragma once

#include <memory>
#include <vector>

#include <meterhub/lake/layout.h>
#include <meterhub/lake/reading.h>
#include <meterhub/log/log.h>

#include "document.h"

namespace meterhub::history {

// Pure but for the cursor. One thread.
class Archive {
 public:
  Archive(log::Assignment assignment, std::uint32_t partitions, std::unique_ptr<log::Cursor> cursor)
      : assignment_(assignment), owner_{assignment.partition.partition, partitions, assignment.epoch},
        cursor_(std::move(cursor)), from_(cursor_->position()) {}

  // Reads up to about `max_bytes`; false when nothing was there. Bodies that are no
  // documents are counted in `malformed` and kept without values.
  base::Result<bool> read(RowReader& reader, std::size_t max_bytes, std::uint64_t& malformed);
  // What was read is in the lake: begins anew.
  void written();

  const lake::Owner& owner() const { return owner_; }
  log::TopicPartition partition() const { return assignment_.partition; }
  log::Ownership ownership(std::string group) const {
    return {std::move(group), assignment_.partition, assignment_.epoch};
  }
  const std::vector<lake::Reading>& rows() const { return rows_; }
  base::Offset from() const { return from_; }
  base::Offset to() const { return cursor_->position(); }
  bool pending() const { return from() < to(); }
  // Enqueue time up to which this partition was read; hours close by it, so that no
  // gateway's clock moves them.
  base::Timestamp read_to() const { return read_to_; }
  base::Timestamp written_to() const { return written_to_; }

  std::unique_ptr<log::Watch> watch;  // for records behind to()
  bool caught_up = false;
  bool flush_due = false;             // its time has come, or it is full
  base::Executor::TimerId flush_timer = base::Executor::TimerId::kNone;
  base::MonotonicTime late_placed{};  // when rows behind a closed hour were last placed

 private:
  log::Assignment assignment_;
  lake::Owner owner_;
  std::unique_ptr<log::Cursor> cursor_;
  base::Offset from_;
  base::Timestamp read_to_{};
  base::Timestamp written_to_{};
  std::vector<lake::Reading> rows_;
};

}  // namespace meterhub::history
