// The role over real HTTP: loopback with its key, and the control socket.
#include <gmock/gmock.h>

#include <mutex>

#include "console_fixture.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;
using http::Client;
using nlohmann::json;
using testing::HasSubstr;

using ConsoleTest = test::ConsoleFixture;

TEST_F(ConsoleTest, StatusCountsMetersByState) {
  start();
  town_.say({.meter = 1});
  town_.say({.meter = 2, .left = 4'000});
  town_.say({.meter = 3, .status = 2});
  town_.say({.meter = 4, .status = 8});
  pass(1s);
  EXPECT_EQ(read("/api/v1/status")["meters"],
            json::parse(R"({"total": 8, "online": 1, "silent": 0, "low": 1, "closed": 1, "faulty": 1})"));
  pass(61s);
  EXPECT_EQ(read("/api/v1/status")["meters"],
            json::parse(R"({"total": 8, "online": 0, "silent": 3, "low": 0, "closed": 0, "faulty": 1})"));
}

TEST_F(ConsoleTest, StatusShowsRatesLagAndAlerts) {
  start();
  auto& received = town_.metrics.counter("meterhub_hub_messages_received_total", "h");
  for (int n = 0; n < 12; ++n) {
    received.add(50);
    pass(1s);
  }
  town_.say({.meter = 1});
  town_.alert(1);
  pass(5s);
  const auto status = read("/api/v1/status");
  EXPECT_EQ(status["packets"]["received"], 600);
  EXPECT_GT(status["packets"]["per_second"], 20);
  EXPECT_EQ(status["alerts"]["total"], 1);
  EXPECT_EQ(status["lag"]["stages"][2], json::parse(R"({"name": "archive", "records": 1, "seconds": 5})"));
  EXPECT_EQ(status["lag"]["seconds"], 5);
}

TEST_F(ConsoleTest, StagesComeAndGoWithJobs) {
  start();
  console_->add_stage({"trends", "job.trends", {"readings"}});
  EXPECT_EQ(read("/api/v1/status")["lag"]["stages"].back()["name"], "trends");
  console_->remove_stage("trends");
  pass(1s);
  EXPECT_EQ(read("/api/v1/status")["lag"]["stages"].size(), 3u);
}

// A job with state commits with its checkpoints: what it has read counts.
TEST_F(ConsoleTest, AStageThatCommitsSeldomIsBehindByWhatItHasNotRead) {
  start();
  town_.say({.meter = 1});
  town_.say({.meter = 2});
  const auto records = [this](std::function<std::map<log::TopicPartition, base::Offset>()> positions) {
    console_->add_stage({"trends", "job.trends", {"readings"}, std::move(positions)});
    pass(1s);
    const auto out = read("/api/v1/status")["lag"]["stages"].back()["records"].get<int>();
    console_->remove_stage("trends");
    return out;
  };
  EXPECT_EQ(records({}), 2);
  const auto readings = *town_.log.topic("readings");
  EXPECT_EQ(records([&] {
              std::map<log::TopicPartition, base::Offset> out;
              for (std::uint32_t p = 0; p < town_.log.partitions(readings); ++p) {
                const log::TopicPartition partition{readings, base::PartitionId(p)};
                out[partition] = town_.log.bounds(partition)->next;
              }
              return out;
            }),
            0);
}

TEST_F(ConsoleTest, BuildingsShowTheirFlatsAndWhoStandsInNone) {
  town_.add_meter("", "", "", 60s);
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  start();
  town_.say({.meter = 2});
  pass(1s);
  const auto buildings = read("/api/v1/buildings");
  ASSERT_EQ(buildings.size(), 3u);
  EXPECT_EQ(buildings[0]["building"], "Tower A");
  EXPECT_EQ(buildings[0]["flats"][2], json::parse(R"({"eui": "0000000000000002", "floor": "2", "unit": "102", "state": "online"})"));
  EXPECT_EQ(buildings[2]["building"], "");
  EXPECT_EQ(read("/api/v1/buildings?limit=1").size(), 1u);
}

TEST_F(ConsoleTest, AMeterShowsItsLastReadingAndThoseBefore) {
  start();
  for (std::uint32_t n = 1; n <= 3; ++n) town_.say({.meter = 5, .fcnt = n, .used = n * 1'000});
  pass(1s);
  const auto meter = read("/api/v1/meters/00-00-00-00-00-00-00-05");
  EXPECT_EQ(meter["unit"], "101");
  EXPECT_EQ(meter["state"], "online");
  EXPECT_EQ(meter["last"], meter["readings"][0]);
  EXPECT_EQ(meter["last"]["used"], 3.0);
  EXPECT_EQ(meter["readings"].size(), 3u);
}

TEST_F(ConsoleTest, ALargeFleetAsksTheLake) {
  ring_meters_max_ = 4;
  start();
  town_.say({.meter = 5});
  pass(1s);
  const auto meter = read("/api/v1/meters/0000000000000005");
  EXPECT_EQ(meter["last"]["seq"], 1);
  EXPECT_EQ(meter["readings"], json::array());  // there is no lake here
}

TEST_F(ConsoleTest, AlertsAreReadByIdAndBounded) {
  start();
  for (std::uint32_t n = 1; n <= 3; ++n) town_.alert(n);
  EXPECT_EQ(read("/api/v1/alerts").size(), 3u);
  EXPECT_EQ(read("/api/v1/alerts?limit=1")[0]["id"], 3);
  EXPECT_EQ(read("/api/v1/alerts?after=1&limit=1")[0]["id"], 2);
}

TEST_F(ConsoleTest, FlowIsThatOfTheMinutesThatAreWhole) {
  start();
  pass(60s);
  const auto begin = std::chrono::floor<std::chrono::minutes>(clock_.now());
  town_.say({.meter = 1, .fcnt = 1, .used = 0, .time = begin});
  pass(180s);
  town_.say({.meter = 1, .fcnt = 2, .used = 50, .time = begin + 60s});
  pass(1s);
  const auto flow = read("/api/v1/flow?minutes=30");
  EXPECT_EQ(flow["unit"], "m3/h");
  ASSERT_GE(flow["points"].size(), 1u);
  EXPECT_EQ(flow["points"][0], json({{"time", base::rfc3339(begin)}, {"flow", 3.0}}));
}

TEST_F(ConsoleTest, WhatIsWrongIsSaid) {
  start();
  EXPECT_EQ(get("/api/v1/meters/0000000000000099").status, 404u);
  EXPECT_EQ(get("/api/v1/nothing").status, 404u);
  EXPECT_EQ(get("/api/v1/status", {{"Authorization", "Bearer 0123456789abcdef"}}, http::Method::kPost).status, 405u);
  for (const auto* target : {"/api/v1/meters/xyz", "/api/v1/alerts?limit=0", "/api/v1/alerts?limit=1001", "/api/v1/alerts?limit=7x",
                             "/api/v1/alerts?after=-1", "/api/v1/flow?minutes=0", "/api/v1/flow?minutes=99999",
                             "/api/v1/buildings?limit=0"}) {
    const auto answer = get(target);
    EXPECT_EQ(answer.status, 400u) << target;
    EXPECT_TRUE(json::parse(answer.body)["error"]["text"].is_string()) << target;
  }
}

TEST_F(ConsoleTest, LoopbackNeedsTheKeyAndTheControlSocketDoesNot) {
  start();
  for (const auto* target : {"/api/v1/status", "/api/v1/buildings", "/api/v1/meters/0000000000000001", "/api/v1/alerts",
                             "/api/v1/flow", "/api/v1/events", "/metrics", "/page.js"}) {
    EXPECT_EQ(get(target, {}).status, 401u) << target;
    EXPECT_EQ(get(target, {{"Authorization", "Bearer wrong"}}).status, 401u) << target;
  }
  EXPECT_EQ(local("/api/v1/status").status, 200u);
  EXPECT_THAT(local("/metrics").body, HasSubstr("meterhub_http_responses_total"));
  EXPECT_EQ(get("/metrics").status, 200u);
  EXPECT_EQ(std::filesystem::status(options_.control_socket).permissions(), std::filesystem::perms(0600));
}

TEST_F(ConsoleTest, TheAddressWithTheKeyOpensThePage) {
  start();
  EXPECT_EQ(console_->url(), "http://" + console_->address()->text() + "/?key=0123456789abcdef");
  EXPECT_EQ(get("/", {}).status, 401u);
  EXPECT_EQ(get("/?key=0123456789abcdee", {}).status, 401u);
  const auto welcome = get("/?key=0123456789abcdef", {});
  EXPECT_EQ(welcome.status, 303u);
  EXPECT_EQ(welcome.header("Location"), "/");
  const std::string cookie(welcome.header("Set-Cookie"));
  const auto page = get("/", {{"Cookie", cookie.substr(0, cookie.find(';'))}});
  EXPECT_EQ(page.status, 200u);
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("/page.js"));
  EXPECT_EQ(get("/page.js").header("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(get("/page.css", {}).status, 200u);
}

TEST_F(ConsoleTest, EveryAnswerHasSecurityHeaders) {
  start();
  for (const auto* target : {"/", "/page.css", "/api/v1/status", "/nothing"}) {
    const auto answer = get(target, {});
    EXPECT_THAT(std::string(answer.header("Content-Security-Policy")), HasSubstr("default-src 'self'")) << target;
    EXPECT_THAT(std::string(answer.header("Content-Security-Policy")), HasSubstr("frame-ancestors 'none'")) << target;
    EXPECT_EQ(answer.header("X-Content-Type-Options"), "nosniff") << target;
    EXPECT_EQ(answer.header("Referrer-Policy"), "no-referrer") << target;
  }
}

// Nobody archives here: the first reading waits for ever.
TEST_F(ConsoleTest, HealthTellsTheReason) {
  start();
  EXPECT_EQ(get("/health", {}).body, R"({"healthy":true})");
  town_.say({.meter = 1});
  clock_.advance(5min + 1s);
  const auto answer = get("/health", {});
  EXPECT_EQ(answer.status, 503u);
  EXPECT_EQ(json::parse(answer.body)["reason"], "archive is 301 s behind");
}

TEST_F(ConsoleTest, EventsBringStatusStatesAndAlerts) {
  start();
  pass(1s);
  std::string seen;
  std::mutex mutex;
  auto following = std::async(std::launch::async, [&, path = options_.control_socket] {
    return Client::unix_domain(path).follow("/api/v1/events", [&](std::string_view piece) {
      const std::lock_guard lock(mutex);
      seen += piece;
      return seen.find("event: alerts") == std::string::npos || seen.find("\n:\n") == std::string::npos;
    });
  });
  const auto has = [&](std::string_view text) {
    const std::lock_guard lock(mutex);
    return seen.find(text) != std::string::npos;
  };
  const auto until = [&](std::string_view text) {
    for (int n = 0; n < 400 && !has(text); ++n) loop_->run_once(std::chrono::milliseconds(5));
    return has(text);
  };
  ASSERT_TRUE(until("event: status\ndata: {\"time\""));
  town_.say({.meter = 7});
  pass(2s);
  EXPECT_TRUE(until("event: states\ndata: [{\"eui\":\"0000000000000007\",\"state\":\"online\"}]\n\n"));
  town_.alert(7);
  pass(1s);
  EXPECT_TRUE(until("event: alerts\ndata: [{\"id\":1,"));
  pass(15s);
  EXPECT_TRUE(until("\n:\n"));
  EXPECT_TRUE(beside([&] { return following.get(); }));
}

TEST_F(ConsoleTest, TheLastEventsAreThoseOfTheEnd) {
  start();
  pass(1s);
  std::string seen;
  auto following = std::async(std::launch::async, [&, path = options_.control_socket] {
    return Client::unix_domain(path).follow("/api/v1/events", [&](std::string_view piece) {
      seen += piece;
      return true;
    });
  });
  const auto& responses = town_.metrics.counter("meterhub_http_responses_total", "HTTP responses by class", {{"class", "2xx"}});
  for (int n = 0; n < 400 && responses.value() == 0; ++n) loop_->run_once(5ms);
  town_.metrics.counter("meterhub_hub_messages_settled_total", "h").add(77);
  town_.say({.meter = 7});
  fleet_->look();  // the office is drained first
  bool drained = false;
  console_->drain([&] { drained = true; });
  turn();
  EXPECT_FALSE(drained) << "who follows has not taken it yet";
  pass(1s);
  EXPECT_TRUE(drained);
  EXPECT_TRUE(following.get());
  EXPECT_THAT(seen, HasSubstr("\"settled\":77"));
  EXPECT_THAT(seen, HasSubstr("[{\"eui\":\"0000000000000007\",\"state\":\"online\"}]"));
}

TEST_F(ConsoleTest, OnlySoManyFollowTheEvents) {
  options_.event_clients_max = 0;
  start();
  EXPECT_EQ(get("/api/v1/events").status, base::error_class(base::Errc::kResourceExhausted).http_status);
}

TEST_F(ConsoleTest, AnAddressWithoutAKeyIsRefused) {
  options_.key.clear();
  fleet::FleetState fleet(1);
  const ConsoleWorld world{town_.log, town_.directory_of_meters, *town_.database, fleet, town_.metrics, town_.disk, *loop_};
  EXPECT_EQ(Console::create(*loop_, world, options_).error().code, base::Errc::kInvalidArgument);
  options_.listen.reset();
  const auto console = Console::create(*loop_, world, options_);
  ASSERT_TRUE(console);
  EXPECT_EQ((*console)->url(), "");
}

TEST_F(ConsoleTest, AfterDrainNobodyListensAndNothingIsRead) {
  start();
  bool drained = false;
  console_->drain([&] { drained = true; });
  turn();
  EXPECT_TRUE(drained);
  EXPECT_FALSE(beside([at = options_.control_socket] { return Client::unix_domain(at).get("/health"); }));
  pass(3s);
}

}  // namespace
}  // namespace meterhub::console
