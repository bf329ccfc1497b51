#include "status.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;

TEST(Rate, IsThatOfTheLastTenSeconds) {
  Rate rate;
  base::MonotonicTime at{};
  rate.look(at, 1'000);
  EXPECT_EQ(rate.per_second(), 0);
  for (std::uint64_t n = 1; n <= 5; ++n) rate.look(at += 1s, 1'000 + 10 * n);
  EXPECT_DOUBLE_EQ(rate.per_second(), 10);
  for (std::uint64_t n = 1; n <= 20; ++n) rate.look(at += 1s, 1'050 + 30 * n);
  EXPECT_DOUBLE_EQ(rate.per_second(), 30);
}

TEST(Totals, SumLettersAndNoiseByReasonOverAllStages) {
  base::Metrics metrics;
  metrics.counter("meterhub_hub_messages_received_total", "h").add(10);
  metrics.counter("meterhub_hub_messages_settled_total", "h").add(9);
  metrics.counter("meterhub_connector_dead_letters_total", "h", {{"reason", "bad_length"}}).add(2);
  metrics.counter("meterhub_stream_dead_letters_total", "h", {{"reason", "conflict"}}).add(1);
  metrics.counter("meterhub_stream_dead_letters_total", "h", {{"reason", "bad_length"}}).add(3);
  metrics.counter("meterhub_connector_noise_total", "h", {{"reason", "unknown_devaddr"}}).add(4);
  metrics.counter("meterhub_connector_noise_total", "h", {{"reason", "never"}});
  const auto totals = read_totals(metrics);
  EXPECT_EQ(totals.received, 10u);
  EXPECT_EQ(totals.settled, 9u);
  EXPECT_EQ(totals.dead_letters, (std::map<std::string, std::uint64_t>{{"bad_length", 5}, {"conflict", 1}}));
  EXPECT_EQ(totals.noise, (std::map<std::string, std::uint64_t>{{"unknown_devaddr", 4}}));
}

TEST(Totals, NameWhatWasRefusedAtTheHub) {
  base::Metrics metrics;
  metrics.counter("meterhub_hub_claims_total", "h", {{"result", "accepted"}}).add(7);
  metrics.counter("meterhub_hub_claims_total", "h", {{"result", "signature"}}).add(2);
  metrics.counter("meterhub_hub_messages_rejected_total", "h", {{"reason", "too_large"}}).add(1);
  metrics.counter("meterhub_hub_connections_dropped_total", "h", {{"reason", "protocol"}}).add(3);
  metrics.counter("meterhub_net_handshakes_failed_total", "h", {{"listener", "amqps"}, {"reason", "tls"}}).add(4);
  metrics.counter("meterhub_net_connections_refused_total", "h", {{"listener", "console"}, {"reason", "rate"}}).add(5);
  const auto totals = read_totals(metrics);
  EXPECT_EQ(totals.refused, (std::map<std::string, std::uint64_t>{
                                {"token signature", 2}, {"message too_large", 1}, {"connection protocol", 3}, {"handshake tls", 4}}));
}

TEST(Health, NamesFullLogsAndTheStageThatIsFarBehind) {
  Status status;
  status.log_fill = 0.84;
  status.stages = {{"connector", 3, 5min}, {"archive", 7, 5min}};
  EXPECT_TRUE(health_of(status));
  status.stages[1].oldest = 301s;
  EXPECT_EQ(health_of(status).error().text, "archive is 301 s behind");
  status.log_fill = 0.857;
  EXPECT_EQ(health_of(status).error().text, "the logs hold 86 % of their quota: gateways are given no credit");
}

TEST(StatusJson, HoldsEveryMemberOfTheReference) {
  Status status;
  status.time = base::Timestamp(1'700'000'000s);
  status.started = base::Timestamp(1'699'999'000s);
  status.totals.dead_letters = {{"bad_length", 2}, {"mic", 1}};
  status.totals.refused = {{"token expired", 1}};
  status.packets_per_second = 33.33333;
  status.stages = {{"connector", 3, 1'500ms}, {"archive", 7, 250ms}};
  status.meters = 5;
  status.alerts = 8;
  status.log_fill = 0.25;
  status.warnings = {"too \"much\"", "second"};
  fleet::FleetState fleet(10);
  fleet.judge(base::MeterNumber(1), {}, status.time);
  const auto json = nlohmann::json::parse(status_json(status, fleet));
  EXPECT_EQ(json, nlohmann::json::parse(R"({
    "time": "2023-11-14T22:13:20Z", "started": "2023-11-14T21:56:40Z",
    "packets": {"received": 0, "settled": 0, "per_second": 33.333},
    "readings": {"total": 0, "duplicates": 0, "late": 0, "stale": 0, "per_second": 0},
    "dead_letters": {"total": 3, "by_reason": {"bad_length": 2, "mic": 1}},
    "noise": {"total": 0, "by_reason": {}},
    "refused": {"total": 1, "by_reason": {"token expired": 1}},
    "lag": {"seconds": 1.5, "stages": [{"name": "connector", "records": 3, "seconds": 1.5},
                                       {"name": "archive", "records": 7, "seconds": 0.25}]},
    "meters": {"total": 5, "online": 0, "silent": 0, "low": 0, "closed": 0, "faulty": 0},
    "alerts": {"total": 8}, "log": {"fill": 0.25}, "event_hubs": [], "warnings": ["too \"much\"", "second"]})"));
}

}  // namespace
}  // namespace meterhub::console
