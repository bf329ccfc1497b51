// meterhub demo: one command that shows it all.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <unistd.h>

#include <fmt/format.h>

#include <meterhub/sim/verify.h>

#include "commands.h"
#include "demo.h"
#include "live_summary.h"
#include "program.h"
#include "signals.h"

namespace meterhub::app {
namespace {

struct DemoArguments {
  DemoOptions options;
  std::string span;
  std::string interval = "30s";
  std::uint64_t seed = 0;
};

std::string program_path() {
  std::array<char, 4096> path{};
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string("meterhub");
}

// Whoever stopped reading, as `tee` on the same Ctrl-C, does not end a platform.
void say(std::FILE* to, const std::string& text) {
  std::fputs(text.c_str(), to);
  std::fflush(to);
}

base::Result<void> print_addresses(Demo& demo) {
  auto& platform = demo.platform();
  const auto connection = MH_TRY(demo.reader_connection());
  // The reader's next terminal may stand elsewhere.
  const auto absolute = [](const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); };
  const auto ca = absolute(platform.tls().authority_file);
  say(stdout, fmt::format("data       {}\n", absolute(platform.paths().root)));
  say(stdout, fmt::format("page       {}\n", platform.page_url()));
  say(stdout, fmt::format("hub        amqps://{}\n", demo.host()));
  say(stdout, fmt::format("CA file    {}\n", ca));
  say(stdout, fmt::format("gateway    {}\n", connection));
  say(stdout, fmt::format("send the case study's frame:\n  {} send --connection \"{}\" --ca {} --sample\n", program_path(), connection, ca));
  return {};
}

// Until a signal, or the time is over. An error: the simulator cannot go on.
base::Result<void> watch(Demo& demo, StopSignals& signals, std::chrono::milliseconds span) {
  LiveSummary summary(demo.platform());
  const auto& clock = demo.platform().clock();
  const auto end = clock.monotonic() + span;
  while (span.count() == 0 || clock.monotonic() < end) {
    if (signals.wait(std::chrono::seconds(1))) break;
    summary.show();
    MH_TRY_VOID(demo.town().health());
  }
  summary.end();
  return {};
}

void print_counts(Demo& demo) {
  const auto sent = demo.town().counts();
  const auto& metrics = demo.platform().metrics();
  say(stdout, fmt::format("\nthis run: {} packets, {} lost on the air, {} copies in {} messages, {} settled\n", sent.packets,
             sent.lost_on_air, sent.receptions, sent.deliveries, sent.settled));
  say(stdout, fmt::format("copies that died: {} duplicates in deduplication; put aside: {} noise, {} dead letters\n",
             metrics.total("meterhub_stream_duplicates_total"), metrics.total("meterhub_connector_noise_total"),
             metrics.total("meterhub_connector_dead_letters_total") + metrics.total("meterhub_stream_dead_letters_total")));
}

// All runs on this directory, by what is stored; alerts by the limit of this run.
base::Result<bool> print_verdict(const DataPaths& paths, const base::Settings& settings) {
  const base::PosixDisk disk;
  sim::VerifyOptions options;
  options.sent_file = truth_file(paths);
  options.lake = paths.lake();
  options.low_limit_litres = settings.integer("rules.low_limit_litres");
  const auto& pack = settings.list("stream.pack");
  if (std::ranges::find(pack, "low-balance-alert") != pack.end()) options.database = paths.database();
  const auto report = MH_TRY(sim::verify(disk, options));
  say(stdout, report.text());
  return report.clean();
}

base::Result<int> run_demo(DemoArguments arguments) {
  auto& plan = arguments.options.town;
  plan.interval = MH_TRY(base::parse_duration(arguments.interval));
  if (arguments.seed != 0) plan.seed = arguments.seed;
  const auto span = arguments.span.empty() ? std::chrono::milliseconds(0) : MH_TRY(base::parse_duration(arguments.span));
  const auto settings = MH_TRY(demo_settings(arguments.options));
  configure_logging(settings);
  const auto signals = MH_TRY(StopSignals::create());
  auto demo = MH_TRY(Demo::start(settings, arguments.options));
  MH_TRY_VOID(print_addresses(*demo));
  MH_TRY_VOID(watch(*demo, *signals, span));
  signals->let_next_end_the_process();
  say(stderr, "stopping: waiting until everything settled has passed; Ctrl-C once more ends at once\n");
  const bool whole = demo->finish();
  print_counts(*demo);
  const DataPaths paths = demo->platform().paths();
  demo.reset();
  const bool clean = MH_TRY(print_verdict(paths, settings));
  return whole && clean ? 0 : 1;
}

}  // namespace

void add_demo(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<DemoArguments>();
  auto* command = program.add_subcommand("demo", "Runs the whole platform with a simulated town");
  command->add_option("--meters", arguments->options.town.meters, "Meters of a new town")->check(CLI::Range(1U, sim::kTownMetersMax))->capture_default_str();
  command->add_option("--data", arguments->options.data, "Data directory; an earlier demo in it goes on")->capture_default_str();
  command->add_option("--for", arguments->span, "How long, as 60s; until Ctrl-C when not given")->check(check_span);
  command->add_option("--interval", arguments->interval, "Between two packets of a meter")->check(check_interval)->capture_default_str();
  command->add_option("--seed", arguments->seed, "Of a new town; drawn when not given. Who knows it knows all keys");
  command->callback([arguments, &exit] { exit.code = report(run_demo(*arguments)); });
}

}  // namespace meterhub::app
