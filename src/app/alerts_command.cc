// meterhub alerts: rows of the table that the alert job writes.
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include <meterhub/tables/database.h>

#include "commands.h"
#include "data_directory.h"
#include "program.h"

namespace meterhub::app {
namespace {

constexpr std::chrono::milliseconds kLook{500};
constexpr std::size_t kBlock = 1000;

struct AlertArguments {
  std::string data = "meterhub-data";
  std::size_t limit = 100;
};

// The database may be read beside the process that writes it.
base::Result<std::unique_ptr<tables::Database>> open_database(const AlertArguments& arguments, const base::Clock& clock) {
  const auto file = DataPaths{arguments.data}.database();
  if (!MH_TRY(base::PosixDisk().exists(file))) return base::fail(base::Errc::kNotFound, file + ": there is no database");
  return tables::Database::open(file, clock);
}

void print_row(const tables::StoredRow& row) {
  std::string line;
  for (const auto& cell : row.cells) line += (line.empty() ? "" : "  ") + tables::cell_text(cell);
  fmt::print("{}\n", line);
}

void print_header(const tables::StoredRows& rows) {
  std::string line;
  for (const auto& column : rows.columns) line += (line.empty() ? "" : "  ") + column.name;
  fmt::print("{}\n", line);
}

base::Result<int> list(const AlertArguments& arguments) {
  const base::SystemClock clock;
  const auto database = MH_TRY(open_database(arguments, clock));
  const auto rows = MH_TRY(database->last(tables::kAlertsTable, arguments.limit));
  print_header(rows);
  for (const auto& row : rows.rows) print_row(row);
  return 0;
}

base::Result<int> follow(const AlertArguments& arguments) {
  const base::SystemClock clock;
  const auto database = MH_TRY(open_database(arguments, clock));
  auto position = MH_TRY(database->newest_id(tables::kAlertsTable));
  print_header(MH_TRY(database->last(tables::kAlertsTable, 0)));
  while (true) {
    const auto rows = MH_TRY(database->after(tables::kAlertsTable, position, kBlock));
    for (const auto& row : rows.rows) {
      print_row(row);
      position = row.id;
    }
    std::fflush(stdout);
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace

void add_alerts(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<AlertArguments>();
  auto* command = program.add_subcommand("alerts", "Alerts: list, follow")->require_subcommand(1);
  auto* list_command = command->add_subcommand("list", "The newest alerts, newest first");
  list_command->add_option("--limit", arguments->limit, "How many")->capture_default_str();
  auto* follow_command = command->add_subcommand("follow", "New alerts as they come, until Ctrl-C");
  for (auto* one : {list_command, follow_command}) {
    one->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  }
  list_command->callback([arguments, &exit] { exit.code = report(list(*arguments)); });
  follow_command->callback([arguments, &exit] { exit.code = report(follow(*arguments)); });
}

}  // namespace meterhub::app
