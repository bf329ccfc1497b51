#include "archive.h"

namespace meterhub::history {

base::Result<bool> Archive::read(RowReader& reader, std::size_t max_bytes, std::uint64_t& malformed) {
  const log::Batch batch = MH_TRY(cursor_->next(max_bytes));
  for (const log::RecordView& record : batch.records) {
    if (!reader.read(record, rows_.emplace_back())) ++malformed;
    read_to_ = record.enqueued;
  }
  return !batch.records.empty();
}

void Archive::written() {
  rows_.clear();
  from_ = cursor_->position();
  written_to_ = read_to_;
}

}  // namespace meterhub::history
