#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>

#include "bench/command.h"
#include "commands.h"

namespace {

// The word that was taken for a command and is none; nothing when there was no word.
std::string unknown_command(const CLI::App& program) {
  const auto* at = &program;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().back();
  const auto rest = at->remaining();
  if (rest.empty() || at->get_require_subcommand_min() == 0) return {};
  if (rest.front().starts_with('-')) return "there is no option " + rest.front() + "; --help names those there are";
  std::string known;
  for (const auto* command : at->get_subcommands({})) {
    if (!command->get_group().empty()) known += (known.empty() ? "" : ", ") + command->get_name();
  }
  return (at == &program ? "" : at->get_name() + ": ") + "\"" + rest.front() + "\" is no command; there are " + known;
}

int wrong_usage(const CLI::App& program, const CLI::ParseError& error) {
  const auto unknown = unknown_command(program);
  if (unknown.empty()) return program.exit(error) == 0 ? 0 : 2;
  std::cerr << "meterhub: " << unknown << '\n';
  return 2;
}

// A full disk behind stdout must not pass for success.
int after_output(int code) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout) return code;
  std::cerr << "meterhub: the result could not be written: " << std::strerror(errno) << '\n';
  return code == 0 ? 1 : code;
}

}  // namespace

// Callbacks run inside parse(); a library's exception ends here, with a text and code 1.
int main(int argc, char** argv) {
  using namespace meterhub::app;
  CLI::App program{"Meterhub collects, decrypts, analyses and keeps the readings of radio gas meters.", "meterhub"};
  program.require_subcommand(1);
  program.footer("One command shows it all: meterhub demo");
  Exit exit;
  add_alerts(program, exit);
  add_backup(program, exit);
  add_bench(program, exit);
  add_config(program, exit);
  add_deadletter(program, exit);
  add_demo(program, exit);
  add_decode(program, exit);
  add_simulate(program, exit);
  add_registry(program, exit);
  add_token(program, exit);
  add_job(program, exit);
  add_lake(program, exit);
  add_notify(program, exit);
  add_send(program, exit);
  add_replay(program, exit);
  add_restore(program, exit);
  add_serve(program, exit);
  add_sql(program, exit);
  add_usage(program, exit);
  add_verify(program, exit);
  add_status(program, exit);
  add_tls(program, exit);
  add_trace(program, exit);
  add_version(program, exit);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return after_output(wrong_usage(program, error));
  } catch (const std::exception& error) {
    std::cerr << "meterhub: " << error.what() << '\n';
    return 1;
  }
  return after_output(exit.code);
}
