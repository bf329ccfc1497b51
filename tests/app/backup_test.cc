// A backup's own life: what it needs, what it leaves. That it holds a whole platform: tests/e2e.
#include "backup.h"

#include <fstream>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/db/connection.h>

#include "../support/temporary_directory.h"
#include "restore.h"
#include "standstill.h"

namespace meterhub::app {
namespace {

using base::Errc;
using testing::HasSubstr;

class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    std::filesystem::create_directories(data_ / "tls");
    std::ofstream(data_ / "tls/ca.key") << "the key of the authority";
    std::ofstream(data_ / "master.key") << "never in a backup";
    auto registry = db::Connection::open(data_ / "registry.sqlite").value();
    EXPECT_TRUE(registry->execute("CREATE TABLE t(x BIGINT)"));
  }

  BackupWorld world() {
    BackupWorld out;
    out.paths = DataPaths{data_.string()};
    out.master_key = [] { return base::Result<crypto::Key256>(crypto::Key256{1}); };
    out.take = [this](const std::string& store) -> base::Result<BackupMoment> {
      std::filesystem::create_directories(store);
      std::ofstream(store + "/CURRENT") << "the log";
      if (at_moment_) at_moment_();
      BackupMoment moment;
      moment.registry = MH_TRY(db::Snapshot::take(data_ / "registry.sqlite"));
      return moment;
    };
    out.release = [this] { ++released_; };
    return out;
  }
  // Waits for the end.
  static std::string ended(const Backups& backups) {
    while (backups.status_json().find("running") != std::string::npos) std::this_thread::yield();
    return backups.status_json();
  }
  // Names in the folder of the target.
  std::size_t beside() const { return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(target_.path()), {})); }
  std::string to() const { return (target_ / "b").string(); }

  test::TemporaryDirectory folder_, target_;
  const std::filesystem::path data_ = folder_ / "data";
  std::function<void()> at_moment_;
  std::atomic<int> released_{0};
};

TEST_F(BackupTest, HoldsNoSecretInTheClearAndIsRestored) {
  Backups backups(world());
  ASSERT_TRUE(backups.start(to()));
  EXPECT_THAT(ended(backups), HasSubstr("\"state\":\"done\""));
  EXPECT_EQ(released_, 1);
  EXPECT_EQ(beside(), 1u);
  EXPECT_FALSE(std::filesystem::exists(data_ / "backup.tmp"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(to())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path());
    const std::string text(std::istreambuf_iterator<char>(in), {});
    EXPECT_EQ(text.find("the key of"), std::string::npos) << entry.path();
    EXPECT_EQ(text.find("never in a"), std::string::npos) << entry.path();
  }
  BringProgress progress;
  const auto restored = restore(to(), (folder_ / "again").string(), crypto::Key256{1}, progress);
  ASSERT_TRUE(restored) << restored.error().text;
  EXPECT_EQ(base::PosixDisk().read((folder_ / "again/tls/ca.key").string()).value(), "the key of the authority");
  EXPECT_EQ(std::filesystem::status(folder_ / "again/tls/ca.key").permissions(), std::filesystem::perms(0600));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "again/master.key"));
}

TEST_F(BackupTest, LeavesNothingWhenItIsCancelled) {
  Backups backups(world());
  at_moment_ = [&] { backups.cancel(); };
  ASSERT_TRUE(backups.start(to()));
  EXPECT_THAT(ended(backups), HasSubstr("cancelled"));
  EXPECT_EQ(released_, 1);
  EXPECT_EQ(beside(), 0u);
  EXPECT_FALSE(std::filesystem::exists(data_ / "backup.tmp"));
  at_moment_ = nullptr;
  ASSERT_TRUE(backups.start(to())) << "the next one may go there";
  EXPECT_THAT(ended(backups), HasSubstr("\"state\":\"done\""));
}

TEST_F(BackupTest, IsOneAtATime) {
  Backups backups(world());
  base::Result<void> second;
  at_moment_ = [&] { second = backups.start((target_ / "c").string()); };
  ASSERT_TRUE(backups.start(to()));
  EXPECT_THAT(ended(backups), HasSubstr("\"state\":\"done\""));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
}

TEST_F(BackupTest, TouchesNothingThatIsThereAlready) {
  std::filesystem::create_directories(to());
  std::ofstream(to() + "/mine") << "mine";
  Backups backups(world());
  EXPECT_EQ(backups.start(to()).error().code, Errc::kAlreadyExists);
  EXPECT_EQ(backups.start("relative").error().code, Errc::kInvalidArgument);
  // What looks like an unfinished backup and is none.
  std::filesystem::create_directories(target_ / "d.tmp");
  ASSERT_TRUE(backups.start((target_ / "d").string()));
  EXPECT_THAT(ended(backups), HasSubstr("failed"));
  EXPECT_TRUE(std::filesystem::exists(target_ / "d.tmp"));
}

TEST_F(BackupTest, TakesTheBlobsThatAreNeverWrittenAgain) {
  const auto outputs = std::filesystem::path("blob/raw-archive");
  std::filesystem::create_directories(data_ / outputs);
  for (const char* name : {"part-00-00000000000000000000.jsonl", "part-00-00000000000000000007.jsonl", "part-01-00000000000000000000.jsonl", "other"}) {
    std::ofstream(data_ / outputs / name) << "{}\n";
  }
  auto with_blobs = world();
  with_blobs.take = [take = with_blobs.take, outputs](const std::string& store) -> base::Result<BackupMoment> {
    auto moment = MH_TRY(take(store));
    moment.blobs = {{outputs.string(), {base::Offset(7), base::Offset(0)}}};
    return moment;
  };
  Backups backups(std::move(with_blobs));
  ASSERT_TRUE(backups.start(to()));
  EXPECT_THAT(ended(backups), HasSubstr("\"state\":\"done\""));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(to()) / outputs)) names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::ElementsAre("part-00-00000000000000000000.jsonl"));
}

TEST(Standstill, HoldsAllBetweenTwoTasks) {
  base::ThreadExecutor a("a"), b("b");
  std::atomic<int> ran{0};
  {
    Standstill standstill({&a, &b});
    ASSERT_TRUE(standstill.reached(std::chrono::seconds(30)));
    for (auto* one : {&a, &b}) one->post([&] { ++ran; });
    EXPECT_EQ(ran, 0);
  }
  while (ran < 2) std::this_thread::yield();
}

TEST(Standstill, SaysWhenOneDoesNotCome) {
  std::promise<void> go_on;
  base::ThreadExecutor busy("busy");
  busy.post([&] { go_on.get_future().wait(); });
  {
    Standstill standstill({&busy});
    EXPECT_FALSE(standstill.reached(std::chrono::milliseconds(1)));
  }
  go_on.set_value();
}

}  // namespace
}  // namespace meterhub::app
