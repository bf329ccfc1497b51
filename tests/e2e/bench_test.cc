// The benchmark as a user runs it, small.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "process.h"

namespace meterhub::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

// While it lives the program's temporary directories go below its folder, and readings come out
// within a second.
class Bench : public testing::Test {
 protected:
  Bench() {
    ::setenv("TMPDIR", folder.path().c_str(), 1);
    ::setenv("MH_HISTORY_FLUSH_AFTER", "1s", 1);
  }
  ~Bench() override {
    ::unsetenv("TMPDIR");
    ::unsetenv("MH_HISTORY_FLUSH_AFTER");
  }
  bool is_tidy() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (entry.path().filename().string().starts_with("meterhub-bench-")) return false;
    }
    return true;
  }

  const Folder folder;
};

TEST_F(Bench, MeasuresTheWholeWayAndLosesNothing) {
  const auto outcome = run(folder.path(), {"bench", "pipeline", "--meters", "10000", "--gateways", "20", "--seconds", "3", "--packets-per-record", "4", "--json"},
                           seconds(120));
  ASSERT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  const auto report = nlohmann::json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << outcome.out;
  EXPECT_GT(report["settled"], 900);
  for (const char* none : {"missing", "duplicate", "wrong"}) EXPECT_EQ(report[none], 0) << none;
  EXPECT_GT(report["server_cpu_us_per_packet"]["threads"]["hub"], 0);
  for (const char* way : {"settlement", "alert_row", "parquet"}) EXPECT_GT(report["latency"][way]["count"], 0) << way;
  for (const char* log : {"telemetry", "decoded", "readings"}) EXPECT_GT(report["logs"][log]["bytes_per_packet"], 0) << log;
  EXPECT_GT(report["lake"]["bytes_per_reading"], 0);
  EXPECT_EQ(report["trends"]["events"], report["stored"]["packets"]);
  EXPECT_EQ(report["trends"]["left_out"], 0);
  EXPECT_GT(report["trends"]["state_bytes"], 0);
  EXPECT_TRUE(is_tidy());
}

TEST_F(Bench, AddsARuleInTheMiddleOfTheLoad) {
  // Twice, as a rule of an earlier run must not be in the way of the next.
  for (int i = 0; i < 2; ++i) {
    const auto outcome = run(folder.path(), {"bench", "pipeline", "--meters", "2000", "--gateways", "10", "--seconds", "4", "--rate", "500", "--add-rule", "--data",
                                             folder.data(), "--json"},
                             seconds(120));
    ASSERT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    const auto report = nlohmann::json::parse(outcome.out, nullptr, false);
    ASSERT_TRUE(report.is_object()) << outcome.out;
    const auto& rule = report["added_rule"];
    EXPECT_GT(rule["answered_ms"], 0);
    EXPECT_TRUE(rule["live_ms"].is_number()) << rule;
    EXPECT_GT(rule["rows"], 0);
    EXPECT_GT(rule["row"]["count"], 0);
    EXPECT_LE(rule["row"]["count"], rule["rows"]);
    // Of what came from the middle on, and so not of all that was low.
    EXPECT_LT(rule["rows"], report["settled"].get<double>() * rule["share_of_meters"].get<double>() * 0.9);
    for (const char* none : {"missing", "duplicate"}) EXPECT_EQ(rule[none], 0) << none;
  }
  const auto listed = run(folder.path(), {"job", "list", "--data", folder.data()});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_THAT(listed.out, Not(HasSubstr("bench-rule"))) << "it goes with the load";
}

TEST_F(Bench, GoesOnInADirectoryThatIsKept) {
  const std::vector<std::string> command{"bench", "pipeline", "--meters", "200", "--gateways", "5", "--seconds", "1", "--data", folder.data()};
  for (int i = 0; i < 2; ++i) {
    const auto outcome = run(folder.path(), command, seconds(120));
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("missing 0 duplicate 0 wrong 0"));
  }
  const auto other = run(folder.path(), {"bench", "pipeline", "--meters", "300", "--gateways", "5", "--data", folder.data()});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("holds a town of 200 meters"));
}

// Small ones; whether they were held depends on the machine.
TEST_F(Bench, SteadyGatewaysLoseNothingInAStorm) {
  const auto outcome = run(folder.path(), {"bench", "storm", "--meters", "500", "--steady", "10", "--returning", "100", "--rate", "200", "--half-open-rate", "200",
                                           "--seconds", "1", "--storms", "return,half-open,wrong-tokens", "--json"}, seconds(180));
  ASSERT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  const auto report = nlohmann::json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << outcome.out;
  for (const char* none : {"missing", "duplicate", "wrong", "rejected", "disconnects"}) EXPECT_EQ(report[none], 0) << none;
  ASSERT_EQ(report["storms"].size(), 3U);
  EXPECT_TRUE(report["storms"][0]["all_back"]);
  for (const auto& storm : report["storms"]) {
    EXPECT_GT(storm["during"]["settlement"]["count"], 0) << storm["storm"];
    EXPECT_GT(storm["after"]["newcomers"]["count"], 0) << storm["storm"];
  }
  EXPECT_TRUE(is_tidy());
}

TEST_F(Bench, MeasuresQueriesAndDuckDbBesideThem) {
  const auto outcome = run(folder.path(), {"bench", "sql", "--meters", "500", "--seconds", "0.02", "--json"}, seconds(120));
  ASSERT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  const auto report = nlohmann::json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << outcome.out;
  ASSERT_EQ(report["queries"].size(), 4U);
  for (const auto& query : report["queries"]) {
    EXPECT_GT(query["measured"]["events_per_second_core"], 0) << query["name"];
    EXPECT_GT(query["duckdb_events_per_second_core"], 0) << query["name"];
    EXPECT_GT(query["rows"], 0) << query["name"];
    EXPECT_EQ(query["left_out"], 0) << query["name"];
  }
  EXPECT_EQ(report["queries"][3]["states"][0]["keys"], 500);
  EXPECT_TRUE(is_tidy());
}

TEST_F(Bench, MeasuresTheMemoryOfEveryQueryOfADirectory) {
  const auto outcome = run(folder.path(), {"bench", "sql", "--pack", METERHUB_SOURCE_DIR "/queries", "--meters", "100", "--hours", "0.05", "--json"}, seconds(120));
  ASSERT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  const auto report = nlohmann::json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << outcome.out;
  EXPECT_EQ(report["queries"].size(), 13U);
  for (const auto& query : report["queries"]) EXPECT_EQ(query["meters"], 100) << query["name"];
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose allocators mallinfo2() knows nothing of
  EXPECT_GT(report["heap_bytes_together"], 100 * 13);
#endif
}

TEST_F(Bench, SaysWhatIsWrongWithAQuery) {
  const auto file = folder.path() / "wrong.sql";
  std::ofstream(file) << "SELECT a INTO b FORM c";
  const auto outcome = run(folder.path(), {"bench", "sql", "--query", file.string()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("FORM"));
}

TEST_F(Bench, LeavesNothingBehindWhenItIsStopped) {
  Process process(folder.path(), {"bench", "pipeline", "--meters", "200", "--gateways", "5", "--seconds", "600"});
  ASSERT_TRUE(process.wait_for(" settled", seconds(60))) << process.err();
  process.signal(SIGINT);
  const auto outcome = process.wait(seconds(60));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("stopped"));
  EXPECT_TRUE(is_tidy());
}

}  // namespace
}  // namespace meterhub::e2e
