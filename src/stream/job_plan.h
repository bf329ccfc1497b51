// What a job's text says, checked, before anything runs.
#pragma once

#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/sql/plan.h>
#include <meterhub/stream/job.h>

namespace meterhub::stream {

// kInvalidArgument: the name, or the compiler's messages with the places they mean.
base::Result<sql::Plan> compile_job(const JobSpec& spec);

// The sink of an output that the plan writes. kNotFound: the job names none.
base::Result<const JobSink*> sink_of(const JobSpec& spec, std::string_view output);

// The reading that a record of a log is to the engine; views live as long as the record.
engine::Event event_of(const log::RecordView& record, base::PartitionId partition);

// The dead letter of an event that a job could not use.
log::NewRecord letter_of(const std::string& job, const log::RecordView& record, engine::DropReason reason);
// Whether such an event goes to the dead letters: not where the job's own time policy left it out.
bool is_letter(engine::DropReason reason);

}  // namespace meterhub::stream
