// A platform that lives on from its backup: taken under load, restored on an empty directory.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <functional>
#include <regex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/http/client.h>

#include "servers.h"

namespace meterhub::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr char kClean[] = "missing 0 duplicate 0 wrong 0";

bool wait_until(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + seconds(90);
  while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return done();
}

class Backup : public testing::Test {
 protected:
  using Files = std::vector<std::string>;
  void serve() {
    const Environment environment({{"MH_HUB_AMQPS_LISTEN", hub_}, {"MH_CONSOLE_LISTEN", "127.0.0.1:0"}, {"MH_HISTORY_FLUSH_AFTER", "1s"}});
    platform_ = std::make_unique<Process>(folder_.path(), std::vector<std::string>{"serve", "--data", folder_.data()});
    ASSERT_TRUE(platform_->wait_for("platform_started", seconds(60))) << platform_->err();
  }
  std::unique_ptr<Process> start_town() {
    fs::copy_file(folder_.data() + "/tls/ca.pem", ca_);  // gateways keep what they trust
    auto out = std::make_unique<Process>(folder_.path(), std::vector<std::string>{"simulate", "--hub", "amqps://" + hub_, "--ca", ca_, "--fleet", fleet_,
                                                                                  "--meters", "500", "--interval", "2s", "--seed", "7"});
    EXPECT_TRUE(out->wait_for("gateways,", seconds(60))) << out->err();
    // Meters first: what a known gateway sends of an unknown meter is a dead letter.
    for (const Files& files : {Files{"--tenants", "tenants", "--meters", "meters"}, Files{"--gateways", "gateways"}}) {
      std::vector<std::string> command{"registry", "import", "--data", folder_.data()};
      for (std::size_t i = 0; i < files.size(); i += 2) command.insert(command.end(), {files[i], fleet_ + "/" + files[i + 1] + ".csv"});
      const auto imported = run(folder_.path(), command);
      EXPECT_EQ(imported.code, 0) << imported.err;
    }
    return out;
  }
  nlohmann::json status() const {
    const auto answer = http::Client::unix_domain(folder_.data() + "/control.sock").get("/api/v1/status");
    return answer ? nlohmann::json::parse(answer->body) : nlohmann::json();
  }
  double archived() const {
    const auto metrics = http::Client::unix_domain(folder_.data() + "/control.sock").get("/metrics");
    std::smatch value;
    return metrics && std::regex_search(metrics->body, value, std::regex("\nmeterhub_history_rows_total (\\S+)")) ? std::stod(value[1]) : 0;
  }
  bool archives_more(double rows) const {
    const auto before = archived();
    return wait_until([&] { return archived() >= before + rows; });
  }
  bool has_passed() const {
    const auto now = status();
    return now.contains("lag") && std::ranges::all_of(now["lag"]["stages"], [](const auto& stage) { return stage["records"] == 0; });
  }
  Outcome restore(const std::string& to, const std::string& key) const {
    return run(folder_.path(), {"restore", "--from", backup_, "--data", to, "--master-key", key});
  }

  const Folder folder_;
  const std::string hub_ = free_address();
  const std::string fleet_ = (folder_.path() / "fleet").string();
  const std::string ca_ = (folder_.path() / "trusted.pem").string();
  const std::string backup_ = (folder_.path() / "backup").string();
  std::unique_ptr<Process> platform_;
};

// What was settled before the backup is there once, what comes afterwards too; what came between was lost with the disk.
TEST_F(Backup, TakenUnderLoadAndRestoredGoesOnWithItsGateways) {
  serve();
  const auto town = start_town();
  ASSERT_TRUE(archives_more(1000)) << platform_->err();
  const auto settled_by = (folder_.path() / "settled.mhs").string();
  fs::copy_file(fleet_ + "/sent.mhs", settled_by);
  const auto made = run(folder_.path(), {"backup", "--to", backup_, "--data", folder_.data()});
  ASSERT_EQ(made.code, 0) << made.err;
  ASSERT_TRUE(archives_more(1000)) << "it was taken under load";
  platform_->signal(SIGKILL);
  platform_->wait(seconds(10));
  const auto lost = folder_.path() / "lost";
  fs::rename(folder_.data(), lost);

  const auto restored = restore(folder_.data(), (lost / "master.key").string());
  ASSERT_EQ(restored.code, 0) << restored.err;
  EXPECT_THAT(restored.err, HasSubstr("not stored"));
  const auto refused = run(folder_.path(), {"serve", "--data", folder_.data()});
  EXPECT_EQ(refused.code, 1) << "no second key may be made for a registry";
  EXPECT_THAT(refused.err, HasSubstr("master key"));
  fs::copy_file(lost / "master.key", folder_.data() + "/master.key");
  serve();
  ASSERT_TRUE(archives_more(1000)) << "the gateways come back\n" << town->err() << platform_->err();
  town->signal(SIGTERM);
  EXPECT_EQ(town->wait(seconds(60)).code, 0) << town->err();
  EXPECT_TRUE(wait_until([&] { return has_passed(); }));
  platform_->signal(SIGTERM);
  EXPECT_EQ(platform_->wait(seconds(60)).code, 0) << platform_->err();

  const auto verdict = run(folder_.path(), {"verify", "--data", folder_.data(), "--sent", fleet_ + "/sent.mhs", "--settled-by", settled_by});
  EXPECT_EQ(verdict.code, 0) << verdict.out << verdict.err;
  EXPECT_THAT(verdict.out, HasSubstr(kClean));
  const auto check = run(folder_.path(), {"lake", "check", "--data", folder_.data()});
  EXPECT_EQ(check.code, 0) << check.out << check.err;
}

// A backup of a directory on which nothing runs, and what restoring it refuses.
class StoppedBackup : public Backup {
 protected:
  void SetUp() override {
    const auto demo = run(folder_.path(), {"demo", "--data", folder_.data(), "--meters", "200", "--interval", "5s", "--seed", "7", "--for", "3s"});
    ASSERT_EQ(demo.code, 0) << demo.err;
    const auto made = run(folder_.path(), {"backup", "--to", backup_, "--data", folder_.data()});
    ASSERT_EQ(made.code, 0) << made.err;
  }
  void refuses_what_is_incomplete_or_altered();
  std::string empty(const char* name) const { return (folder_.path() / name).string(); }
  const std::string key_ = folder_.data() + "/master.key";
};

TEST_F(StoppedBackup, HoldsEveryReadingAndNotTheMasterKey) {
  std::ifstream file(key_);
  const std::string key(std::istreambuf_iterator<char>(file), {});
  for (const auto& entry : fs::recursive_directory_iterator(backup_)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    const std::string text(std::istreambuf_iterator<char>(in), {});
    EXPECT_EQ(text.find(key.substr(0, 64)), std::string::npos) << entry.path();
    EXPECT_EQ(text.find("PRIVATE KEY"), std::string::npos) << entry.path();
  }
  const auto again = empty("again");
  const auto restored = restore(again, key_);
  ASSERT_EQ(restored.code, 0) << restored.err;
  const auto verdict = run(folder_.path(), {"verify", "--data", again, "--sent", folder_.data() + "/sent.mhs"});
  EXPECT_EQ(verdict.code, 0) << verdict.out << verdict.err;
  EXPECT_THAT(verdict.out, HasSubstr(kClean));
  const auto second = restore(again, key_);
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, HasSubstr("is not empty"));
}

TEST_F(StoppedBackup, NeedsTheRightMasterKeyAndEveryFileAsItWas) {
  const auto none = run(folder_.path(), {"restore", "--from", backup_, "--data", empty("a")});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("must be supplied"));
  const auto other = empty("other.key");
  std::ofstream(other) << std::string(64, '1') << '\n';
  fs::permissions(other, fs::perms(0600));
  const auto wrong = restore(empty("b"), other);
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("not the master key of the backup"));
  // A directory that holds nothing but the key is empty enough, and the key is found there.
  fs::create_directories(empty("c"));
  fs::copy_file(key_, empty("c") + "/master.key");
  const auto beside = run(folder_.path(), {"restore", "--from", backup_, "--data", empty("c")});
  EXPECT_EQ(beside.code, 0) << beside.err;
  EXPECT_EQ(run(folder_.path(), {"status", "--data", empty("c")}).code, 0);
  refuses_what_is_incomplete_or_altered();
}

void StoppedBackup::refuses_what_is_incomplete_or_altered() {
  std::string parquet, table;
  for (const auto& entry : fs::recursive_directory_iterator(backup_)) {
    if (entry.path().extension() == ".parquet") parquet = entry.path();
    if (entry.path().extension() == ".sst") table = entry.path();
  }
  // The lake's files are the platform's own under a second name: not to be written to.
  fs::copy_file(parquet, parquet + ".copy");
  fs::rename(parquet + ".copy", parquet);
  std::fstream file(parquet, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(fs::file_size(parquet) / 2);
  file.seekg(middle);
  const auto there = file.get();
  file.seekp(middle).put(static_cast<char>(~there));
  file.close();
  const auto altered = restore(empty("d"), key_);
  EXPECT_EQ(altered.code, 1);
  EXPECT_THAT(altered.err, HasSubstr("altered"));
  fs::remove(table);
  const auto incomplete = restore(empty("e"), key_);
  EXPECT_EQ(incomplete.code, 1);
  EXPECT_THAT(incomplete.err, HasSubstr("incomplete"));
  fs::remove(backup_ + "/backup.json");
  EXPECT_THAT(restore(empty("f"), key_).err, HasSubstr("no finished backup"));
  for (const char* name : {"d", "e", "f"}) EXPECT_FALSE(fs::exists(empty(name) + "/store")) << name;
}

}  // namespace
}  // namespace meterhub::e2e
