// A settings file with mistakes, through the real program.
#include <cstdlib>
#include <fstream>

#include <sys/wait.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "process.h"

namespace meterhub::e2e {
namespace {

using testing::HasSubstr;

std::string file_with(const Folder& folder, const std::string& text) {
  const auto path = (folder.path() / "meterhub.toml").string();
  std::ofstream(path) << text;
  return path;
}

TEST(Config, NamesEveryMistakeOfAFileWithItsLine) {
  const Folder folder;
  const auto path = file_with(folder, "[hub]\nlink_credit = \"many\"\nmessage_mx = \"1KiB\"\n[log]\npartitions = 65\n");
  for (const std::vector<std::string>& command : {std::vector<std::string>{"config", "check", "--config", path},
                                                  {"serve", "--data", folder.data(), "--config", path}}) {
    const auto outcome = run(folder.path(), command);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("meterhub.toml:2: hub.link_credit"));
    EXPECT_THAT(outcome.err, HasSubstr("hub.message_max")) << "the nearest key";
    EXPECT_THAT(outcome.err, HasSubstr("meterhub.toml:5: log.partitions"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.data())) << "nothing is begun with wrong settings";
}

TEST(Commands, EndWithCodeTwoWhenUsedWrongly) {
  const Folder folder;
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"demo", "--for", "soon"}, {"trace"}, {"trace", "--gateway", "g", "--since", "yesterday"},
        {"deadletter", "retry"}, {"send", "--connection", "HostName=h"}, {"demo", "--for", "0s"}, {"demo", "--interval", "0s"}, {"demo", "--meters", "0"},
        {"simulate", "--hub", "amqps://localhost", "--interval", "0s"}, {"status", "--dta", "x"}}) {
    const auto outcome = run(folder.path(), command);
    EXPECT_EQ(outcome.code, 2) << command.front() << ": " << outcome.err;
  }
}

TEST(Commands, NameTheWordThatIsNoCommand) {
  const Folder folder;
  const auto outcome = run(folder.path(), {"stauts"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("\"stauts\" is no command; there are alerts, backup, bench, config, deadletter"));
  EXPECT_THAT(run(folder.path(), {"registry", "list", "metres"}).err, HasSubstr("\"metres\" is no command; there are tenants, profiles, gateways, meters"));
  EXPECT_EQ(run(folder.path(), {"--version"}).out, run(folder.path(), {"version"}).out);
}

TEST(Commands, NameTheHubThatDoesNotAnswer) {
  const Folder folder;
  const auto outcome = run(folder.path(), {"send", "--sample", "--connection", "HostName=localhost:1;DeviceId=d;SharedAccessKey=AAAA"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("localhost:1: connect: Connection refused"));
}

// A disk that is full behind a redirection.
TEST(Commands, FailWhenTheirResultCannotBeWritten) {
  for (const char* command : {"version", "config print", "decode --payload AgEAD0JAAA7w4wAAUV0ABHYxLjA"}) {
    const auto line = std::string(METERHUB_PROGRAM) + " " + command + " >/dev/full 2>/dev/null";
    EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 1) << command;
  }
}

TEST(Commands, SayThatNoPlatformHasRunInADirectory) {
  const Folder folder;
  for (const std::vector<std::string>& command : {std::vector<std::string>{"status"}, {"deadletter", "list"}, {"trace", "--gateway", "g"}}) {
    auto with_data = command;
    with_data.insert(with_data.end(), {"--data", folder.data()});
    const auto outcome = run(folder.path(), with_data);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("no platform has run")) << command.front();
  }
}

TEST(Config, RefusesAnUnknownRoleAndANetworkThatIsNone) {
  const Folder folder;
  const auto path = file_with(folder, "[platform]\nroles = [\"hub\", \"hubb\"]\n[hub]\ngwmp_networks = [\"10.0.0.0/64\"]\n");
  const auto outcome = run(folder.path(), {"config", "check", "--config", path});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("no role \"hubb\""));
  EXPECT_THAT(outcome.err, HasSubstr("hub.gwmp_networks"));
}

}  // namespace
}  // namespace meterhub::e2e
