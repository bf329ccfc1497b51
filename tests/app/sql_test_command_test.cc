// meterhub sql test as people use it: which line of a file an error means.
#include <cstdio>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "folder.h"

namespace meterhub::app {
namespace {

using testing::HasSubstr;
using testing::Not;

class SqlTestCommand : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_.path() + "/" + name) << text; }
  // What it prints, both streams.
  std::string run(const std::string& query, const std::string& events) {
    write("q.sql", query);
    write("in.json", events);
    const auto command = std::string(METERHUB_PROGRAM) + " sql test --query " + folder_.path() + "/q.sql --input i=" +
                         folder_.path() + "/in.json 2>&1";
    std::string out;
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> block;
    while (const auto size = std::fread(block.data(), 1, block.size(), pipe)) out.append(block.data(), size);
    status_ = ::pclose(pipe);
    return out;
  }

  Folder folder_;
  int status_ = 0;
};

// The events are looked at in the order of their times, not when their line is read.
TEST_F(SqlTestCommand, NamesTheLineWhoseValueWasWrong) {
  const auto said = run("SELECT SUM(a) AS s INTO o FROM i TIMESTAMP BY ts GROUP BY TumblingWindow(minute, 5)",
                        "{\"a\":1,\"ts\":\"2026-01-01T00:00:01Z\"}\n\n"
                        "{\"a\":{\"x\":1},\"ts\":\"2026-01-01T00:00:05Z\"}\n"
                        "{\"a\":2,\"ts\":\"2026-01-01T00:00:06Z\"}\n"
                        "{\"a\":2,\"ts\":\"2026-01-01T00:10:06Z\"}\n");
  EXPECT_THAT(said, HasSubstr("i line 3: event at partition 0, offset 1: a record is not a number"));
  EXPECT_NE(status_, 0);
}

TEST_F(SqlTestCommand, NamesTheLineOfAStatementWithoutStateToo) {
  const auto said = run("SELECT a + 1 AS s INTO o FROM i", "{\"a\":1}\n{\"a\":{}}\n{\"a\":2}\n");
  EXPECT_THAT(said, HasSubstr("i line 2: event at partition 0, offset 1"));
  EXPECT_THAT(said, Not(HasSubstr("\"s\":3")));
}

TEST_F(SqlTestCommand, GoesOnBehindWhatIsNoEvent) {
  const auto said = run("SELECT a INTO o FROM i", "{\"a\":NaN}\n{\"a\":1e400}\n{\"a\":\"\\ud800\"}\n[1]\n{\"a\":7}\n");
  for (const auto* const line : {"line 1", "line 2", "line 3", "line 4"})
    EXPECT_THAT(said, HasSubstr("i " + std::string(line) + ": undecodable"));
  EXPECT_THAT(said, HasSubstr(R"({"output":"o","event":{"a":7}})"));
  EXPECT_EQ(status_, 0);
}

}  // namespace
}  // namespace meterhub::app
