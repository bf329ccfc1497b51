#include <exception>
#include <iostream>

#include "bench/command.h"
#include "commands.h"

// Callbacks run inside parse(); a library's exception ends here, with a text and code 1.
int main(int argc, char** argv) {
  using namespace meterhub::app;
  CLI::App program{"Meterhub collects, decrypts, analyses and keeps the readings of radio gas meters.", "meterhub"};
  program.require_subcommand(1);
  program.footer("One command shows it all: meterhub demo");
  Exit exit;
  add_alerts(program, exit);
  add_bench(program, exit);
  add_config(program, exit);
  add_deadletter(program, exit);
  add_demo(program, exit);
  add_decode(program, exit);
  add_simulate(program, exit);
  add_registry(program, exit);
  add_token(program, exit);
  add_lake(program, exit);
  add_send(program, exit);
  add_serve(program, exit);
  add_sql(program, exit);
  add_verify(program, exit);
  add_status(program, exit);
  add_tls(program, exit);
  add_trace(program, exit);
  add_version(program, exit);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "meterhub: " << error.what() << '\n';
    return 1;
  }
  return exit.code;
}
