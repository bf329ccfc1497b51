// meterhub_chaos: kills and breaks what a platform consists of, and then asks for every packet that was settled.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "run.h"

namespace meterhub::chaos {
namespace {

struct Arguments {
  std::uint64_t seed = 1;
  std::string form = "both";
  std::uint32_t kills = 10;
  std::uint32_t minutes = 0;
  std::string faults;
  std::uint32_t loss = 0;
  std::uint32_t meters = 200;
  std::string interval = "1s";
  std::string folder;
  bool schedule_only = false;
  bool quiet = false;
  bool keep = false;
};

base::Result<bool> run_form(const Arguments& arguments, Form form, const std::filesystem::path& folder) {
  RunOptions options;
  options.plan = {arguments.seed, form, arguments.kills, MH_TRY(parse_faults(arguments.faults))};
  if (arguments.schedule_only) {
    for (const auto& step : make_schedule(options.plan)) {
      fmt::print("{} {:5} ms after {}: {}\n", form_name(form), step.pause.count(), step.from_ready ? "ready" : "the last", step.text());
    }
    return true;
  }
  options.folder = folder / std::string(form_name(form));
  if (arguments.minutes > 0) options.longest = std::chrono::minutes(arguments.minutes);
  options.loss = arguments.loss;
  options.meters = arguments.meters;
  options.interval = arguments.interval;
  options.verbose = !arguments.quiet;
  std::filesystem::create_directories(options.folder);
  const auto report = MH_TRY(run(options));
  fmt::print("{}", report.text());
  std::fflush(stdout);
  if (report.clean() && !arguments.keep) std::filesystem::remove_all(options.folder);
  return report.clean();
}

base::Result<bool> run_all(const Arguments& arguments) {
  std::string name = (std::filesystem::temp_directory_path() / "meterhub-chaos-XXXXXX").string();
  const std::filesystem::path folder = arguments.folder.empty() ? ::mkdtemp(name.data()) : arguments.folder;
  bool clean = true;
  if (arguments.form != "beside") clean = MH_TRY(run_form(arguments, Form::kInside, folder)) && clean;
  if (arguments.form != "inside") clean = MH_TRY(run_form(arguments, Form::kBeside, folder)) && clean;
  if (!clean) fmt::print("data and logs are kept in {}\n", folder.string());
  std::error_code ignored;
  if (clean && !arguments.keep && arguments.folder.empty()) std::filesystem::remove_all(folder, ignored);
  return clean;
}

}  // namespace
}  // namespace meterhub::chaos

#ifdef __SANITIZE_THREAD__
// When the judge starts a program, its DuckDB's allocator takes more locks at the fork than the sanitizer can count.
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }  // NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
#endif

int main(int argc, char** argv) {
  using namespace meterhub::chaos;
  CLI::App program("Kills and breaks a running platform, by a schedule that follows from a seed. Exit code 1 when anything settled is missing, "
                   "anything is there twice, or anything ended unexplained; data and logs are kept then.");
  Arguments arguments;
  program.add_option("--seed", arguments.seed, "Of the schedule and of the town")->capture_default_str();
  program.add_option("--form", arguments.form, "inside: the network server in the platform's process; beside: three processes; both")
      ->check(CLI::IsMember({"inside", "beside", "both"}))->capture_default_str();
  program.add_option("--kills", arguments.kills, "SIGKILLs of platform and network servers in each form; without kills among the faults, steps")->capture_default_str();
  program.add_option("--minutes", arguments.minutes, "The schedule is left after so long; 0: it is played to its end")->capture_default_str();
  program.add_option("--faults", arguments.faults, "Of " + all_fault_names() + "; all when not given");
  program.add_option("--loss", arguments.loss, "Percent of all datagrams that are lost all the time, besides the schedule")->check(CLI::Range(0, 90))->capture_default_str();
  program.add_option("--meters", arguments.meters, "Size of the town")->capture_default_str();
  program.add_option("--interval", arguments.interval, "Between two packets of a meter")->capture_default_str();
  program.add_option("--folder", arguments.folder, "For data and logs; a temporary one when not given");
  program.add_flag("--schedule", arguments.schedule_only, "Print the schedule and do nothing");
  program.add_flag("--quiet", arguments.quiet, "Only the summaries");
  program.add_flag("--keep", arguments.keep, "Keep data and logs of a clean run, too");
  CLI11_PARSE(program, argc, argv);
  const auto clean = run_all(arguments);
  if (!clean) {
    fmt::print(stderr, "meterhub_chaos: {}\n", clean.error().text);
    return 2;
  }
  return *clean ? 0 : 1;
}
