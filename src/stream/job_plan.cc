#include "job_plan.h"

#include <algorithm>

#include <meterhub/sql/compile.h>

namespace meterhub::stream {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

base::Result<sql::Plan> compile_job(const JobSpec& spec) {
  if (!is_name(spec.name)) return base::fail(base::Errc::kInvalidArgument, "a job's name has letters, digits, '-' and '_'");
  sql::CompileOptions options;
  options.any_output = false;
  options.policy = spec.policy;
  for (const auto& input : spec.inputs) {
    options.inputs.push_back({input.name, sql::InputKind::kStream, {}, sql::InputMetadata::kEventHub});
  }
  for (const auto& reference : spec.references) options.inputs.push_back({reference.name, sql::InputKind::kReference, {}, sql::InputMetadata::kNone, false});
  for (const auto& output : spec.outputs) options.outputs.push_back(output.name);
  auto compiled = sql::compile(spec.sql, options);
  if (compiled.ok()) return std::move(compiled.plan);
  std::string text = "job " + spec.name + " does not compile";
  for (const auto& diagnostic : compiled.diagnostics) {
    if (diagnostic.severity == sql::Severity::kError) text += "\n" + sql::caret_text(spec.sql, diagnostic, spec.name);
  }
  return base::fail(base::Errc::kInvalidArgument, std::move(text));
}

base::Result<const JobSink*> sink_of(const JobSpec& spec, std::string_view output) {
  const auto found = std::ranges::find(spec.outputs, output, &JobOutput::name);
  if (found != spec.outputs.end()) return &found->sink;
  return base::fail(base::Errc::kNotFound, "job " + spec.name + ": output " + std::string(output) + " has no sink");
}

engine::Event event_of(const log::RecordView& record, base::PartitionId partition) {
  engine::Event event;
  event.body = record.body;
  // The hub's time, from origin: the same whenever the reading came through (stream-sql 5.1).
  event.arrival = record.properties.origin.log.empty() ? record.enqueued : record.properties.origin.enqueued;
  event.partition = partition;
  event.offset = record.offset;
  event.device = record.properties.gateway;
  event.tenant = record.properties.tenant.value;
  event.late = record.properties.late;
  event.stale = record.properties.stale;
  return event;
}

log::NewRecord letter_of(const std::string& job, const log::RecordView& record, engine::DropReason reason) {
  log::NewRecord letter;
  letter.key = record.key;
  letter.properties = record.properties;
  letter.properties.reason = "job." + job + "." + std::string(engine::drop_reason_name(reason));
  letter.body = record.body;
  return letter;
}

bool is_letter(engine::DropReason reason) {
  return reason != engine::DropReason::kEarly && reason != engine::DropReason::kLate && reason != engine::DropReason::kOutOfOrder;
}

}  // namespace meterhub::stream
