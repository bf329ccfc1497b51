// Jobs of a running set: added, changed, stopped and removed through the API, on the memory log and real threads.
#include "job_api.h"

#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "folder.h"
#include "pack.h"
#include "threads.h"

#include <meterhub/log/memory.h>

namespace meterhub::app {
namespace {

using http::Method;
using nlohmann::json;
using testing::HasSubstr;

constexpr auto kPatience = std::chrono::seconds(60);

class JobApiTest : public testing::Test {
 protected:
  JobApiTest() {
    for (const auto name : {log::topics::kReadings, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 2;
      EXPECT_TRUE(log_.declare(spec));
    }
    registry::Store::Options options;
    options.file = folder_.path() + "/registry.sqlite";
    options.master_key.fill(7);
    store_ = std::move(*registry::Store::open(options, clock_));
    database_ = std::move(*tables::Database::open(folder_.path() + "/database.sqlite", clock_));
    start();
  }
  ~JobApiTest() override { stop(); }

  stream::JobWorld world() { return {log_, *database_, disk_, metrics_}; }
  void start(const std::vector<registry::JobSpec>& first = {}) {
    run_on(control_, [&] {
      JobSet::Hooks hooks;
      hooks.fatal = [](const base::Error& error) { ADD_FAILURE() << error.text; };
      set_ = std::make_unique<JobSet>(world(), threads_, control_, std::move(hooks));
      api_ = std::make_unique<JobApi>(JobApiWorld{*store_, DataPaths{folder_.path()}, clock_, world(), set_.get()});
      EXPECT_TRUE(api_->start_all(first));
    });
  }
  void stop() {
    EXPECT_TRUE(wait_for_end(control_, kPatience, [this](base::Task done) { set_->drain(std::move(done)); }));
    run_on(control_, [this] {
      api_.reset();
      set_.reset();
    });
  }
  // As the platform does, with this list.
  void again(const std::vector<registry::JobSpec>& pack) {
    stop();
    start(pack);
  }
  static std::vector<registry::JobSpec> two() { return pack_jobs({"raw-archive", "tamper"}, {}); }
  http::Response ask(Method method, const std::string& path, const std::string& body = {}) {
    http::Request request;
    request.method = method;
    request.path = "/api/v1/jobs" + path;
    request.body = body;
    request.local = true;
    std::promise<http::Response> answer;
    control_.post(
        [&] { api_->answer(request, [&answer](http::Response response) { answer.set_value(std::move(response)); }); });
    return answer.get_future().get();
  }
  json asked(Method method, const std::string& path, const std::string& body = {}) {
    const auto response = ask(method, path, body);
    EXPECT_EQ(response.status, 200U) << response.body;
    return json::parse(response.body, nullptr, false);
  }
  // The job once its thread has told what it does, which comes into the same object.
  json reported(const std::string& path) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    auto job = asked(Method::kGet, path);
    while (std::chrono::steady_clock::now() < end && !job.contains("counters")) job = asked(Method::kGet, path);
    EXPECT_TRUE(job.contains("counters")) << job.dump();
    return job;
  }
  static std::string body(const std::string& name, const std::string& query, const std::string& input = "{}") {
    const json out{{"name", name},
                   {"query", query},
                   {"start", "earliest"},
                   {"inputs", {{"Src", json::parse(input)}}},
                   {"outputs", {{"Out", {{"kind", "log"}}}}}};
    return out.dump();
  }
  void append(const std::string& text) {
    log::Transaction transaction;
    transaction.appends.push_back({{*log_.topic(log::topics::kReadings), base::PartitionId(1)}, {"k", {}, {}, text}});
    std::promise<void> done;
    log_.transact(std::move(transaction), control_, [&done](const auto& result) {
      EXPECT_TRUE(result);
      done.set_value();
    });
    done.get_future().wait();
  }
  // What a job's log holds, once there are as many.
  std::vector<std::string> rows(const std::string& job, std::size_t count) {
    std::vector<std::string> out;
    const auto topic = log_.topic(stream::log_of(job, "Out"));
    if (!topic) return out;
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (out.size() < count && std::chrono::steady_clock::now() < end) {
      out.clear();
      const auto cursor = *log_.open({*topic, base::PartitionId(1)}, log::Earliest{});
      const auto batch = *cursor->next(1 << 20);
      for (const auto& record : batch.records) out.emplace_back(record.body);
    }
    return out;
  }

  Folder folder_;
  base::SystemClock clock_;
  JobThreads threads_;
  base::ThreadExecutor control_{"jobs"};
  log::MemoryLog log_{clock_};
  base::MemoryDisk disk_;
  base::Metrics metrics_;
  std::unique_ptr<registry::Store> store_;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<JobSet> set_;
  std::unique_ptr<JobApi> api_;
};

TEST_F(JobApiTest, RunsAJobThatIsAddedAndKeepsItAcrossARestart) {
  const auto added = asked(Method::kPost, "", body("mine", "SELECT a INTO Out FROM Src"));
  EXPECT_EQ(added["state"], "running");
  append(R"({"a":1})");
  EXPECT_EQ(rows("mine", 1), std::vector<std::string>{R"({"a":1})"});
  stop();
  start();
  append(R"({"a":2})");
  EXPECT_EQ(rows("mine", 2).size(), 2U);
  EXPECT_EQ(asked(Method::kGet, "/mine")["query"], "SELECT a INTO Out FROM Src");
}

TEST_F(JobApiTest, AChangedJobTakesOverWithoutGapOrRepeat) {
  asked(Method::kPost, "", body("mine", "SELECT a, 1 AS v INTO Out FROM Src"));
  for (int version = 2; version < 12; ++version) {
    for (int i = 0; i < 20; ++i) append("{\"a\":" + std::to_string((version - 2) * 20 + i) + "}");
    const auto changed =
        asked(Method::kPut, "/mine", body("mine", "SELECT a, " + std::to_string(version) + " AS v INTO Out FROM Src"));
    EXPECT_EQ(changed["version"], version);
  }
  const auto all = rows("mine", 200);
  ASSERT_EQ(all.size(), 200U);
  for (int i = 0; i < 200; ++i)
    EXPECT_THAT(all[static_cast<std::size_t>(i)], HasSubstr("\"a\":" + std::to_string(i) + ","));
}

TEST_F(JobApiTest, AStoppedJobStandsStillAndGoesOnWhereItStopped) {
  asked(Method::kPost, "", body("mine", "SELECT a INTO Out FROM Src"));
  append(R"({"a":1})");
  EXPECT_EQ(rows("mine", 1).size(), 1U);
  EXPECT_EQ(asked(Method::kPost, "/mine/stop")["state"], "stopped");
  append(R"({"a":2})");
  stop();
  start();
  EXPECT_EQ(asked(Method::kGet, "/mine")["state"], "stopped");
  EXPECT_EQ(asked(Method::kPost, "/mine/start")["state"], "running");
  EXPECT_EQ(rows("mine", 2).size(), 2U);
}

// Each comes while the ones before it are still being carried out.
TEST_F(JobApiTest, WishesThatOvertakeEachOtherEndWithTheLastOne) {
  asked(Method::kPost, "", body("mine", "SELECT a, 1 AS v INTO Out FROM Src"));
  constexpr int kChanges = 40;
  std::promise<void> all;
  std::atomic<int> missing = kChanges;
  for (int i = 0; i < kChanges; ++i) {
    control_.post([this, i, &all, &missing] {
      http::Request request;
      request.method = i % 4 == 3 ? Method::kPost : Method::kPut;
      request.path = i % 4 == 3 ? "/api/v1/jobs/mine/stop" : "/api/v1/jobs/mine";
      request.body = body("mine", "SELECT a, " + std::to_string(i + 2) + " AS v INTO Out FROM Src");
      if (i % 4 == 0) {
        http::Request start;
        start.method = Method::kPost;
        start.path = "/api/v1/jobs/mine/start";
        api_->answer(start, [](const http::Response&) {});
      }
      api_->answer(request, [&all, &missing](const http::Response&) {
        if (--missing == 0) all.set_value();
      });
    });
    append("{\"a\":" + std::to_string(i) + "}");
  }
  all.get_future().wait();
  EXPECT_EQ(asked(Method::kGet, "/mine")["state"], "stopped");
  EXPECT_EQ(asked(Method::kPost, "/mine/start")["state"], "running");
  const auto found = rows("mine", kChanges);
  ASSERT_EQ(found.size(), static_cast<std::size_t>(kChanges));
  for (int i = 0; i < kChanges; ++i)
    EXPECT_THAT(found[static_cast<std::size_t>(i)], HasSubstr("\"a\":" + std::to_string(i) + ","));
}

TEST_F(JobApiTest, RefusesWhatIsNotRightAndLeavesTheOldVersionRunning) {
  asked(Method::kPost, "", body("mine", "SELECT a INTO Out FROM Src"));
  const auto refused =
      ask(Method::kPut, "/mine", body("mine", "SELECT LENGTH(a) INTO Out FROM Src\nSELECT b INTO Out FROM Elsewhere"));
  EXPECT_EQ(refused.status, 400U);
  const auto error = json::parse(refused.body)["error"];
  EXPECT_GE(error["diagnostics"].size(), 2U);
  EXPECT_THAT(error["text"].get<std::string>(), HasSubstr("^"));
  EXPECT_EQ(asked(Method::kGet, "/mine")["version"], 1);
  append(R"({"a":1})");
  EXPECT_EQ(rows("mine", 1).size(), 1U);
}

TEST_F(JobApiTest, AJobThatCannotStartIsNotKept) {
  const std::string with_other_columns = json{{"name", "mine"},
                                              {"query", "SELECT a AS Wrong INTO Out FROM Src"},
                                              {"inputs", {{"Src", json::object()}}},
                                              {"outputs", {{"Out", {{"kind", "table"}, {"table", "no good name"}}}}}}
                                             .dump();
  EXPECT_EQ(ask(Method::kPost, "", with_other_columns).status, 400U);
  EXPECT_EQ(ask(Method::kGet, "/mine").status, 404U);
  EXPECT_TRUE(asked(Method::kGet, "")["jobs"].empty());
}

TEST_F(JobApiTest, AnotherJobsInputIsNotRemoved) {
  asked(Method::kPost, "", body("source", "SELECT a INTO Out FROM Src"));
  asked(Method::kPost, "", body("second", "SELECT a * 2 AS b INTO Out FROM Src", R"({"job":"source","output":"Out"})"));
  append(R"({"a":4})");
  EXPECT_EQ(rows("second", 1), std::vector<std::string>{R"({"b":8})"});
  EXPECT_EQ(ask(Method::kDelete, "/source").status, 412U);
  asked(Method::kDelete, "/second");
  asked(Method::kDelete, "/source");
  EXPECT_TRUE(asked(Method::kGet, "")["jobs"].empty());
}

TEST_F(JobApiTest, StartsJobsBehindThoseThatTheyRead) {
  asked(Method::kPost, "", body("z-source", "SELECT a INTO Out FROM Src"));
  asked(Method::kPost, "", body("a-second", "SELECT a INTO Out FROM Src", R"({"job":"z-source","output":"Out"})"));
  stop();
  start();
  for (const auto* name : {"/z-source", "/a-second"}) EXPECT_EQ(reported(name)["state"], "running") << name;
}

TEST_F(JobApiTest, TellsRatesLagAndTroubleOfAJob) {
  asked(Method::kPost, "", body("mine", "SELECT a INTO Out FROM Src"));
  append(R"({"a":1})");
  append("no json");
  const auto end = std::chrono::steady_clock::now() + kPatience;
  json job = json::object();
  while (std::chrono::steady_clock::now() < end && job.value("last_dropped", "").empty())
    job = asked(Method::kGet, "/mine");
  EXPECT_THAT(job.value("last_dropped", ""), HasSubstr("undecodable"));
  EXPECT_EQ(job["counters"]["events"], 2);
  EXPECT_EQ(job["lag"]["records"], 0);
  EXPECT_EQ(job["state"], "running") << "with what the job's thread tells beside it";
  EXPECT_TRUE(job["rates"].contains("events_per_second"));
  EXPECT_EQ(job["outputs"][0]["rows"], 1);
}

TEST_F(JobApiTest, AJobOfThePackMayBeRemovedForGood) {
  again(two());
  EXPECT_EQ(asked(Method::kGet, "")["jobs"].size(), 2U);
  asked(Method::kDelete, "/raw-archive");
  again(two());
  const auto jobs = asked(Method::kGet, "")["jobs"];
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs[0]["name"], "tamper");
}

TEST_F(JobApiTest, AJobOfThePackRunsWhileItIsListed) {
  again(two());
  EXPECT_EQ(asked(Method::kGet, "/tamper")["state"], "running");
  EXPECT_EQ(asked(Method::kGet, "/tamper")["origin"], "pack");
  again(pack_jobs({"raw-archive"}, {}));
  EXPECT_EQ(asked(Method::kGet, "/tamper")["state"], "unlisted");
  EXPECT_FALSE(asked(Method::kGet, "/tamper").contains("rates"));
  const auto refused = ask(Method::kPost, "/tamper/start");
  EXPECT_EQ(refused.status, 412U);
  EXPECT_THAT(refused.body, HasSubstr("not in stream.pack"));
  again(two());
  EXPECT_EQ(asked(Method::kGet, "/tamper")["state"], "running");
}

TEST_F(JobApiTest, AJobOfThePackThatWasStoppedStaysStopped) {
  again(two());
  asked(Method::kPost, "/tamper/stop");
  again(two());
  EXPECT_EQ(asked(Method::kGet, "/tamper")["state"], "stopped");
  again({});
  EXPECT_EQ(asked(Method::kGet, "/tamper")["state"], "stopped");
}

TEST_F(JobApiTest, AJobOfThePackThatAUserChangedRunsListedOrNot) {
  again(two());
  auto definition = json::parse(body("", "SELECT a INTO Out FROM Src"));
  asked(Method::kPut, "/tamper", definition.dump());
  again({});
  const auto own = asked(Method::kGet, "/tamper");
  EXPECT_EQ(own["state"], "running");
  EXPECT_EQ(own["origin"], "changed");
  EXPECT_EQ(own["query"], "SELECT a INTO Out FROM Src");
  again(two());
  EXPECT_EQ(asked(Method::kGet, "/tamper")["query"], "SELECT a INTO Out FROM Src");
}

TEST_F(JobApiTest, AJobOfThePackTakesThresholdsOverThatAreOthersAtAStart) {
  again(two());
  rules::Thresholds loose;
  loose.tamper_tolerance_litres = 3;
  again(pack_jobs({"tamper"}, loose));
  const auto job = asked(Method::kGet, "/tamper");
  EXPECT_EQ(job["version"], 2);
  EXPECT_EQ(job["origin"], "pack");
  EXPECT_THAT(job["query"].get<std::string>(), HasSubstr("0.003 /*="));
}

TEST_F(JobApiTest, AJobThatJoinsThePackLaterReadsFromThenOn) {
  again(pack_jobs({"raw-archive"}, {}));
  again(two());
  EXPECT_EQ(asked(Method::kGet, "/raw-archive")["starts"], "earliest");
  EXPECT_NE(asked(Method::kGet, "/tamper")["starts"], "earliest");
}

TEST_F(JobApiTest, AJobOfAUserKeepsTheNameThatAPackTakes) {
  asked(Method::kPost, "", body("tamper", "SELECT a INTO Out FROM Src"));
  again(two());
  EXPECT_EQ(asked(Method::kGet, "/tamper")["query"], "SELECT a INTO Out FROM Src");
  EXPECT_EQ(asked(Method::kGet, "/tamper")["origin"], "changed");
}

TEST_F(JobApiTest, ThePackStartsAlsoWhereThereIsNoRoomForAllOfIt) {
  for (std::size_t i = 0; i < registry::kJobsMax - 1; ++i) {
    registry::JobSpec spec;
    spec.name = "mine-" + std::to_string(i);
    spec.enabled = false;
    ASSERT_TRUE(store_->add_job("test", spec));
  }
  again(two());
  EXPECT_EQ(asked(Method::kGet, "/raw-archive")["state"], "running");
  EXPECT_EQ(ask(Method::kGet, "/tamper").status, 404U);
}

TEST_F(JobApiTest, RefusesBodiesThatAreNoneAndAreTooLong) {
  for (const std::string& text : {std::string(), std::string("7"), std::string("{"), std::string("[1]")}) {
    EXPECT_EQ(ask(Method::kPost, "", text).status, 400U) << text;
  }
  EXPECT_EQ(ask(Method::kPost, "", body("mine", std::string(registry::kJobQueryBytesMax + 1, ' '))).status, 413U);
  EXPECT_EQ(ask(Method::kPost, "", std::string(400'000, ' ')).status, 413U);
  EXPECT_EQ(ask(Method::kPost, "", body("../mine", "SELECT a INTO Out FROM Src")).status, 400U);
}

}  // namespace
}  // namespace meterhub::app
