#include "job_definition.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include <meterhub/base/settings.h>
#include <meterhub/engine/pipeline.h>
#include <meterhub/http/outgoing.h>

namespace meterhub::app {
namespace {

using nlohmann::json;

constexpr std::size_t kOutputsMax = 16;
constexpr std::size_t kInputsMax = 8;
constexpr std::chrono::seconds kLakeLinger{10};
// Each batch is a commit, of the log and of the table.
constexpr std::chrono::milliseconds kRowsLinger{50};
constexpr std::chrono::hours kCheckpointPauseMost{1};

// One object of a definition: gives values, collects what is wrong, and at its end says which members nobody
// asked for.
class Object {
 public:
  Object(const json& value, std::string place, std::vector<std::string>& problems)
      : value_(value.is_object() ? value : kNothing), place_(std::move(place)), problems_(problems) {
    if (!value.is_object()) problem("", "expected an object");
  }
  ~Object() {
    for (const auto& [key, value] : value_.items()) {
      if (!known_.contains(key)) problem(key, "there is no such setting here; there are " + known_text());
    }
  }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  const json* get(const std::string& key) {
    known_.insert(key);
    const auto found = value_.find(key);
    return found == value_.end() || found->is_null() ? nullptr : &*found;
  }
  std::string text(const std::string& key, std::string otherwise = {}) {
    const auto* value = get(key);
    if (value == nullptr) return otherwise;
    if (value->is_string()) return value->get<std::string>();
    problem(key, "expected a text");
    return otherwise;
  }
  template <class Value>
  Value one_of(const std::string& key, const std::vector<std::pair<std::string, Value>>& words) {
    const auto given = text(key, words.front().first);
    std::string names;
    for (const auto& [word, value] : words) {
      if (word == given) return value;
      names += (names.empty() ? "" : ", ") + word;
    }
    problem(key, "\"" + given + "\" is none of " + names);
    return words.front().second;
  }
  std::chrono::milliseconds duration(const std::string& key, std::chrono::milliseconds otherwise,
                                     std::chrono::milliseconds most) {
    const auto given = text(key);
    if (given.empty()) return otherwise;
    const auto parsed = base::parse_duration(given);
    if (!parsed) {
      problem(key, parsed.error().text);
      return otherwise;
    }
    if (*parsed > most) problem(key, "at most " + base::duration_text(most));
    return std::min(*parsed, most);
  }
  std::uint64_t bytes(const std::string& key) {
    const auto given = text(key);
    if (given.empty()) return 0;
    const auto parsed = base::parse_byte_size(given);
    if (!parsed) problem(key, parsed.error().text);
    return parsed.value_or(0);
  }
  void problem(const std::string& key, const std::string& text) {
    const auto at = place_.empty() || key.empty() ? place_ + key : place_ + "." + key;
    problems_.push_back((at.empty() ? "" : at + ": ") + text);
  }
  const json& value() const { return value_; }
  std::string place(const std::string& key) const { return place_.empty() ? key : place_ + "." + key; }
  std::vector<std::string>& problems() { return problems_; }

 private:
  std::string known_text() const {
    std::string out;
    for (const auto& key : known_) out += (out.empty() ? "" : ", ") + key;
    return out;
  }
  static inline const json kNothing = json::object();
  const json& value_;
  const std::string place_;
  std::vector<std::string>& problems_;
  std::set<std::string> known_;
};

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

// Of a later incarnation: files of the one before lie there.
std::string folder_name(const stream::JobSpec& spec, const std::string& name) {
  return spec.incarnation > 1 ? name + "~" + std::to_string(spec.incarnation) : name;
}

constexpr std::chrono::hours kRetentionMost{24 * 3660};

stream::TableOutput table_of(Object& from) {
  stream::TableOutput out;
  out.table = from.text("table");
  if (out.table.empty()) from.problem("table", "name the table of database.sqlite");
  out.retention =
      std::chrono::duration_cast<std::chrono::seconds>(from.duration("retention", out.retention, kRetentionMost));
  return out;
}

stream::BlobOutput blob_of(Object& from, const stream::JobSpec& spec, const std::string& output,
                           const DataPaths& paths) {
  const auto folder = from.text("folder", spec.name + "-" + output);
  if (!is_plain(folder))
    from.problem("folder", "a name of at most 64 letters, digits, '-' and '_': it is a folder in blob/");
  return {base::join_path(paths.root, "blob/" + folder_name(spec, folder))};
}

stream::LogOutput log_of(Object& from) {
  stream::LogOutput out;
  out.retention =
      std::chrono::duration_cast<std::chrono::seconds>(from.duration("retention", out.retention, kRetentionMost));
  out.retention_bytes = from.bytes("retention_bytes");
  return out;
}

stream::LakeOutput lake_of(const stream::JobSpec& spec, const std::string& output, const DataPaths& paths) {
  return {base::join_path(paths.lake(), "jobs/" + folder_name(spec, spec.name) + "/" + output)};
}

// The secret is named, never written down here: definitions are shown.
stream::WebhookOutput webhook_of(Object& from, const DataPaths& paths) {
  stream::WebhookOutput out;
  out.url = from.text("url");
  if (const auto good = http::check_post_url(out.url); !good) from.problem("url", good.error().text);
  const auto secret = from.text("secret");
  if (!is_plain(secret))
    from.problem("secret", "name a file of the data directory's folder secrets/, of letters, digits, '-' and '_'");
  out.secret_file = base::join_path(paths.root, "secrets/" + secret);
  out.ca_file = from.text("ca_file");
  out.timeout = from.duration("timeout", out.timeout, std::chrono::seconds(30));
  out.refused = from.one_of<stream::OnRefused>(
      "on_refused", {{"retry", stream::OnRefused::kRetry}, {"drop", stream::OnRefused::kDrop}});
  return out;
}

enum class Sink : std::uint8_t { kTable, kBlob, kLog, kLake, kWebhook };

std::optional<stream::JobSink> sink_of(Object& from, const stream::JobSpec& spec, const std::string& output,
                                       const DataPaths& paths) {
  const auto kind = from.one_of<std::optional<Sink>>("kind", {{"", std::nullopt},
                                                              {"table", Sink::kTable},
                                                              {"blob", Sink::kBlob},
                                                              {"log", Sink::kLog},
                                                              {"lake", Sink::kLake},
                                                              {"webhook", Sink::kWebhook}});
  if (!kind) {
    from.problem("kind", "say where the rows go: table, blob, log, lake or webhook");
    return std::nullopt;
  }
  switch (*kind) {
    case Sink::kTable: return table_of(from);
    case Sink::kBlob: return blob_of(from, spec, output, paths);
    case Sink::kLog: return log_of(from);
    case Sink::kLake: return lake_of(spec, output, paths);
    case Sink::kWebhook: return webhook_of(from, paths);
  }
  return std::nullopt;
}

void read_outputs(Object& definition, stream::JobSpec& spec, const DataPaths& paths) {
  const auto* outputs = definition.get("outputs");
  if (outputs == nullptr || outputs->empty()) return definition.problem("outputs", "a job needs an output");
  if (outputs->size() > kOutputsMax) return definition.problem("outputs", "at most " + std::to_string(kOutputsMax));
  for (const auto& [name, value] : outputs->items()) {
    if (!is_plain(name)) {
      definition.problem("outputs",
                         "\"" + name.substr(0, 64) + "\": a name of at most 64 letters, digits, '-' and '_'");
      continue;
    }
    Object from(value, definition.place("outputs." + name), definition.problems());
    if (auto sink = sink_of(from, spec, name, paths)) spec.outputs.push_back({name, std::move(*sink)});
  }
}

// Logs of the platform that jobs may read.
bool is_readable(std::string_view log) {
  return log == log::topics::kReadings || log == log::topics::kDecoded || log == log::topics::kStatus ||
         log == log::topics::kDeadletter;
}

void read_stream_input(Object& from, stream::JobSpec& spec, const std::string& name) {
  const auto job = from.text("job");
  const auto output = from.text("output");
  if (!job.empty() || !output.empty()) {
    if (!is_plain(job) || !is_plain(output)) return from.problem("", "name a job and one of its outputs of kind log");
    spec.inputs.push_back({name, stream::log_of(job, output)});
    return;
  }
  const auto log = from.text("log", std::string(log::topics::kReadings));
  if (!is_readable(log)) from.problem("log", "\"" + log + "\" is none of readings, decoded, status, deadletter");
  spec.inputs.push_back({name, log});
}

// Rises when meters, or the places they are in, have changed. Sessions and gateways change more often.
class MeterVersion {
 public:
  explicit MeterVersion(const registry::Store& registry)
      : registry_(&registry), seen_(registry.last_change().value_or(0)) {}

  std::uint64_t operator()() {
    constexpr std::size_t kBlock = 1'000;
    for (;;) {
      const auto changes = registry_->changes(seen_, kBlock);
      if (!changes || changes->empty()) return version_;  // a store that is busy is asked again soon
      seen_ = changes->back().number;
      version_ += std::ranges::any_of(*changes, [](const auto& change) {
        return change.kind == registry::Change::Kind::kMeter || change.kind == registry::Change::Kind::kPlace;
      });
    }
  }

 private:
  const registry::Store* registry_;
  std::uint64_t seen_;
  std::uint64_t version_ = 1;
};

void read_inputs(Object& definition, stream::JobSpec& spec, const JobNames& names) {
  const auto* inputs = definition.get("inputs");
  if (inputs == nullptr || inputs->empty()) return definition.problem("inputs", "a job needs an input");
  if (inputs->size() > kInputsMax) return definition.problem("inputs", "at most " + std::to_string(kInputsMax));
  for (const auto& [name, value] : inputs->items()) {
    Object from(value, definition.place("inputs." + name), definition.problems());
    const auto reference = from.text("reference");
    if (reference.empty()) {
      read_stream_input(from, spec, name);
    } else if (reference == "meters") {
      static const rules::Rules kDefaults;
      const auto& rules = names.rules == nullptr ? kDefaults : *names.rules;
      spec.references.push_back({name,
                                 [&registry = names.registry, &rules, tenant = spec.tenant, query = spec.sql](const auto& give) {
                                   return meter_rows(registry, tenant, rules, query, give);
                                 },
                                 MeterVersion(names.registry)});
    } else {
      from.problem("reference", "\"" + reference + "\" is none of meters");
    }
  }
}

sql::Ticks ticks_of(std::chrono::milliseconds duration) { return duration.count() * 10'000; }

void read_policy(Object& definition, stream::JobSpec& spec) {
  // Each batch is a file there: a few large ones are kinder to whoever reads them.
  const bool lake = std::ranges::any_of(
      spec.outputs, [](const auto& o) { return std::holds_alternative<stream::LakeOutput>(o.sink); });
  spec.linger = lake ? std::chrono::milliseconds(kLakeLinger) : kRowsLinger;
  const auto* value = definition.get("policy");
  if (value == nullptr) return;
  Object from(*value, definition.place("policy"), definition.problems());
  const auto milliseconds = [](sql::Ticks ticks) { return std::chrono::milliseconds(ticks / 10'000); };
  spec.policy.late_arrival =
      ticks_of(from.duration("late_arrival", milliseconds(spec.policy.late_arrival), std::chrono::hours(20 * 24)));
  spec.policy.out_of_order =
      ticks_of(from.duration("out_of_order", milliseconds(spec.policy.out_of_order), std::chrono::minutes(10)));
  spec.policy.action = from.one_of<sql::DisorderAction>(
      "action", {{"adjust", sql::DisorderAction::kAdjust}, {"drop", sql::DisorderAction::kDrop}});
  using engine::OnRuntimeError;
  spec.on_runtime_error = from.one_of<OnRuntimeError>(
      "on_runtime_error",
      {{"drop_event", OnRuntimeError::kDropEvent}, {"fail", OnRuntimeError::kFail}, {"null", OnRuntimeError::kNull}});
  spec.linger = from.duration("linger", spec.linger, std::chrono::minutes(10));
  spec.checkpoint_pause = from.duration("checkpoint", spec.checkpoint_pause, kCheckpointPauseMost);
}

void read_tenant(Object& definition, stream::JobSpec& spec, const JobNames& names) {
  const auto name = definition.text("tenant");
  if (name.empty()) return;
  const auto tenant = names.registry.tenant(name);
  if (!tenant) return definition.problem("tenant", tenant.error().text);
  spec.tenant = tenant->number;
}

const stream::BlobOutput* blob_in(const stream::JobOutput& output) {
  return std::get_if<stream::BlobOutput>(&output.sink);
}

// Files are named by partition and offset: two jobs in one folder would replace each other's.
void check_folders(const stream::JobSpec& spec, const stream::JobSpec& other, std::vector<std::string>& problems) {
  for (const auto& mine : spec.outputs) {
    for (const auto& theirs : other.outputs) {
      const bool same = &mine != &theirs && blob_in(mine) != nullptr && blob_in(theirs) != nullptr &&
                        blob_in(mine)->folder == blob_in(theirs)->folder;
      if (same)
        problems.push_back("outputs." + mine.name + ".folder: output " + theirs.name + " of job " + other.name +
                           " writes there");
    }
  }
}

bool has_log(const stream::JobSpec& spec, std::string_view log) {
  return std::ranges::any_of(spec.outputs, [&](const auto& output) {
    return std::holds_alternative<stream::LogOutput>(output.sink) && stream::log_of(spec.name, output.name) == log;
  });
}

bool is_of_job(std::string_view log) { return log.starts_with("job."); }

// Whether what `from` reads comes, over however many jobs, out of job `name`.
bool reads(const stream::JobSpec& from, std::string_view name, const std::vector<stream::JobSpec>& all,
           std::size_t depth) {
  if (depth > all.size()) return true;
  return std::ranges::any_of(from.inputs, [&](const auto& input) {
    if (input.log.starts_with("job." + std::string(name) + ".")) return true;
    const auto source = std::ranges::find_if(all, [&](const auto& job) { return has_log(job, input.log); });
    return source != all.end() && reads(*source, name, all, depth + 1);
  });
}

void check_among(const stream::JobSpec& spec, const std::vector<stream::JobSpec>& others,
                 std::vector<std::string>& problems) {
  check_folders(spec, spec, problems);
  for (const auto& other : others) check_folders(spec, other, problems);
  for (const auto& input : spec.inputs) {
    if (!is_of_job(input.log)) continue;
    const bool there = std::ranges::any_of(others, [&](const auto& other) { return has_log(other, input.log); });
    if (!there)
      problems.push_back("inputs." + input.name + ": no other job has an output of kind log that is " + input.log);
  }
  if (reads(spec, spec.name, others, 0))
    problems.push_back("inputs: this job would read, over other jobs, what it writes itself");
}

std::vector<stream::JobSpec> specs_of(const std::vector<registry::Job>& jobs, std::string_view without,
                                      const JobNames& names) {
  std::vector<stream::JobSpec> out;
  for (const auto& job : jobs) {
    if (job.spec.name != without) out.push_back(read_definition(job, names).spec);
  }
  return out;
}

}  // namespace

JobDefinition read_definition(const registry::Job& job, const JobNames& names) {
  JobDefinition out;
  auto& spec = out.spec;
  spec.name = job.spec.name;
  spec.incarnation = job.incarnation;
  spec.version = job.version;
  spec.sql = job.spec.query;
  spec.starts = job.spec.starts;
  const auto value = json::parse(job.spec.definition, nullptr, false);
  Object definition(value, "", out.problems);
  read_tenant(definition, spec, names);
  read_inputs(definition, spec, names);
  read_outputs(definition, spec, names.paths);
  read_policy(definition, spec);
  return out;
}

JobCheck check_job(const registry::Job& job, const std::vector<registry::Job>& others, const JobNames& names) {
  auto definition = read_definition(job, names);
  JobCheck out{std::move(definition.spec), std::move(definition.problems), {}};
  if (out.spec.inputs.size() > 1) out.problems.push_back("inputs: one stream only, this release reads one log a job");
  check_among(out.spec, specs_of(others, job.spec.name, names), out.problems);
  auto compiled = stream::compile(out.spec);
  out.diagnostics = std::move(compiled.diagnostics);
  if (sql::has_error(out.diagnostics)) return out;
  const auto runs = engine::Pipeline::create(std::move(compiled.plan), {});
  if (!runs) out.problems.push_back(runs.error().text);
  return out;
}

std::string JobCheck::text() const {
  std::string out = "job " + spec.name + " is not right";
  for (const auto& problem : problems) out += "\n" + problem;
  for (const auto& diagnostic : diagnostics) {
    if (diagnostic.severity == sql::Severity::kError) out += "\n" + sql::caret_text(spec.sql, diagnostic, spec.name);
  }
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

std::vector<std::string> readers_of(std::string_view name, const std::vector<registry::Job>& jobs,
                                    const JobNames& names) {
  std::vector<std::string> out;
  const auto prefix = stream::log_of(name, "");
  for (const auto& spec : specs_of(jobs, name, names)) {
    const bool one = std::ranges::any_of(spec.inputs, [&](const auto& input) { return input.log.starts_with(prefix); });
    if (one) out.push_back(spec.name);
  }
  return out;
}

}  // namespace meterhub::app
