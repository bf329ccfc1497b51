#include "trends.h"

#include <nlohmann/json.hpp>

#include <meterhub/http/client.h>

#include "queries.h"

namespace meterhub::app::bench {
namespace {

using nlohmann::json;

constexpr char kJob[] = "/api/v1/jobs/usage-trend";

json definition() {
  return {{"name", "usage-trend"},
          {"query", std::string(queries::k08_usage_trend)},
          {"start", "earliest"},  // the first gateway has sent already
          {"inputs", {{"EventHubInput", {{"log", "readings"}}}, {"Meters", {{"reference", "meters"}}}}},
          {"outputs", {{"UsageTrend", {{"kind", "table"}, {"table", "usage_trend_provisional"}}}}}};
}

}  // namespace

base::Result<void> add_trends(const DataPaths& paths) {
  auto client = http::Client::unix_domain(paths.control_socket());
  constexpr std::chrono::minutes kPatience{5};  // it reads a million meters
  client.set_timeout(kPatience);
  if (MH_TRY(client.get(kJob)).status == 200) return {};
  const auto answer = MH_TRY(client.request(http::Method::kPost, "/api/v1/jobs", definition().dump()));
  if (answer.status != 200) return base::fail(base::Errc::kIo, "job usage-trend was refused: " + answer.body);
  return {};
}

base::Result<TrendsReport> trends_report(const DataPaths& paths) {
  const auto answer = MH_TRY(http::Client::unix_domain(paths.control_socket()).get(kJob));
  const auto job = json::parse(answer.body, nullptr, false);
  if (!job.is_object() || job.value("state", "") != "running" || !job.value("last_error", "").empty())
    return base::fail(base::Errc::kIo, "job usage-trend does not run: " + answer.body);
  const auto& counters = job.at("counters");
  TrendsReport report;
  report.events = counters.at("events").get<std::uint64_t>();
  report.rows = counters.at("rows").get<std::uint64_t>();
  for (const char* reason : {"undecodable", "no_time", "data_errors"})
    report.left_out += counters.at(reason).get<std::uint64_t>();
  for (const char* reason : {"early", "late", "out_of_order"}) report.moved += counters.at(reason).get<std::uint64_t>();
  report.state_bytes = job.at("state_bytes").get<std::uint64_t>();
  report.behind = job.at("lag").at("records").get<std::uint64_t>();
  return report;
}

}  // namespace meterhub::app::bench
