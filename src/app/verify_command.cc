// meterhub verify: what the simulated meters sent against lake and alerts.
#include <iostream>
#include <memory>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/sim/verify.h>

#include "ask.h"
#include "commands.h"

namespace meterhub::app {
namespace {

struct VerifyArguments {
  std::string data = "meterhub-data";
  std::string sent;  // empty: sent.mhs in the data directory
  bool any_time = false;
  std::string settled_by;
  std::int64_t low_limit_litres = sim::VerifyOptions().low_limit_litres;
};

int run(const VerifyArguments& arguments) {
  const base::PosixDisk disk;
  if (is_running(arguments.data)) std::cerr << "a platform runs here: what is still under way counts as missing\n";
  sim::VerifyOptions options;
  options.sent_file = arguments.sent.empty() ? base::join_path(arguments.data, "sent.mhs") : arguments.sent;
  options.settled_by = arguments.settled_by;
  options.lake = base::join_path(arguments.data, "lake");
  options.database = base::join_path(arguments.data, "database.sqlite");
  options.low_limit_litres = arguments.low_limit_litres;
  options.compare_times = !arguments.any_time;
  if (const auto there = disk.exists(options.sent_file); there && !*there) {
    std::cerr << "meterhub: " << options.sent_file << ": nothing to compare with; the demo writes it into its data directory, simulate where its --sent says\n";
    return 1;
  }
  const auto report = sim::verify(disk, options);
  if (!report) {
    std::cerr << "meterhub: " << report.error().text << '\n';
    return 1;
  }
  std::cout << report->text() << std::flush;
  return report->clean() ? 0 : 1;
}

}  // namespace

void add_verify(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<VerifyArguments>();
  auto* command = program.add_subcommand("verify", "Compare what simulated meters sent with lake and alerts; exit code 1 if anything differs");
  command->add_option("--data", arguments->data, "The platform's data directory")->capture_default_str();
  command->add_option("--sent", arguments->sent, "The truth; sent.mhs in the data directory when not given");
  command->add_flag("--any-time", arguments->any_time, "Do not compare times: the platform's clock was wrong for a while");
  command->add_option("--low-limit", arguments->low_limit_litres, "Litres below which readings have alerts: the platform's rules.low_limit_litres")
      ->capture_default_str();
  command->add_option("--settled-by", arguments->settled_by,
                      "A copy of the truth made before a backup: only what it calls settled must be there");
  command->callback([arguments, &exit] { exit.code = run(*arguments); });
}

}  // namespace meterhub::app
