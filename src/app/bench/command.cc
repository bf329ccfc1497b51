// meterhub bench: what this machine can carry.
#include <cstdio>
#include <map>
#include <memory>

#include <fmt/format.h>

#include <meterhub/base/settings.h>

#include "../program.h"
#include "command.h"
#include "generate.h"
#include "pipeline.h"
#include "sql.h"
#include "storm.h"

namespace meterhub::app {
namespace {

using bench::PipelineOptions;

constexpr char kAbout[] =
    "Measures the whole way of a packet on this machine: a platform as `meterhub serve` runs it, in a process\n"
    "of its own, and a second process that plays the gateways with real TLS, AMQP and LoRaWAN frames.";
constexpr char kExamples[] =
    "What the figures mean:\n"
    "  server CPU   all its threads, from the first packet until every reading is in the lake, over the packets\n"
    "               settled. Other programs on the machine make it worse: take it as an upper bound.\n"
    "  latency      settlement: from when the packet was due at the gateway, lateness of the generator included.\n"
    "               alert row, Parquet: from the time on the packet until another process can read it.\n"
    "  added rule   live: from the request until another process can read the row of a packet sent after it.\n"
    "  missing      settled and not in the lake; duplicate, wrong: by identity. Exit code 1 if any is not 0.\n"
    "\n"
    "How many packets a gateway puts into one TLS record decides most of the cost. One gateway here forwards\n"
    "as many packets as a thousand meters send; on a roof, packets come one by one.\n"
    "\n"
    "Examples:\n"
    "  meterhub bench pipeline --seconds 10                        10,000 meters that report every 30 s\n"
    "  meterhub bench pipeline --meters 1000000 --seconds 60       33,333 packets/s\n"
    "  meterhub bench pipeline --packets-per-record 10 --rate max  as fast as it goes\n"
    "Settings come from the environment as everywhere: MH_HISTORY_FLUSH_AFTER=2s meterhub bench pipeline";

struct PipelineArguments {
  PipelineOptions options;
  std::uint32_t seconds = 30;
  std::uint32_t interval = 0;
  std::string rate;
  bool as_json = false;
};

// 0 = as fast as it is settled.
base::Result<double> rate_of(const PipelineArguments& arguments) {
  if (arguments.rate == "max") return 0;
  if (arguments.rate.empty()) return arguments.options.meters / 30.0;
  const auto number = base::parse_setting(base::SettingKind::kInt, arguments.rate);
  if (number && std::get<std::int64_t>(*number) > 0) return static_cast<double>(std::get<std::int64_t>(*number));
  return base::fail(base::Errc::kInvalidArgument, "--rate is packets a second, or max");
}

std::string check_rate(const std::string& text) {
  PipelineArguments probe;
  probe.rate = text;
  const auto rate = rate_of(probe);
  return rate ? std::string() : rate.error().text;
}

base::Result<int> run(PipelineArguments arguments) {
  arguments.options.plan.rate = MH_TRY(rate_of(arguments));
  arguments.options.plan.span = std::chrono::seconds(arguments.seconds);
  arguments.options.interval = std::chrono::seconds(arguments.interval);
  const auto signals = MH_TRY(StopSignals::create());
  const auto report = MH_TRY(bench::run_pipeline(arguments.options, *signals));
  fmt::print("{}", arguments.as_json ? report.json() : report.text());
  std::fflush(stdout);
  return report.clean() ? 0 : 1;
}

void add_town(CLI::App& command, PipelineOptions& options) {
  command.add_option("--meters", options.meters, "Meters in the registry; all send in turn")
      ->capture_default_str()
      ->check(CLI::Range(1U, sim::kTownMetersMax));
  command.add_option("--gateways", options.gateways, "TLS connections that they come over")
      ->capture_default_str()
      ->check(CLI::Range(1U, 100'000U));
  command
      .add_option("--packets-per-record", options.plan.packets_per_record,
                  "Packets that a gateway writes at once: one TLS record")
      ->capture_default_str()
      ->check(CLI::Range(1U, sim::kPacketsPerRecordMax));
}

void add_pipeline(CLI::App& bench, Exit& exit) {
  const auto arguments = std::make_shared<PipelineArguments>();
  auto* command = bench.add_subcommand("pipeline", kAbout);
  add_town(*command, arguments->options);
  command->add_option("--seconds", arguments->seconds, "How long packets are sent")
      ->capture_default_str()
      ->check(CLI::Range(1U, 86'400U));
  command->add_option("--rate", arguments->rate, "Packets a second, or max; every meter once in 30 s when not given")
      ->check(check_rate);
  command
      ->add_option("--interval", arguments->interval,
                   "Seconds between two lines of intermediate figures on stderr; 0: none")
      ->capture_default_str();
  command->add_flag("--add-rule", arguments->options.add_rule,
                    "Add a rule in the middle of the load and measure how soon it works");
  command->add_option("--data", arguments->options.data,
                      "Directory to keep; the same town goes on in it. A temporary one when not given");
  command->add_flag("--json", arguments->as_json, "The result as JSON");
  command->footer(kExamples);
  command->callback([arguments, &exit] { exit.code = report(run(*arguments)); });
}

// For bench pipeline alone, hence not shown.
void add_generate(CLI::App& bench, Exit& exit) {
  const auto options = std::make_shared<bench::GenerateOptions>();
  const auto milliseconds = std::make_shared<std::int64_t>(0);
  const auto interval = std::make_shared<std::int64_t>(0);
  auto* command = bench.add_subcommand("generate", "The load of bench pipeline");
  command->group("");
  add_town(*command, options->pipeline);
  command->add_option("--milliseconds", *milliseconds)->required();
  command->add_option("--rate", options->pipeline.plan.rate)->required();
  command->add_option("--interval", *interval)->required();
  command->add_option("--first-counter", options->first_fcnt)->required();
  command->add_option("--ca", options->ca)->required();
  command->add_option("--states", options->states)->required();
  command->callback([options, milliseconds, interval, &exit] {
    options->pipeline.interval = std::chrono::seconds(*interval);
    options->pipeline.plan.span = std::chrono::milliseconds(*milliseconds);
    exit.code = report(bench::generate(*options));
  });
}

// ---- storm ----

constexpr char kStormAbout[] =
    "Measures whether gateways notice what others do: 10,000 that return at once, half-open TLS handshakes, wrong\n"
    "tokens, a device that floods, readers that stop reading. The platform as `meterhub serve` runs it, steady\n"
    "gateways in a second process, the storm in a third.";

std::map<std::string, bench::Storm> storms_by_name() {
  std::map<std::string, bench::Storm> out;
  for (const auto storm : bench::kStorms) out.emplace(bench::storm_name(storm), storm);
  return out;
}

base::Result<int> run_storm(const bench::StormOptions& options, bool as_json) {
  const auto signals = MH_TRY(StopSignals::create());
  const auto report = MH_TRY(bench::run_storms(options, *signals));
  fmt::print("{}", as_json ? report.json() : report.text());
  std::fflush(stdout);
  return report.clean() ? 0 : 1;
}

void add_storm_town(CLI::App& command, bench::StormTown& town) {
  command.add_option("--meters", town.meters, "Meters of the steady gateways")
      ->capture_default_str()
      ->check(CLI::Range(1U, sim::kTownMetersMax));
  command.add_option("--steady", town.steady, "Gateways that must not notice")
      ->capture_default_str()
      ->check(CLI::Range(1U, 10'000U));
  command.add_option("--returning", town.returning, "Gateways that drop and return at once")
      ->capture_default_str()
      ->check(CLI::Range(1U, 60'000U));
}

void add_storm(CLI::App& bench_command, Exit& exit) {
  const auto options = std::make_shared<bench::StormOptions>();
  const auto as_json = std::make_shared<bool>(false);
  const auto seconds = std::make_shared<std::uint32_t>(10);
  auto* command = bench_command.add_subcommand("storm", kStormAbout);
  add_storm_town(*command, options->town);
  command->add_option("--rate", options->rate, "Packets a second of the steady gateways")->capture_default_str()->check(CLI::Range(1.0, 100'000.0));
  command->add_option("--half-open-rate", options->half_open_rate, "Half-open handshakes a second")->capture_default_str()->check(CLI::Range(1.0, 20'000.0));
  command->add_flag("--tickets", options->tickets, "Gateways that return resume their TLS sessions");
  command->add_option("--seconds", *seconds, "How long before, during and after each storm is measured")->capture_default_str()->check(CLI::Range(1U, 3'600U));
  command->add_option("--storms", options->storms, "Which ones, all when not given")->delimiter(',')->transform(CLI::CheckedTransformer(storms_by_name()));
  command->add_flag("--json", *as_json, "The result as JSON");
  command->callback([=, &exit] {
    options->span = std::chrono::seconds(*seconds);
    exit.code = report(run_storm(*options, *as_json));
  });
}

CLI::App* add_storm_role(CLI::App& bench_command, const char* name, bench::StormRole& role) {
  auto* command = bench_command.add_subcommand(name, "A process of bench storm");
  command->group("");
  add_storm_town(*command, role.town);
  command->add_option("--rate", role.rate)->required();
  command->add_option("--hub", role.hub)->required();
  command->add_option("--ca", role.ca)->required();
  return command;
}

// For bench storm alone, hence not shown.
void add_storm_roles(CLI::App& bench_command, Exit& exit) {
  const auto role = std::make_shared<bench::StormRole>();
  const auto states = std::make_shared<std::string>();
  auto* steady = add_storm_role(bench_command, "storm-steady", *role);
  steady->add_option("--states", *states)->required();
  steady->callback([=, &exit] { exit.code = report(bench::play_steady(*role, *states)); });
  const auto storm = std::make_shared<bench::Storm>();
  const auto milliseconds = std::make_shared<std::int64_t>(0);
  auto* maker = add_storm_role(bench_command, "storm-maker", *role);
  maker->add_option("--storm", *storm)->required()->transform(CLI::CheckedTransformer(storms_by_name()));
  maker->add_option("--milliseconds", *milliseconds)->required();
  maker->add_flag("--tickets", role->tickets);
  maker->callback([=, &exit] { exit.code = report(bench::play_storm(*role, *storm, std::chrono::milliseconds(*milliseconds))); });
}

// ---- sql ----

constexpr char kSqlAbout[] =
    "Measures what queries cost on one core: made-up packets lie as JSON in a log, are read in blocks as a job\n"
    "reads them, run, and every row is written as JSON. CPU time, so that other programs matter little.";
constexpr char kSqlExamples[] =
    "Examples:\n"
    "  meterhub bench sql                                             the case study's queries, a window, LAG; DuckDB beside them\n"
    "  meterhub bench sql --query queries/08-usage-trend.sql --meters 100000\n"
    "  meterhub bench sql --pack queries --meters 100000 --hours 2    every query in a process of its own, for its memory";

struct SqlArguments {
  bench::SqlOptions options;
  std::uint32_t interval = 30;
  double hours = 0;
  std::string query, pack;
  bool as_json = false;
};

base::Result<int> run_sql(SqlArguments arguments) {
  auto& options = arguments.options;
  options.interval = std::chrono::seconds(arguments.interval);
  if (arguments.hours > 0) {
    if (options.meters == 0) return base::fail(base::Errc::kInvalidArgument, "--hours needs --meters");
    options.events = static_cast<std::uint64_t>(arguments.hours * 3600 / arguments.interval * options.meters);
  }
  base::Result<bench::SqlReport> outcome;
  if (arguments.pack.empty()) {
    const auto cases = arguments.query.empty() ? bench::usual_cases() : std::vector{MH_TRY(bench::case_of(arguments.query))};
    outcome = bench::run_sql(cases, options);
  } else {
    if (options.events == 0) return base::fail(base::Errc::kInvalidArgument, "--pack needs --hours and --meters");
    options.log = bench::SqlLog::kMemory;
    const auto signals = MH_TRY(StopSignals::create());
    outcome = bench::run_pack(arguments.pack, options, *signals);
  }
  const auto report = MH_TRY(std::move(outcome));
  fmt::print("{}", arguments.as_json ? report.json() : report.text());
  std::fflush(stdout);
  return report.clean() ? 0 : 1;
}

void add_sql_bench(CLI::App& bench_command, Exit& exit) {
  const auto arguments = std::make_shared<SqlArguments>();
  auto* command = bench_command.add_subcommand("sql", kSqlAbout);
  auto& options = arguments->options;
  command->add_option("--meters", options.meters, "Meters that send; each query's own number when not given")
      ->check(CLI::Range(1U, sim::kTownMetersMax));
  command->add_option("--seconds", options.seconds, "CPU time that each query is measured for, at least")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 3'600.0));
  command->add_option("--interval", arguments->interval, "Seconds between two packets of a meter")
      ->capture_default_str()
      ->check(CLI::Range(1U, 86'400U));
  command->add_option("--hours", arguments->hours, "Time that passes on the meters, as fast as it goes, instead of --seconds")
      ->check(CLI::Range(0.0, 10'000.0));
  command->add_option("--events", options.events, "So many packets exactly")->group("");
  command->add_option("--log", options.log, "Where packets are read from: embedded (on disk) or memory")
      ->transform(CLI::CheckedTransformer(std::map<std::string, bench::SqlLog>{{"embedded", bench::SqlLog::kEmbedded}, {"memory", bench::SqlLog::kMemory}}));
  auto* query = command->add_option("--query", arguments->query, "File with the query to run instead; one stream, reference data is made up");
  command->add_option("--pack", arguments->pack, "Directory with queries: memory of each")->excludes(query);
  command->add_flag("--json", arguments->as_json, "The result as JSON");
  command->footer(kSqlExamples);
  command->callback([arguments, &exit] { exit.code = report(run_sql(*arguments)); });
}

}  // namespace

void add_bench(CLI::App& program, Exit& exit) {
  auto* command = program.add_subcommand("bench", "Measures what this machine can carry");
  command->require_subcommand(1);
  add_pipeline(*command, exit);
  add_generate(*command, exit);
  add_storm(*command, exit);
  add_storm_roles(*command, exit);
  add_sql_bench(*command, exit);
}

}  // namespace meterhub::app
