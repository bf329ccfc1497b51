#include "job_file.h"

#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "folder.h"

namespace meterhub::app {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class JobFileTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.path() + "/" + name) << text;
    return folder_.path() + "/" + name;
  }
  Folder folder_;
};

TEST_F(JobFileTest, TakesNameAndQueryFromTheFilesBesideEachOther) {
  write("mine.sql", "SELECT 1");
  const auto body =
      read_job_file(write("mine.toml", "[inputs.Src]\nlog = \"readings\"\n[outputs.Out]\nkind = \"log\"\n"));
  ASSERT_TRUE(body) << body.error().text;
  EXPECT_EQ(
      json::parse(*body),
      json::parse(
          R"({"name":"mine","query":"SELECT 1","inputs":{"Src":{"log":"readings"}},"outputs":{"Out":{"kind":"log"}}})"));
}

TEST_F(JobFileTest, TakesWhatTheFileStates) {
  write("other.sql", "SELECT 2");
  const auto body = read_job_file(write("mine.toml", "name = \"named\"\nquery = \"other.sql\"\n"));
  ASSERT_TRUE(body) << body.error().text;
  EXPECT_EQ(json::parse(*body), json::parse(R"({"name":"named","query":"SELECT 2"})"));
}

TEST_F(JobFileTest, SaysWhereItIsNoTomlAndWhatIsMissing) {
  const auto wrong = read_job_file(write("mine.toml", "a = 1\nb = \n"));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text, HasSubstr("mine.toml:2:"));
  EXPECT_THAT(read_job_file(write("alone.toml", "a = 1\n")).error().text, HasSubstr("alone.sql"));
  EXPECT_EQ(read_job_file(folder_.path() + "/none.toml").error().code, base::Errc::kNotFound);
  EXPECT_EQ(read_job_file(write("long.toml", std::string(70'000, '\n'))).error().code, base::Errc::kTooLarge);
}

}  // namespace
}  // namespace meterhub::app
