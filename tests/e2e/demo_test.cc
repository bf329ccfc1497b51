// The whole platform as a user runs it: the real program, real sockets, a real directory.
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <thread>

#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/http/client.h>

#include "process.h"

namespace meterhub::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr char kClean[] = "missing 0 duplicate 0 wrong 0";

std::vector<std::string> demo(const Folder& folder, const std::string& span) {
  return {"demo", "--data", folder.data(), "--meters", "200", "--interval", "5s", "--seed", "7", "--for", span};
}

TEST(Demo, CarriesEverySettledPacketToTheLake) {
  const Folder folder;
  const auto outcome = run(folder.path(), demo(folder, "10s"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("hub        amqps://localhost:"));
  EXPECT_THAT(outcome.out, HasSubstr(kClean));
  const auto check = run(folder.path(), {"lake", "check", "--data", folder.data()});
  EXPECT_EQ(check.code, 0) << check.out << check.err;
  EXPECT_THAT(check.out, HasSubstr("duplicate 0"));
}

// The command as the demo prints it, without the program's name.
std::vector<std::string> printed_command(const std::string& out) {
  std::vector<std::string> words;
  std::istringstream line(out.substr(out.find(" send ") + 1));
  for (std::string word; words.size() < 6 && line >> word;) {
    std::erase(word, '"');
    words.push_back(word);
  }
  return words;
}

TEST(Demo, TakesTheReadersOwnPacket) {
  const Folder folder;
  Process process(folder.path(), demo(folder, "60s"));
  ASSERT_TRUE(process.wait_for("--sample", seconds(30))) << process.err();
  const auto command = printed_command(process.out());
  const auto sent = run(folder.path(), command);
  EXPECT_EQ(sent.code, 0) << sent.err;
  auto forged = command;
  auto& digit = forged[2][forged[2].find("SharedAccessKey=") + 16];
  digit = digit == 'A' ? 'B' : 'A';
  const auto refused = run(folder.path(), forged);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("refused"));
  const auto status = http::Client::unix_domain(folder.data() + "/control.sock").get("/api/v1/status");
  ASSERT_TRUE(status) << status.error().text;
  EXPECT_THAT(status->body, HasSubstr("\"name\":\"job.low-balance-alert\""));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(seconds(60)).code, 0);
  const auto query = run(folder.path(), {"lake", "query", "--data", folder.data(), "--format", "csv",
                                         "SELECT Bought, Remaining, TotalUsed, MeterStatus, MeterSoftwareVer FROM readings "
                                         "WHERE DeviceID = 'ffffffffffffff01'"});
  EXPECT_THAT(query.out, HasSubstr("1000.000,979.171,20.829,4,v1.0")) << query.err;
}

// What people on call ask, of a process that runs and of a directory that nobody owns.
void expect_answers(const Folder& folder) {
  const auto status = run(folder.path(), {"status", "--data", folder.data()});
  EXPECT_EQ(status.code, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr("deduplication"));
  const auto letters = run(folder.path(), {"deadletter", "list", "--data", folder.data(), "--reason", "unknown_devaddr"});
  EXPECT_EQ(letters.code, 0) << letters.err;
  EXPECT_THAT(letters.out, HasSubstr("open"));
  const auto traced = run(folder.path(), {"trace", "--meter", "ffffffffffffff01", "--data", folder.data()});
  EXPECT_EQ(traced.code, 0) << traced.err;
  for (const char* log : {"telemetry", "decoded", "readings"}) EXPECT_THAT(traced.out, HasSubstr(log));
  EXPECT_EQ(run(folder.path(), {"trace", "--meter", "0000000000000001", "--data", folder.data()}).code, 1);
  EXPECT_EQ(run(folder.path(), {"alerts", "list", "--data", folder.data()}).code, 0);
  const auto compacted = run(folder.path(), {"lake", "compact", "--data", folder.data()});
  EXPECT_EQ(compacted.code, 0) << compacted.err;
}

TEST(Demo, AnswersThoseOnCallWhileItRunsAndAfterwards) {
  const Folder folder;
  Process process(folder.path(), demo(folder, "60s"));
  ASSERT_TRUE(process.wait_for("--sample", seconds(30))) << process.err();
  EXPECT_EQ(run(folder.path(), printed_command(process.out())).code, 0);
  ASSERT_TRUE(process.wait_for(" archived", seconds(30), 2)) << process.err();
  expect_answers(folder);
  const auto retried = run(folder.path(), {"deadletter", "retry", "--reason", "unknown_devaddr", "--data", folder.data()});
  EXPECT_EQ(retried.code, 0) << retried.err;
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(seconds(60)).code, 0) << process.out();
  const auto letters = run(folder.path(), {"deadletter", "list", "--data", folder.data(), "--reason", "unknown_devaddr"});
  EXPECT_THAT(letters.out, HasSubstr("retried")) << "neighbours' frames stay unknown";
  expect_answers(folder);
}

TEST(Demo, GoesOnWhereItStopped) {
  const Folder folder;
  ASSERT_EQ(run(folder.path(), demo(folder, "5s")).code, 0);
  const auto again = run(folder.path(), demo(folder, "5s"));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr(kClean));
  EXPECT_EQ(run(folder.path(), {"lake", "check", "--data", folder.data()}).code, 0);
}

TEST(Demo, LosesNothingWhenItIsKilledInTheMiddle) {
  const Folder folder;
  {
    Process first(folder.path(), demo(folder, "60s"));
    ASSERT_TRUE(first.wait_for(" archived", seconds(30), 2)) << first.err();
    first.signal(SIGKILL);
    EXPECT_EQ(first.wait(seconds(10)).code, 128 + SIGKILL);
  }
  const auto again = run(folder.path(), demo(folder, "5s"));
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_THAT(again.out, HasSubstr(kClean));
}

// Files of the processes started meanwhile may not grow beyond it, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(Demo, EndsWithAnErrorOnAFullDiskAndHasLostNothingOnceThereIsRoom) {
  const Folder folder;
  ASSERT_EQ(run(folder.path(), demo(folder, "3s")).code, 0);
  {
    const FileSizeLimit limit(rlim_t{1} << 20);
    const auto full = run(folder.path(), demo(folder, "120s"), seconds(150));
    EXPECT_EQ(full.code, 1) << full.err;
    EXPECT_THAT(full.err, HasSubstr("File too large"));
  }
  const auto again = run(folder.path(), demo(folder, "5s"));
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_THAT(again.out, HasSubstr(kClean));
}

// `./run 2>&1 | tee log`: Ctrl-C ends tee first.
TEST(Demo, StopsCleanlyWhenNobodyReadsItsOutputAnyMore) {
  const Folder folder;
  const auto line = std::string(METERHUB_PROGRAM) + " demo --data " + folder.data() + " --meters 20 --for 4s 2>&1 | head -n 1 > /dev/null";
  ASSERT_EQ(std::system(line.c_str()), 0);
  const auto verify = run(folder.path(), {"verify", "--data", folder.data()});
  EXPECT_EQ(verify.code, 0) << verify.out << verify.err;
  EXPECT_EQ(run(folder.path(), {"status", "--data", folder.data(), "--json"}).code, 0) << "the directory was given back";
}

// As `timeout` does it.
TEST(Demo, TakesSignalsThatComeTogetherForOne) {
  const Folder folder;
  Process process(folder.path(), demo(folder, "60s"));
  ASSERT_TRUE(process.wait_for(" archived", seconds(30))) << process.err();
  process.signal(SIGINT);
  std::this_thread::sleep_for(milliseconds(20));
  process.signal(SIGINT);
  const auto ended = process.wait(seconds(60));
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr(kClean));
}

TEST(Demo, EndsAtOnceWhenAskedTwice) {
  const Folder folder;
  Process process(folder.path(), demo(folder, "60s"));
  ASSERT_TRUE(process.wait_for(" archived", seconds(30))) << process.err();
  process.signal(SIGINT);
  ASSERT_TRUE(process.wait_for("stopping", seconds(10)));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(seconds(10)).code, 128 + SIGINT);
}

TEST(Serve, EndsWithCodeZeroOnSigterm) {
  const Folder folder;
  ::setenv("MH_HUB_AMQPS_LISTEN", "127.0.0.1:0", 1);
  Process serve(folder.path(), {"serve", "--data", folder.data()});
  ASSERT_TRUE(serve.wait_for("platform_started", seconds(30))) << serve.err();
  serve.signal(SIGTERM);
  EXPECT_EQ(serve.wait(seconds(30)).code, 0);
}

TEST(Serve, RefusesADirectoryThatAProcessOwns) {
  const Folder folder;
  ::setenv("MH_HUB_AMQPS_LISTEN", "127.0.0.1:0", 1);
  Process first(folder.path(), {"serve", "--data", folder.data()});
  ASSERT_TRUE(first.wait_for("platform_started", seconds(30))) << first.err();
  const auto second = run(folder.path(), {"demo", "--data", folder.data()});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, HasSubstr(folder.data() + " is in use by process " + std::to_string(first.pid())));
}

}  // namespace
}  // namespace meterhub::e2e
