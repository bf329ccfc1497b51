#include <cstdio>

#include "commands.h"

namespace meterhub::app {

void add_version(CLI::App& program, Exit& /*exit*/) {
  program.set_version_flag("--version", "meterhub " METERHUB_VERSION);
  program.add_subcommand("version", "Print the version")->callback([] { std::puts("meterhub " METERHUB_VERSION); });
}

}  // namespace meterhub::app
