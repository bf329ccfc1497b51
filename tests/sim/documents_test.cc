#include <meterhub/sim/documents.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "incidents.h"

namespace meterhub::sim {
namespace {

using nlohmann::json;

constexpr base::Timestamp kBegin{std::chrono::hours(490'000)};

struct Written {
  base::MemoryDisk disk;
  DocumentCounts counts;

  explicit Written(DocumentOptions options) {
    options.begin = kBegin;
    const auto written = write_documents(options, disk, "run");
    EXPECT_TRUE(written);
    if (written) counts = *written;
  }
  std::string text(const std::string& name) const { return disk.read("run/" + name).value_or(""); }
  std::vector<json> lines(const std::string& name) const {
    std::vector<json> out;
    std::istringstream all(text(name));
    for (std::string line; std::getline(all, line);) out.push_back(json::parse(line));
    return out;
  }
  std::vector<json> truths(const std::string& what) const {
    std::vector<json> out;
    for (auto& line : lines("truth.jsonl")) {
      if (line.contains(what)) out.push_back(std::move(line));
    }
    return out;
  }
};

const DocumentOptions kSmall{.seed = 5, .meters = 30, .span = std::chrono::hours(1)};

TEST(Documents, AreTheSameForTheSameOptionsAndOthersForAnotherSeed) {
  auto other = kSmall;
  other.seed = 6;
  const Written a(kSmall), b(kSmall), c(other);
  for (const auto* name : {"readings.jsonl", "decoded.jsonl", "truth.jsonl", "Meters.csv"}) {
    EXPECT_EQ(a.text(name), b.text(name)) << name;
    EXPECT_NE(a.text(name), c.text(name)) << name;
  }
}

TEST(Documents, SayWhatTheTruthSays) {
  const Written run(kSmall);
  std::map<std::pair<std::string, std::uint32_t>, std::vector<json>> packets;
  for (auto& one : run.truths("packet")) packets[{one["meter"], one["seq"]}].push_back(one);
  std::size_t readings = 0;
  for (const auto& reading : run.lines("readings.jsonl")) {
    const auto& app = reading["originData"]["app"];
    const auto& user = reading["userData"];
    ++readings;
    const auto found = packets.find({app["moteeui"], app["userdata"]["seqno"]});
    ASSERT_NE(found, packets.end());
    if (user.is_null()) continue;
    const auto says_it = [&](const json& truth) {
      return truth["time"] == user["time"] &&
             truth["used"].get<double>() == std::round(user["used"].get<double>() * 1000) &&
             truth["left"].get<double>() == std::round(user["left"].get<double>() * 1000) &&
             truth["status"] == user["status"] && truth["version"] == user["version"];
    };
    EXPECT_TRUE(std::ranges::any_of(found->second, says_it)) << reading;
  }
  EXPECT_EQ(readings, run.counts.heard);
  EXPECT_EQ(run.lines("decoded.jsonl").size(), run.counts.receptions);
}

TEST(Documents, LieInOrderOfArrival) {
  const Written run(kSmall);
  for (const auto* name : {"readings.jsonl", "decoded.jsonl"}) {
    std::string last;
    for (const auto& one : run.lines(name)) {
      EXPECT_LE(last, one["EventEnqueuedUtcTime"].get<std::string>());
      last = one["EventEnqueuedUtcTime"];
    }
  }
}

TEST(Documents, OfAnUntroubledFleetHaveNoIncidents) {
  auto options = kSmall;
  options.incidents = false;
  const Written run(options);
  for (const auto& one : run.truths("incident"))
    EXPECT_TRUE(one["incident"] == "battery" || one["incident"] == "low") << one;
}

TEST(Documents, OfNoMetersOrNoIntervalAreRefused) {
  base::MemoryDisk disk;
  EXPECT_FALSE(write_documents({.meters = 0}, disk, "run"));
  EXPECT_FALSE(write_documents({.meters = kDocumentMetersMax + 1}, disk, "run"));
  EXPECT_FALSE(write_documents({.meters = 1, .interval = std::chrono::milliseconds(0)}, disk, "run"));
}

TEST(Incidents, OfEveryKindAreInADayAndAMeterHasOneKind) {
  const auto plan = plan_incidents({.seed = 9, .meters = 100, .begin = kBegin, .span = std::chrono::hours(26)});
  std::map<std::uint32_t, std::set<IncidentKind>> kinds_of;
  std::set<IncidentKind> kinds;
  for (const auto& one : plan) {
    kinds_of[one.meter].insert(one.kind);
    kinds.insert(one.kind);
    EXPECT_GE(one.from, kBegin);
    EXPECT_LT(one.from, one.until);
    EXPECT_LE(one.until, kBegin + std::chrono::hours(26));
  }
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(IncidentKind::kLowBalance) + 1);
  for (const auto& [meter, of] : kinds_of) EXPECT_EQ(of.size(), 1u) << meter;
  EXPECT_LE(kinds_of.size(), 65u);
}

TEST(Incidents, ThatDoNotFitIntoTheSpanAreLeftOut) {
  for (const auto& one : plan_incidents({.seed = 9, .meters = 100, .begin = kBegin, .span = std::chrono::hours(1)})) {
    EXPECT_NE(one.kind, IncidentKind::kLeak);
    EXPECT_LE(one.until, kBegin + std::chrono::hours(1));
  }
  EXPECT_TRUE(plan_incidents({.seed = 9, .meters = 100, .begin = kBegin, .span = std::chrono::minutes(30)}).empty());
}

}  // namespace
}  // namespace meterhub::sim
