// The commands of the program (docs/reference/commands.md). Each lives in a file of its
// own and adds itself to the command line; its callback sets `exit_code`.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <meterhub/base/result.h>

namespace meterhub::app {

// What a command leaves behind: 0 fine, 1 failed, 2 wrong usage (sql: 3 as its spec says).
struct Exit {
  int code = 0;
};

void add_alerts(CLI::App& program, Exit& exit);
void add_backup(CLI::App& program, Exit& exit);
void add_config(CLI::App& program, Exit& exit);
void add_deadletter(CLI::App& program, Exit& exit);
void add_demo(CLI::App& program, Exit& exit);
void add_decode(CLI::App& program, Exit& exit);
void add_simulate(CLI::App& program, Exit& exit);
void add_registry(CLI::App& program, Exit& exit);
void add_token(CLI::App& program, Exit& exit);
void add_job(CLI::App& program, Exit& exit);
void add_notify(CLI::App& program, Exit& exit);
void add_lake(CLI::App& program, Exit& exit);
void add_send(CLI::App& program, Exit& exit);
void add_replay(CLI::App& program, Exit& exit);
void add_restore(CLI::App& program, Exit& exit);
void add_serve(CLI::App& program, Exit& exit);
void add_sql(CLI::App& program, Exit& exit);
void add_usage(CLI::App& program, Exit& exit);
void add_verify(CLI::App& program, Exit& exit);
void add_status(CLI::App& program, Exit& exit);
void add_tls(CLI::App& program, Exit& exit);
void add_trace(CLI::App& program, Exit& exit);
void add_version(CLI::App& program, Exit& exit);

// Asks the process that owns the data directory to compact its lake; its answer is a
// sentence. Nothing when no process owns it.
std::optional<base::Result<std::string>> compact_by_owner(const std::string& data);

}  // namespace meterhub::app
