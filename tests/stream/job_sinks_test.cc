// Outputs that leave the platform or make columns: webhooks to a real server, Parquet files on a real disk.
#include <meterhub/stream/job.h>

#include <filesystem>
#include <fstream>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/duck/database.h>
#include <meterhub/http/server.h>
#include <meterhub/log/memory.h>

namespace meterhub::stream {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kSecret[] = "a secret of many letters";

class JobSinks : public testing::Test {
 protected:
  JobSinks() : executor_(clock_), log_(clock_) {
    for (const auto name : {log::topics::kReadings, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 2;
      EXPECT_TRUE(log_.declare(spec));
    }
    auto pattern = (std::filesystem::temp_directory_path() / "meterhub-sinks-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    database_ = std::move(*tables::Database::open(folder_ / "database.sqlite", clock_));
    std::ofstream(folder_ / "secret") << kSecret << '\n';
  }
  ~JobSinks() override {
    job_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  base::Result<void> start(JobSink sink, std::string sql = "SELECT a INTO Out FROM Src") {
    JobSpec spec;
    spec.name = "mine";
    spec.sql = std::move(sql);
    spec.inputs = {{"Src"}};
    spec.outputs = {{"Out", std::move(sink)}};
    auto made = Job::create({log_, *database_, disk_, metrics_}, executor_, std::move(spec),
                            [](const base::Error& error) { FAIL() << error.text; });
    if (!made) return std::unexpected(made.error());
    job_ = std::move(*made);
    return {};
  }
  void append(const std::string& body) {
    log::Transaction transaction;
    log::NewRecord record{"key", {}, {}, body};
    record.properties.tenant = base::TenantNumber(7);
    transaction.appends.push_back({{*log_.topic(log::topics::kReadings), base::PartitionId(1)}, std::move(record)});
    log_.transact(std::move(transaction), executor_, [](auto result) { EXPECT_TRUE(result); });
  }

  base::ManualClock clock_;
  base::ManualExecutor executor_;
  log::MemoryLog log_;
  base::PosixDisk disk_;
  base::Metrics metrics_;
  std::filesystem::path folder_;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<Job> job_;
};

// A receiver on a thread of its own, which answers what it is told to.
class Receiver {
 public:
  Receiver() {
    server_ = http::Server::create(*loop_, metrics_, {});
    server_->route(http::Method::kPost, "/hook", [this](const http::Request& request, http::Reply reply) {
      const base::Lock lock(mutex_);
      requests_.push_back(request);
      const auto status = statuses_.empty() ? 204U : statuses_.front();
      if (!statuses_.empty()) statuses_.erase(statuses_.begin());
      std::move(reply).send(http::Response::empty(status));
    });
    url_ = "http://" + server_->listen(net::Address::loopback(), {})->text() + "/hook";
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~Receiver() {
    loop_->stop();
    thread_.join();
  }

  const std::string& url() const { return url_; }
  void answer(std::vector<unsigned> statuses) {
    const base::Lock lock(mutex_);
    statuses_ = std::move(statuses);
  }
  std::vector<http::Request> requests() {
    const base::Lock lock(mutex_);
    return requests_;
  }
  std::vector<std::string> ids() {
    std::vector<std::string> out;
    for (const auto& request : requests()) {
      const auto body = json::parse(request.body);
      for (const auto& row : body["rows"]) out.push_back(row["id"]);
    }
    return out;
  }

 private:
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create());
  base::Metrics metrics_;
  std::unique_ptr<http::Server> server_;
  std::string url_;
  base::Mutex mutex_;
  std::vector<http::Request> requests_ MH_GUARDED_BY(mutex_);
  std::vector<unsigned> statuses_ MH_GUARDED_BY(mutex_);
  std::thread thread_;
};

class JobWebhook : public JobSinks {
 protected:
  WebhookOutput hook() const {
    WebhookOutput out;
    out.url = receiver_.url();
    out.secret_file = (folder_ / "secret").string();
    return out;
  }
  Receiver receiver_;
};

TEST_F(JobWebhook, PostsRowsWithIdentitySignedWithTheTime) {
  ASSERT_TRUE(start(hook()));
  executor_.run_ready();
  append(R"({"a":1})");
  executor_.run_for(10ms);
  const auto requests = receiver_.requests();
  ASSERT_THAT(requests, SizeIs(1));
  const auto body = json::parse(requests[0].body);
  EXPECT_EQ(body["job"], "mine");
  EXPECT_EQ(body["output"], "Out");
  ASSERT_THAT(body["rows"], SizeIs(1));
  EXPECT_EQ(body["rows"][0]["id"], "mine/Out/1/0/0");
  EXPECT_EQ(body["rows"][0]["tenant"], 7);
  EXPECT_EQ(body["rows"][0]["event"], json::parse(R"({"a":1})"));
  const std::string signature(requests[0].header("Meterhub-Signature"));
  const auto time = signature.substr(2, signature.find(',') - 2);
  EXPECT_EQ(time, "1700000000");
  const auto expected =
      base::hex_encode(crypto::hmac_sha256(base::as_bytes(kSecret), base::as_bytes(time + "." + requests[0].body)));
  EXPECT_EQ(signature, "t=" + time + ",v1=" + expected);
}

TEST_F(JobWebhook, TriesAgainLaterAndLaterAndLosesNothing) {
  receiver_.answer({500, 503, 429});
  ASSERT_TRUE(start(hook()));
  executor_.run_ready();
  append(R"({"a":1})");
  executor_.run_for(100ms);
  EXPECT_THAT(job_->status().last_error, HasSubstr("status 500"));
  EXPECT_THAT(receiver_.ids(), SizeIs(1));
  executor_.run_for(600ms);
  EXPECT_THAT(receiver_.ids(), SizeIs(2)) << "half a second later";
  executor_.run_for(700ms);
  EXPECT_THAT(receiver_.ids(), SizeIs(2)) << "not before a second has passed";
  executor_.run_for(20s);
  EXPECT_THAT(receiver_.ids(), SizeIs(4));
  EXPECT_THAT(job_->status().last_error, IsEmpty());
  append(R"({"a":2})");
  executor_.run_for(1s);
  EXPECT_EQ(receiver_.ids().back(), "mine/Out/1/1/0");
}

TEST_F(JobWebhook, WhatIsRefusedComesAgainOrIsDroppedAsTheJobSays) {
  receiver_.answer({400});
  auto dropping = hook();
  dropping.refused = OnRefused::kDrop;
  ASSERT_TRUE(start(dropping));
  executor_.run_ready();
  append(R"({"a":1})");
  executor_.run_for(5s);
  EXPECT_THAT(receiver_.ids(), SizeIs(1));
  receiver_.answer({400});
  job_.reset();
  executor_.run_for(30s);
  ASSERT_TRUE(start(hook()));
  append(R"({"a":2})");
  executor_.run_for(5s);
  EXPECT_THAT(receiver_.ids(), SizeIs(3));
}

TEST_F(JobWebhook, ARequestHoldsNoMoreThanFiveHundredRows) {
  ASSERT_TRUE(start(hook(), "SELECT i.ArrayValue AS v INTO Out FROM Src CROSS APPLY GetArrayElements(Src.list) AS i"));
  executor_.run_ready();
  json list = json::array();
  for (int i = 0; i < 1200; ++i) list.push_back(i);
  append(json{{"list", list}}.dump());
  executor_.run_for(100ms);
  const auto requests = receiver_.requests();
  ASSERT_THAT(requests, SizeIs(3));
  for (const auto& request : requests) EXPECT_LE(json::parse(request.body)["rows"].size(), 500U);
  auto ids = receiver_.ids();
  std::ranges::sort(ids);
  EXPECT_TRUE(std::ranges::adjacent_find(ids) == ids.end());
  EXPECT_THAT(ids, SizeIs(1200));
}

TEST_F(JobWebhook, AServerThatIsAwayStopsOnlyThePosition) {
  auto away = hook();
  away.url = "http://127.0.0.1:1/hook";
  ASSERT_TRUE(start(away));
  executor_.run_ready();
  append(R"({"a":1})");
  executor_.run_for(2s);
  EXPECT_THAT(job_->status().last_error, HasSubstr("webhook Out"));
  const log::TopicPartition read{*log_.topic(log::topics::kReadings), base::PartitionId(1)};
  EXPECT_FALSE(log_.committed("job.mine", read)->has_value());
}

TEST_F(JobWebhook, WantsASecretOfSomeLength) {
  std::ofstream(folder_ / "secret") << "short";
  const auto started = start(hook());
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text, HasSubstr("16 bytes"));
  auto missing = hook();
  missing.secret_file = (folder_ / "nothing").string();
  EXPECT_FALSE(start(missing));
}

class JobLake : public JobSinks {
 protected:
  std::string lake() const { return (folder_ / "lake").string(); }
  json query(const std::string& sql) const {
    duck::Options options;
    options.external_access = true;
    auto connection = *duck::Database::open(options)->connect();
    auto rows = connection.query(sql);
    EXPECT_TRUE(rows) << rows.error().text;
    json out = json::array();
    while (const auto chunk = rows->next()) {
      for (std::size_t row = 0; row < chunk->rows(); ++row) out.push_back(std::string(chunk->text(0, row)));
    }
    return out;
  }
  std::string files() const { return "read_parquet('" + lake() + "/*.parquet')"; }
};

TEST_F(JobLake, WritesTypedColumnsThatAnyToolReads) {
  ASSERT_TRUE(start(
      LakeOutput{lake()},
      "SELECT CAST(a AS bigint) AS n, CAST(b AS float) AS f, c AS t, CAST(d AS datetime) AS seen INTO Out FROM Src"));
  executor_.run_ready();
  append(R"({"a":1,"b":2.5,"c":"one","d":"2016-12-21T03:24:34Z"})");
  append(R"({"c":"a text of more than twelve bytes"})");
  executor_.run_for(100ms);
  EXPECT_EQ(query("SELECT concat_ws('|', n, f, t, seen, Tenant, Part, Pos, Sub) FROM " + files() + " ORDER BY Pos"),
            json({"1|2.5|one|2016-12-21 03:24:34|7|1|0|0", "a text of more than twelve bytes|7|1|1|0"}));
  EXPECT_EQ(query("SELECT typeof(n) || ' ' || typeof(f) || ' ' || typeof(seen) FROM " + files() + " LIMIT 1"),
            json({"BIGINT DOUBLE TIMESTAMP"}));
}

TEST_F(JobLake, ARestartRepeatsNoRow) {
  for (int run = 0; run < 3; ++run) {
    ASSERT_TRUE(start(LakeOutput{lake()}));
    for (int i = 0; i < 20; ++i) append("{\"a\":" + std::to_string(run * 20 + i) + "}");
    executor_.run_for(100ms);
    job_.reset();
    executor_.run_for(30s);
  }
  EXPECT_EQ(query("SELECT count(*)::VARCHAR || ' ' || count(DISTINCT Pos)::VARCHAR FROM " + files()), json({"60 60"}));
}

TEST_F(JobLake, NamesItsColumns) {
  const auto started = start(LakeOutput{lake()}, "SELECT * INTO Out FROM Src");
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text, HasSubstr("name its columns"));
}

}  // namespace
}  // namespace meterhub::stream
