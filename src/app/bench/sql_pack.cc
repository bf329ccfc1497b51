// Several queries one after another: the usual ones in this process, a directory of them each in
// its own, so that its memory is its own.
#include <algorithm>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/clock.h>

#include "queries.h"


#include "child.h"
#include "home.h"
#include "sql.h"
#include "sql_json.h"
#include "usage.h"

namespace meterhub::app::bench {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kLook{100};

constexpr char kTumbling[] = R"SQL(
SELECT originData.app.moteeui AS DeviceID, COUNT(*) AS Packets, SUM(userData.used) AS Used, AVG(userData.[left]) AS MeanLeft,
    System.Timestamp() AS WindowEnd
INTO Windows
FROM EventHubInput TIMESTAMP BY userData.time
GROUP BY originData.app.moteeui, TumblingWindow(minute, 5)
)SQL";

constexpr char kLag[] = R"SQL(
SELECT originData.app.moteeui AS DeviceID,
    userData.used - LAG(userData.used) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(hour, 1)) AS Used
INTO Steps
FROM EventHubInput TIMESTAMP BY userData.time
)SQL";

base::Result<SqlFigures> run_alone(const std::string& path, const SqlOptions& options, const Home& home, StopSignals& signals) {
  const auto errors = home.file("errors");
  const auto child = MH_TRY(Child::start({"bench", "sql", "--query", path, "--meters", std::to_string(options.meters), "--interval",
                                          std::to_string(options.interval.count()), "--events", std::to_string(options.events), "--log",
                                          options.log == SqlLog::kMemory ? "memory" : "embedded", "--json"},
                                         errors));
  std::string text;
  for (bool runs = true; runs;) {
    runs = child->runs();
    for (const auto& line : child->lines()) text += line + '\n';
    if (runs && signals.wait(kLook)) return base::fail(base::Errc::kCancelled, "stopped by a signal");
  }
  const auto answer = json::parse(text, nullptr, false);
  if (!answer.is_object() || answer["queries"].empty()) return base::fail(base::Errc::kIo, path + ": the run failed");
  return figures_from(answer["queries"][0]);
}

}  // namespace

std::vector<SqlCase> usual_cases() {
  return {{"01-raw-archive", std::string(queries::k01_raw_archive), 10'000, 300'000, SqlLimit::kAllColumns},
          {"02-low-balance-alert", std::string(queries::k02_low_balance_alert), 10'000, 300'000, SqlLimit::kFilter},
          {"tumbling-5-minutes", kTumbling, 1'000, 200'000, SqlLimit::kTumbling},
          {"lag", kLag, 1'000'000, 100'000, SqlLimit::kLag}};
}

base::Result<SqlReport> run_sql(const std::vector<SqlCase>& cases, const SqlOptions& options) {
  SqlReport out;
  out.options = options;
  out.machine = machine_text();
  base::SystemClock clock;
  ProgressLine progress(clock);
  for (const auto& one : cases) {
    progress.show(one.name);
    const auto home = MH_TRY(Home::make({}));
    auto figures = MH_TRY(run_case(one, options, home.path()));
    figures.limit_micros = MH_TRY(duckdb_micros(one, options));
    out.queries.push_back(std::move(figures));
  }
  return out;
}

base::Result<SqlReport> run_pack(const std::string& directory, const SqlOptions& options, StopSignals& signals) {
  SqlReport out;
  out.options = options;
  out.machine = machine_text();
  out.pack = true;
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".sql") files.push_back(entry.path());
  }
  if (files.empty()) return base::fail(base::Errc::kNotFound, "no .sql file in '" + directory + "'");
  std::ranges::sort(files);
  const auto home = MH_TRY(Home::make({}));
  base::SystemClock clock;
  ProgressLine progress(clock);
  for (const auto& file : files) {
    progress.show(file);
    out.queries.push_back(MH_TRY(run_alone(file, options, home, signals)));
  }
  return out;
}

}  // namespace meterhub::app::bench
