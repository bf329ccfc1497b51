// meterhub lake query | compact | check.
#include <iostream>
#include <map>
#include <memory>

#include <meterhub/lake/query.h>
#include <meterhub/lake/writer.h>

#include "commands.h"
#include "data_directory.h"

namespace meterhub::app {
namespace {

struct LakeArguments {
  std::string data = "meterhub-data";
  std::string sql;
  lake::Format format = lake::Format::kTable;

  std::string directory() const { return base::join_path(data, "lake"); }
};
using Arguments = std::shared_ptr<LakeArguments>;

int refused(const base::Error& error) {
  std::cerr << "meterhub: " << error.text << '\n';
  return 1;
}

int run_query(const LakeArguments& arguments) {
  const base::PosixDisk disk;
  const auto text = lake::query_text(disk, arguments.directory(), arguments.sql, arguments.format);
  if (!text) return refused(text.error());
  std::cout << *text << std::flush;
  return 0;
}

int run_check(const LakeArguments& arguments) {
  const base::PosixDisk disk;
  const auto report = lake::check(disk, arguments.directory());
  if (!report) return refused(report.error());
  for (const auto& problem : report->problems) std::cerr << problem << '\n';
  std::cout << "files " << report->files << " rows " << report->rows << " missing " << report->missing_files
            << " wrong " << report->wrong_rows << " unlisted " << report->unlisted << " duplicate "
            << report->duplicates << '\n';
  return report->clean() ? 0 : 1;
}

int run_compact(const LakeArguments& arguments) {
  if (const auto answer = compact_by_owner(arguments.data)) {
    if (!*answer) return refused(answer->error());
    std::cout << **answer << '\n';
    return 0;
  }
  base::PosixDisk disk;
  const auto there = disk.exists(arguments.directory());
  if (!there) return refused(there.error());
  if (!*there) return refused({base::Errc::kNotFound, arguments.directory() + ": there is no lake here"});
  const auto lock = DirectoryLock::take(disk, DataPaths{arguments.data});
  if (!lock) return refused(lock.error());
  const auto written = lake::compact(disk, {.directory = arguments.directory()});
  if (!written) return refused(written.error());
  std::cout << "compacted: " << *written << " objects written\n";
  return 0;
}

void add_data(CLI::App& command, const Arguments& arguments) {
  command.add_option("--data", arguments->data, "The data directory; the lake is in its folder lake/")
      ->capture_default_str();
}

}  // namespace

void add_lake(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<LakeArguments>();
  CLI::App* lake = program.add_subcommand("lake", "The history as a table: query, compact, check");
  lake->require_subcommand(1);

  CLI::App* query = lake->add_subcommand("query", "Runs one SELECT over the table `readings`, read-only");
  query->add_option("sql", arguments->sql, "For example: SELECT count(*) FROM readings")->required();
  const std::map<std::string, lake::Format> formats{
      {"table", lake::Format::kTable}, {"csv", lake::Format::kCsv}, {"json", lake::Format::kJson}};
  query->add_option("--format", arguments->format, "table, csv or json (one object a line)")
      ->transform(CLI::CheckedTransformer(formats).description("table|csv|json"));
  add_data(*query, arguments);
  query->callback([arguments, &exit] { exit.code = run_query(*arguments); });

  CLI::App* compact = lake->add_subcommand("compact", "Closes all hours, open ones too, and folds late rows in");
  add_data(*compact, arguments);
  compact->callback([arguments, &exit] { exit.code = run_compact(*arguments); });

  CLI::App* check = lake->add_subcommand("check", "Compares manifest and files, and looks for repeated readings");
  add_data(*check, arguments);
  check->callback([arguments, &exit] { exit.code = run_check(*arguments); });
}

}  // namespace meterhub::app
