// What records are to a job's query, and what becomes of those that it cannot use.
#pragma once

#include <string>

#include <meterhub/stream/job.h>

namespace meterhub::stream {

// The event that a record is to the engine; views live as long as the record. Of another tenant
// than the job's: no statement sees it.
engine::Event event_of(const JobSpec& spec, const log::RecordView& record, base::PartitionId partition);

// Whether such an event goes to the dead letters: not where the job's own time policy left it out.
bool is_letter(engine::DropReason reason);
log::NewRecord letter_of(const std::string& job, const log::RecordView& record, engine::DropReason reason);

// What a status shows of an event's trouble.
std::string dropped_text(const engine::Dropped& dropped);

}  // namespace meterhub::stream
