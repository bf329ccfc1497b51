#include "job_outputs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include <meterhub/engine/pipeline.h>

namespace meterhub::stream {
namespace {

constexpr std::array<std::string_view, std::variant_size_v<JobSink>> kSinkNames{"table", "blob", "log", "lake",
                                                                                "webhook"};

// What an output last committed, by the partition that it knows it by.
using Notes = std::vector<std::pair<log::TopicPartition, std::string>>;

base::Result<std::unique_ptr<JobOutputWriter>> make_output(const JobWorld& world, const JobSpec& spec,
                                                           const JobOutput& output, const sql::Plan& plan,
                                                           base::TopicId input, const base::Clock& clock) {
  if (const auto* table = std::get_if<TableOutput>(&output.sink)) {
    return make_table_output(world.database, identity_of(spec), output.name, *table, plan);
  }
  if (const auto* blob = std::get_if<BlobOutput>(&output.sink)) return make_blob_output(world.disk, *blob);
  if (const auto* lake = std::get_if<LakeOutput>(&output.sink))
    return make_lake_output(world.disk, output.name, *lake, plan);
  if (const auto* webhook = std::get_if<WebhookOutput>(&output.sink)) {
    return make_webhook_output(world.disk, identity_of(spec), output.name, *webhook, clock);
  }
  return make_log_output(world.log, log_of(spec.name, output.name), std::get<LogOutput>(output.sink), input);
}

// An OrderedJob's, which lie together at its first partition: "output/NAME/PART".
base::Result<Notes> ordered_notes(const log::Log& log, const JobSpec& spec, const std::string& output) {
  auto first = MH_TRY(log.topic(spec.inputs.front().log));
  for (const auto& input : spec.inputs) first = std::min(first, MH_TRY(log.topic(input.log)));
  Notes out;
  const auto prefix = note_name(output) + "/";
  MH_TRY_VOID(log.scan_state(group_of(spec), {first, base::PartitionId(0)}, prefix, [&](std::string_view name, std::string_view note) {
    const auto digits = name.substr(prefix.size());
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc() && end == digits.data() + digits.size()) out.push_back({{first, base::PartitionId(number)}, std::string(note)});
    return true;
  }));
  return out;
}

base::Result<Notes> notes_of(const log::Log& log, const JobSpec& spec, const sql::Plan& plan, const std::string& output) {
  if (runs_in_order(plan)) return ordered_notes(log, spec, output);
  const auto topic = MH_TRY(input_of(log, spec));
  Notes out;
  for (std::uint32_t number = 0; number < log.partitions(topic); ++number) {
    const log::TopicPartition partition{topic, base::PartitionId(number)};
    auto note = MH_TRY(log.state(group_of(spec), partition, note_name(output)));
    if (note) out.push_back({partition, std::move(*note)});
  }
  return out;
}

}  // namespace

std::string_view sink_name(const JobSink& sink) { return kSinkNames[sink.index()]; }

std::string identity_of(const JobSpec& spec) {
  return spec.incarnation > 1 ? spec.name + "#" + std::to_string(spec.incarnation) : spec.name;
}

std::string group_of(const JobSpec& spec) { return "job." + identity_of(spec); }

std::string log_of(std::string_view job, std::string_view output) {
  return "job." + std::string(job) + "." + std::string(output);
}

std::string note_name(std::string_view output) { return "output/" + std::string(output); }

sql::Compiled compile(const JobSpec& spec) {
  sql::CompileOptions options;
  options.any_output = false;
  options.policy = spec.policy;
  for (const auto& input : spec.inputs) {
    options.inputs.push_back({input.name, sql::InputKind::kStream, {}, sql::InputMetadata::kEventHub});
  }
  for (const auto& reference : spec.references) {
    options.inputs.push_back({reference.name, sql::InputKind::kReference, {}, sql::InputMetadata::kNone});
  }
  for (const auto& output : spec.outputs) options.outputs.push_back(output.name);
  return sql::compile(spec.sql, options);
}

base::Result<sql::Plan> plan_of(const JobSpec& spec) {
  auto compiled = compile(spec);
  if (compiled.ok()) return std::move(compiled.plan);
  std::string text = "job " + spec.name + " does not compile";
  for (const auto& diagnostic : compiled.diagnostics) {
    if (diagnostic.severity == sql::Severity::kError) text += "\n" + sql::caret_text(spec.sql, diagnostic, spec.name);
  }
  return base::fail(base::Errc::kInvalidArgument, std::move(text));
}

// Outputs and time states are told apart by partition number: a second log's would count as the first's.
base::Result<base::TopicId> input_of(const log::Log& log, const JobSpec& spec) {
  if (spec.inputs.size() == 1) return log.topic(spec.inputs.front().log);
  return base::fail(base::Errc::kNotImplemented, "job " + spec.name + ": one input, this release reads one log a job");
}

base::Result<std::vector<std::unique_ptr<JobOutputWriter>>> make_outputs(const JobWorld& world, const JobSpec& spec,
                                                                         const sql::Plan& plan,
                                                                         const base::Clock& clock) {
  if (spec.inputs.empty()) return base::fail(base::Errc::kInvalidArgument, "job " + spec.name + " reads nothing");
  const auto input = MH_TRY(world.log.topic(spec.inputs.front().log));
  std::vector<std::unique_ptr<JobOutputWriter>> out;
  for (const auto& name : plan.outputs) {
    const auto it = std::ranges::find_if(spec.outputs, [&](const auto& o) { return o.name == name; });
    if (it == spec.outputs.end())
      return base::fail(base::Errc::kNotFound, "job " + spec.name + ": output " + name + " has no sink");
    out.push_back(MH_TRY(make_output(world, spec, *it, plan, input, clock)));
  }
  return out;
}

base::Result<void> prepare_outputs(const JobWorld& world, const JobSpec& spec, const base::Clock& clock) {
  const auto plan = MH_TRY(plan_of(spec));
  MH_TRY_VOID(make_outputs(world, spec, plan, clock));
  return {};
}

bool runs_in_order(const sql::Plan& plan) { return engine::Pipeline::needs_order(plan) || !plan.references.empty(); }

base::Result<void> settle_outputs(const JobWorld& world, const JobSpec& spec, const base::Clock& clock) {
  const auto plan = MH_TRY(plan_of(spec));
  const auto outputs = MH_TRY(make_outputs(world, spec, plan, clock));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const auto& [part, note] : MH_TRY(notes_of(world.log, spec, plan, plan.outputs[i]))) {
      // No epoch is older than this one: nothing of other owners is removed.
      MH_TRY_VOID(outputs[i]->begin({part, base::Epoch(0)}, note));
    }
  }
  return {};
}

}  // namespace meterhub::stream
