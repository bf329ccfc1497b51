// meterhub tls: the platform's own authority, and certificates for its NS processes.
#include <iostream>
#include <memory>

#include <meterhub/base/time_text.h>
#include <meterhub/crypto/certificates.h>

#include "commands.h"
#include "data_directory.h"
#include "program.h"
#include "tls_files.h"

namespace meterhub::app {
namespace {

struct TlsArguments {
  std::string data = "meterhub-data";
  std::string name, to = ".";
  std::vector<std::string> names;
};

base::Result<int> print_authority(const TlsArguments& arguments) {
  base::PosixDisk disk;
  const auto file = base::join_path(DataPaths{arguments.data}.tls(), "ca.pem");
  const auto pem = MH_TRY(disk.read(file));
  const auto facts = MH_TRY(crypto::read_certificate(pem));
  std::cerr << file << ": " << facts.subject << ", until " << base::rfc3339(facts.until) << ", SHA-256 " << facts.sha256 << '\n';
  std::cout << pem;
  return 0;
}

base::Result<int> issue(const TlsArguments& arguments) {
  base::PosixDisk disk;
  const auto made = MH_TRY(issue_certificate(disk, base::SystemClock(), DataPaths{arguments.data}.tls(), arguments.name,
                                             arguments.names, arguments.to));
  std::cout << made << '\n';
  return 0;
}

}  // namespace

void add_tls(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<TlsArguments>();
  auto* command = program.add_subcommand("tls", "The platform's own certificates: ca, issue")->require_subcommand(1);
  auto* authority = command->add_subcommand("ca", "Print the authority's certificate, which clients are to trust");
  auto* issue_command = command->add_subcommand("issue", "Make a certificate for an NS process: NAME.pem, NAME.key, ca.pem");
  issue_command->add_option("--name", arguments->name, "Common name, as ns-1")->required();
  issue_command->add_option("--host", arguments->names, "Further names and addresses of its machine");
  issue_command->add_option("--to", arguments->to, "Directory for the files")->capture_default_str();
  for (auto* one : {authority, issue_command}) {
    one->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  }
  authority->callback([arguments, &exit] { exit.code = report(print_authority(*arguments)); });
  issue_command->callback([arguments, &exit] { exit.code = report(issue(*arguments)); });
}

}  // namespace meterhub::app
