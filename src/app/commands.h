// The commands of the program (docs/reference/commands.md). Each lives in a file of its
// own and adds itself to the command line; its callback sets `exit_code`.
#pragma once

#include <CLI/CLI.hpp>

namespace meterhub::app {

// What a command leaves behind: 0 fine, 1 failed, 2 wrong usage (sql: 3 as its spec says).
struct Exit {
  int code = 0;
};

void add_config(CLI::App& program, Exit& exit);
void add_token(CLI::App& program, Exit& exit);
void add_version(CLI::App& program, Exit& exit);

}  // namespace meterhub::app
