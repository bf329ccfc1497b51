// meterhub bench: what this machine can carry.
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include <meterhub/base/settings.h>

#include "../program.h"
#include "command.h"
#include "generate.h"
#include "pipeline.h"

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
  const auto signals = MH_TRY(StopSignals::create());
  const auto report = MH_TRY(bench::run_pipeline(arguments.options, *signals));
  fmt::print("{}", arguments.as_json ? report.json() : report.text());
  std::fflush(stdout);
  return report.clean() ? 0 : 1;
}

void add_town(CLI::App& command, PipelineOptions& options) {
  command.add_option("--meters", options.meters, "Meters in the registry; all send in turn")->capture_default_str()->check(CLI::Range(1U, sim::kTownMetersMax));
  command.add_option("--gateways", options.gateways, "TLS connections that they come over")->capture_default_str()->check(CLI::Range(1U, 100'000U));
  command.add_option("--packets-per-record", options.plan.packets_per_record, "Packets that a gateway writes at once: one TLS record")
      ->capture_default_str()->check(CLI::Range(1U, sim::kPacketsPerRecordMax));
}

void add_pipeline(CLI::App& bench, Exit& exit) {
  const auto arguments = std::make_shared<PipelineArguments>();
  auto* command = bench.add_subcommand("pipeline", kAbout);
  add_town(*command, arguments->options);
  command->add_option("--seconds", arguments->seconds, "How long packets are sent")->capture_default_str()->check(CLI::Range(1U, 86'400U));
  command->add_option("--rate", arguments->rate, "Packets a second, or max; every meter once in 30 s when not given")->check(check_rate);
  command->add_option("--data", arguments->options.data, "Directory to keep; the same town goes on in it. A temporary one when not given");
  command->add_flag("--json", arguments->as_json, "The result as JSON");
  command->footer(kExamples);
  command->callback([arguments, &exit] { exit.code = report(run(*arguments)); });
}

// For bench pipeline alone, hence not shown.
void add_generate(CLI::App& bench, Exit& exit) {
  const auto options = std::make_shared<bench::GenerateOptions>();
  const auto milliseconds = std::make_shared<std::int64_t>(0);
  auto* command = bench.add_subcommand("generate", "The load of bench pipeline");
  command->group("");
  add_town(*command, options->pipeline);
  command->add_option("--milliseconds", *milliseconds)->required();
  command->add_option("--rate", options->pipeline.plan.rate)->required();
  command->add_option("--first-counter", options->first_fcnt)->required();
  command->add_option("--ca", options->ca)->required();
  command->add_option("--states", options->states)->required();
  command->callback([options, milliseconds, &exit] {
    options->pipeline.plan.span = std::chrono::milliseconds(*milliseconds);
    exit.code = report(bench::generate(*options));
  });
}

}  // namespace

void add_bench(CLI::App& program, Exit& exit) {
  auto* command = program.add_subcommand("bench", "Measures what this machine can carry");
  command->require_subcommand(1);
  add_pipeline(*command, exit);
  add_generate(*command, exit);
}

}  // namespace meterhub::app
