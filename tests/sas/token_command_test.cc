// The command `meterhub token`, run as a user runs it.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <meterhub/sas/token.h>

namespace meterhub::sas {
namespace {

struct Run {
  std::string output;  // stdout, without the last newline
  int code = 0;
};

Run run(const std::string& arguments) {
  const std::string command = std::string(METERHUB_PROGRAM) + " token " + arguments + " 2>/dev/null";
  Run result;
  FILE* pipe = popen(command.c_str(), "r");
  char line[4096];
  while (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr) result.output += line;
  if (result.output.ends_with('\n')) result.output.pop_back();
  result.code = WEXITSTATUS(pclose(pipe));
  return result;
}

constexpr std::string_view kKey = "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=";
const std::string kKeyOption = " --key " + std::string(kKey);

TEST(TokenCommand, MakesADevicesTokenThatLivesAsLongAsAsked) {
  const auto made = run("--host hub.test:5999 --device gw-1 --ttl 15m" + kKeyOption);
  EXPECT_EQ(made.code, 0);
  const auto token = parse_token(made.output);
  ASSERT_TRUE(token) << made.output;
  EXPECT_EQ(token->resource_text, "hub.test%3A5999%2Fdevices%2Fgw-1");
  EXPECT_TRUE(signed_by(*token, kKey));
  const auto now = base::SystemClock().now();
  EXPECT_TRUE(alive(*token, now + std::chrono::minutes(14)));
  EXPECT_FALSE(alive(*token, now + std::chrono::minutes(16)));
}

TEST(TokenCommand, MakesPolicyTokensOfBothForms) {
  const auto hub = parse_token(run("--host hub.test --policy iothubowner" + kKeyOption).output);
  ASSERT_TRUE(hub);
  EXPECT_EQ(hub->policy, "iothubowner");
  EXPECT_TRUE(signed_by(*hub, kKey));
  const auto event_hub = parse_token(run("--host hub.test --policy service --event-hub meters" + kKeyOption).output);
  ASSERT_TRUE(event_hub);
  EXPECT_EQ(event_hub->resource.kind, Resource::Kind::kEventHub);
  EXPECT_TRUE(signed_by(*event_hub, kKey));
}

TEST(TokenCommand, TakesTheKeyOfTheRegistryWhenNoneIsGiven) {
  std::string data = testing::TempDir() + "token-XXXXXX";
  ASSERT_NE(mkdtemp(data.data()), nullptr);
  const auto registry = [&](const std::string& arguments) {
    return std::system((std::string(METERHUB_PROGRAM) + " registry " + arguments + " --data " + data + " >" + data + "/out").c_str());
  };
  ASSERT_EQ(registry("add tenant Gas"), 0);
  ASSERT_EQ(registry("policy show service --keys"), 0);
  std::ifstream out(data + "/out");
  std::string line;
  while (std::getline(out, line) && !line.starts_with("primary key")) {
  }
  const auto key = line.substr(line.find('\t') + 1);
  const auto hub = parse_token(run("--host hub.test --policy service --data " + data).output);
  ASSERT_TRUE(hub);
  EXPECT_TRUE(signed_by(*hub, key));
  const auto event_hub = parse_token(run("--host hub.test --policy service --event-hub telemetry --data " + data).output);
  ASSERT_TRUE(event_hub);
  EXPECT_TRUE(signed_by(*event_hub, key));
  EXPECT_EQ(run("--host hub.test --policy nobody --data " + data).code, 2);
  std::filesystem::remove_all(data);
}

TEST(TokenCommand, TellsWrongUsageFromAKeyThatIsWrong) {
  EXPECT_EQ(run("--host hub.test" + kKeyOption).code, 2);
  EXPECT_EQ(run("--host hub.test --device d").code, 2);
  EXPECT_EQ(run("--host hub.test --device d --key 'not base64'").code, 1);
  EXPECT_EQ(run("--host hub.test --device d --ttl soon" + kKeyOption).code, 1);
}

}  // namespace
}  // namespace meterhub::sas
