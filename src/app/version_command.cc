#include <cstdio>

#include "commands.h"

namespace meterhub::app {

void add_version(CLI::App& program, Exit& /*exit*/) {
  program.add_subcommand("version", "Print the version")->callback([] { std::puts("meterhub " METERHUB_VERSION); });
}

}  // namespace meterhub::app
