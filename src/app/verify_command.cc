// meterhub verify: what the simulated meters sent against lake and alerts.
#include <iostream>
#include <memory>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/sim/verify.h>

#include "commands.h"

namespace meterhub::app {
namespace {

struct VerifyArguments {
  std::string data = "meterhub-data";
  std::string sent;  // empty: sent.mhs in the data directory
};

int run(const VerifyArguments& arguments) {
  const base::PosixDisk disk;
  sim::VerifyOptions options;
  options.sent_file = arguments.sent.empty() ? base::join_path(arguments.data, "sent.mhs") : arguments.sent;
  options.lake = base::join_path(arguments.data, "lake");
  options.database = base::join_path(arguments.data, "database.sqlite");
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
  command->callback([arguments, &exit] { exit.code = run(*arguments); });
}

}  // namespace meterhub::app
