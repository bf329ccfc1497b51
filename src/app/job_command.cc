// meterhub job: what runs on the readings, and changing it while it runs.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/settings.h>
#include <meterhub/base/time_text.h>
#include <meterhub/registry/master_key.h>

#include "ask.h"
#include "commands.h"
#include "data_directory.h"
#include "dry_run.h"
#include "job_definition.h"
#include "job_file.h"
#include "program.h"
#include "settings_table.h"

namespace meterhub::app {
namespace {

using http::Method;
using nlohmann::json;

constexpr const char* kJobs = "/api/v1/jobs";

struct JobArguments {
  std::string data = "meterhub-data";
  std::string file, name, start, config, since = "7d";
  std::uint64_t limit = 100;
  bool as_json = false;

  std::string path(const std::string& action = {}) const { return std::string(kJobs) + "/" + name + action; }
};

std::string text_of(const json& object, const char* key, std::string_view otherwise = "-") {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string(otherwise);
}

double number_at(const json& object, const char* pointer) {
  const json::json_pointer at(pointer);
  return object.contains(at) && object.at(at).is_number() ? object.at(at).get<double>() : 0;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// What is wrong now, or what was left out last.
std::string trouble_of(const json& job) {
  if (const auto error = text_of(job, "last_error", ""); !error.empty()) return first_line(error);
  return first_line(text_of(job, "last_dropped", ""));
}

std::string bytes_text(double bytes) {
  if (bytes < 1024) return fmt::format("{:.0f} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", bytes / 1024);
  return fmt::format("{:.1f} MiB", bytes / 1024 / 1024);
}

void print_line(const json& job) {
  const bool runs = job.contains("rates");
  fmt::print(
      "{:<24} {:<7} {:<9} {:>7} {:>10} {:>10} {:>14} {:>10}  {}\n", text_of(job, "name"), text_of(job, "origin"),
      text_of(job, "state"), job["version"].dump(),
      runs ? fmt::format("{:.1f}", number_at(job, "/rates/events_per_second")) : "-",
      runs ? fmt::format("{:.1f}", number_at(job, "/rates/rows_per_second")) : "-",
      runs ? fmt::format("{:.0f}, {:.1f} s", number_at(job, "/lag/records"), number_at(job, "/lag/seconds")) : "-",
      runs ? bytes_text(number_at(job, "/state_bytes")) : "-", trouble_of(job));
}

void print_counters(const json& job) {
  if (!job.contains("counters")) return;
  std::string line;
  for (const auto& [name, count] : job["counters"].items())
    line += (line.empty() ? "" : ", ") + name + " " + count.dump();
  fmt::print("since start  {}\n", line);
  for (const auto& output : job["outputs"]) {
    fmt::print("output       {} ({}), {} rows\n", text_of(output, "name"), text_of(output, "kind"),
               output["rows"].dump());
  }
  for (const auto& state : job["operators"]) {
    fmt::print("state        {} {}: {} keys, {}\n", text_of(state, "step"), text_of(state, "what"),
               state["keys"].dump(), bytes_text(number_at(state, "/bytes")));
  }
}

void print_job(const json& job) {
  fmt::print("job          {}, version {}, {}\n", text_of(job, "name"), job["version"].dump(), text_of(job, "state"));
  fmt::print("changed      {}, reads from {}\n", text_of(job, "changed"), text_of(job, "starts"));
  if (job.contains("rates")) {
    fmt::print("rates        {:.1f} events/s, {:.1f} rows/s\n", number_at(job, "/rates/events_per_second"),
               number_at(job, "/rates/rows_per_second"));
    fmt::print("behind       {} records, {:.1f} s; has read to {}, watermark {}\n", job["lag"]["records"].dump(),
               number_at(job, "/lag/seconds"), text_of(job, "read_to"), text_of(job, "watermark"));
  }
  print_counters(job);
  if (number_at(job, "/missed") > 0)
    fmt::print("missed       {} records that were no longer kept: {}\n", job["missed"].dump(), job["gap"].dump());
  if (const auto error = text_of(job, "last_error", ""); !error.empty()) fmt::print("error        {}\n", error);
  if (const auto dropped = text_of(job, "last_dropped", ""); !dropped.empty()) {
    fmt::print("left out     {}, {}\n", text_of(job, "last_dropped_at"), dropped);
  }
  if (!job.contains("query")) return;
  fmt::print("\n{}\n\n{}\n", job["definition"].dump(2), text_of(job, "query", ""));
}

// An answer that is one job, or the API's own words.
base::Result<int> print_answer(const JobArguments& arguments, const std::string& text, bool whole) {
  if (arguments.as_json) {
    fmt::print("{}\n", text);
    return 0;
  }
  auto job = json::parse(text, nullptr, false);
  if (!job.is_object() || !job.contains("version")) {
    fmt::print("{}\n", text);
  } else if (whole) {
    print_job(job);
  } else {
    fmt::print("{}: version {}, {}\n", text_of(job, "name"), job["version"].dump(), text_of(job, "state"));
  }
  return 0;
}

base::Result<int> list(const JobArguments& arguments) {
  const auto text = MH_TRY(ask_platform(arguments.data, Method::kGet, kJobs, {}));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
    return 0;
  }
  const auto answer = json::parse(text, nullptr, false);
  fmt::print("{:<24} {:<7} {:<9} {:>7} {:>10} {:>10} {:>14} {:>10}  {}\n", "JOB", "FROM", "STATE", "VERSION",
             "EVENTS/S", "ROWS/S", "BEHIND", "KEPT", "TROUBLE");
  for (const auto& job : answer["jobs"]) print_line(job);
  return 0;
}

base::Result<int> show(const JobArguments& arguments) {
  const auto text = MH_TRY(ask_platform(arguments.data, Method::kGet, arguments.path(), {}));
  return print_answer(arguments, text, true);
}

base::Result<int> add(const JobArguments& arguments) {
  const auto text = MH_TRY(read_job_file(arguments.file));
  auto body = json::parse(text, nullptr, false);
  if (!arguments.start.empty()) body["start"] = arguments.start;
  const auto answer = MH_TRY(ask_platform(arguments.data, Method::kPost, kJobs, {}, body.dump()));
  return print_answer(arguments, answer, false);
}

base::Result<int> change(JobArguments arguments) {
  const auto body = MH_TRY(read_job_file(arguments.file));
  arguments.name = text_of(json::parse(body, nullptr, false), "name");
  return print_answer(arguments, MH_TRY(ask_platform(arguments.data, Method::kPut, arguments.path(), {}, body)), false);
}

base::Result<int> act(const JobArguments& arguments, Method method, const std::string& action) {
  return print_answer(arguments, MH_TRY(ask_platform(arguments.data, method, arguments.path(action), {})), false);
}

// ---- dry-run

// The job of a file, or one that is kept.
base::Result<registry::Job> job_to_try(const JobArguments& arguments) {
  registry::Job out;
  const auto text = arguments.file.empty() ? MH_TRY(ask_platform(arguments.data, Method::kGet, arguments.path(), {}))
                                           : MH_TRY(read_job_file(arguments.file));
  const auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) return base::fail(base::Errc::kCorrupt, "the platform's answer is no job");
  out.spec.name = text_of(object, "name", "");
  out.spec.query = text_of(object, "query", "");
  auto definition = arguments.file.empty() ? object.value("definition", json::object()) : object;
  for (const char* key : {"name", "query", "start"}) definition.erase(key);
  out.spec.definition = definition.dump(-1, ' ', false, json::error_handler_t::replace);
  return out;
}

// The registry beside whoever has it open, only to know its tenants.
base::Result<std::unique_ptr<registry::Store>> registry_of(const std::string& data, const base::Settings& settings,
                                                           const base::Clock& clock) {
  const DataPaths paths{data};
  registry::Store::Options options;
  options.file = paths.registry();
  const auto& key_file = settings.text("registry.master_key_file");
  options.master_key =
      MH_TRY(registry::master_key_of(paths.registry(), key_file.empty() ? paths.master_key() : key_file));
  return registry::Store::open(options, clock);
}

// What was counted, for people on stderr: rows are on stdout.
void print_summary(const DryRun& run, std::uint64_t shown) {
  fmt::print(stderr, "{} readings\n", run.events);
  for (const auto& [output, count] : run.rows) fmt::print(stderr, "{}: {} rows\n", output, count);
  for (const auto& [reason, count] : run.left_out) fmt::print(stderr, "left out, {}: {}\n", reason, count);
  for (const auto& path : run.missing_paths) fmt::print(stderr, "the lake does not hold {}: it is NULL here\n", path);
  std::uint64_t all = 0;
  for (const auto& [output, count] : run.rows) all += count;
  if (all > shown) fmt::print(stderr, "the first {} rows are shown (--limit)\n", shown);
}

void print_counts(const DryRun& run) {
  fmt::print(
      "{}\n",
      json{{"events", run.events}, {"rows", run.rows}, {"left_out", run.left_out}, {"missing_paths", run.missing_paths}}
          .dump());
}

base::Result<int> try_job(const JobArguments& arguments) {
  if (arguments.file.empty() == arguments.name.empty())
    return base::fail(base::Errc::kInvalidArgument, "name a job, or --file");
  const base::SystemClock clock;
  const auto job = MH_TRY(job_to_try(arguments));
  const auto file = arguments.config.empty() ? std::nullopt : std::optional(arguments.config);
  const auto settings = MH_TRY(base::Settings::load(settings_table(), settings_sources(file)));
  const auto registry = MH_TRY(registry_of(arguments.data, settings, clock));
  const rules::Rules rules(settings);
  const auto definition = read_definition(job, {*registry, DataPaths{arguments.data}, &rules});
  if (!definition.problems.empty())
    return base::fail(base::Errc::kInvalidArgument, fmt::format("{}", fmt::join(definition.problems, "\n")));
  const auto since = MH_TRY(since_text(arguments.since));
  const auto from = MH_TRY(base::parse_rfc3339(since)).at;
  std::uint64_t shown = 0;
  const auto run = MH_TRY(dry_run(base::PosixDisk(), DataPaths{arguments.data}.lake(), definition.spec, from,
                                  clock.now(), [&](const std::string& output, const std::string& event) {
                                    if (shown >= arguments.limit || arguments.as_json) return;
                                    ++shown;
                                    fmt::print("{{\"output\":{},\"event\":{}}}\n", json(output).dump(), event);
                                  }));
  if (arguments.as_json) {
    print_counts(run);
  } else {
    print_summary(run, shown);
  }
  return 0;
}

std::string check_name(const std::string& name) {
  return name.find_first_of("/?#% ") == std::string::npos && !name.empty() ? std::string()
                                                                           : "\"" + name + "\" is no job's name";
}

void add_common(CLI::App& command, JobArguments& arguments) {
  command.add_option("--data", arguments.data, "The data directory")->capture_default_str();
  command.add_flag("--json", arguments.as_json, "As the API answers it");
}

}  // namespace

void add_job(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<JobArguments>();
  auto* job =
      program.add_subcommand("job", "Queries that run on the readings: list, add, change, stop")->require_subcommand(1);
  const auto command = [&](const char* name, const char* text, std::function<base::Result<int>()> run) {
    auto* out = job->add_subcommand(name, text);
    add_common(*out, *arguments);
    out->callback([&exit, run = std::move(run)] { exit.code = report(run()); });
    return out;
  };
  const auto of_one = [&](const char* name, const char* text, std::function<base::Result<int>()> run) {
    command(name, text, std::move(run))
        ->add_option("name", arguments->name, "The job's name")
        ->required()
        ->check(check_name);
  };
  const auto of_file = [&](const char* name, const char* text, std::function<base::Result<int>()> run) {
    auto* out = command(name, text, std::move(run));
    out->add_option("--file", arguments->file, "NAME.toml, with the query in NAME.sql beside it")->required();
    return out;
  };
  command("list", "All jobs, how fast they are and what is behind", [arguments] { return list(*arguments); });
  of_one("show", "One job whole: rates, counters, last errors, definition and query",
         [arguments] { return show(*arguments); });
  of_file("add", "Checks a job, keeps it and starts it", [arguments] {
    return add(*arguments);
  })->add_option("--start", arguments->start, "Where it begins to read: now, earliest, or a time");
  of_file("change", "Replaces a job's query and settings; it goes on where it was",
          [arguments] { return change(*arguments); });
  of_one("stop", "Lets it end what it has begun; it stays and can be started again",
         [arguments] { return act(*arguments, Method::kPost, "/stop"); });
  of_one("start", "Starts it where it stopped", [arguments] { return act(*arguments, Method::kPost, "/start"); });
  auto* dry = command("dry-run", "Runs a query over the lake and prints what it would have given out; writes nothing",
                      [arguments] { return try_job(*arguments); });
  dry->add_option("name", arguments->name, "A job that is kept")->check(check_name);
  dry->add_option("--file", arguments->file, "Or NAME.toml, with the query in NAME.sql beside it");
  dry->add_option("--config", arguments->config, "Settings file (TOML), for the thresholds in reference data");
  dry->add_option("--since", arguments->since, "A time, or how long back")->capture_default_str()->check(check_since);
  dry->add_option("--limit", arguments->limit, "How many rows are printed; all are counted")->capture_default_str();
  of_one("remove", "Stops it and forgets it; what it wrote stays",
         [arguments] { return act(*arguments, Method::kDelete, ""); });
}

}  // namespace meterhub::app
