// A query over a lake, without a job.
#include "dry_run.h"

#include <gmock/gmock.h>

#include <meterhub/base/time_text.h>
#include <meterhub/lake/writer.h>

#include "folder.h"

namespace meterhub::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DryRunTest : public testing::Test {
 protected:
  DryRunTest() {
    auto writer = std::move(*lake::Writer::open(disk_, {.directory = lake()}));
    const lake::Owner owner{base::PartitionId(0), 1, base::Epoch(1)};
    EXPECT_TRUE(writer->take_over(owner));
    std::vector<lake::Reading> rows;
    for (int i = 0; i < 10; ++i) rows.push_back(reading(i));
    EXPECT_TRUE(writer->append(owner, base::Offset(0), base::Offset(10), rows));
  }

  std::string lake() const { return folder_.path() + "/lake"; }
  lake::Reading reading(int number) const {
    lake::Reading out;
    out.meter = base::MeterNumber(static_cast<std::uint32_t>(number + 1));
    out.device = "ffffffffffffff0" + std::to_string(number);
    out.time = start_;
    out.type = 2;
    out.code = 1;
    out.bought = 1'000'000;
    out.left = number * 1'000;
    out.used = 20'829;
    out.status = 4;
    out.version = "v1.0";
    out.tenant = base::TenantNumber(number < 5 ? 1 : 2);
    out.fcnt = 7;
    out.port = 1;
    out.enqueued = start_ + std::chrono::seconds(number);
    out.offset = base::Offset(static_cast<std::uint64_t>(number));
    return out;
  }
  static stream::JobSpec spec(std::string sql) {
    stream::JobSpec out;
    out.name = "mine";
    out.sql = std::move(sql);
    out.inputs = {{"Src"}};
    out.outputs = {{"Out", stream::LogOutput{}}};
    return out;
  }
  base::Result<DryRun> run(const stream::JobSpec& of, std::chrono::seconds from, std::chrono::seconds to) {
    rows_.clear();
    return dry_run(
        disk_, lake(), of, start_ + from, start_ + to,
        [this](const std::string& output, const std::string& json) { rows_.push_back(output + " " + json); });
  }

  const base::Timestamp start_ = base::parse_rfc3339("2016-12-21T03:24:34Z")->at;
  Folder folder_;
  base::PosixDisk disk_;
  std::vector<std::string> rows_;
};

TEST_F(DryRunTest, GivesWhatTheQueryGivesForTheReadingsOfTheTime) {
  const auto done =
      run(spec("SELECT originData.app.moteeui AS d, userData.[left] AS l, userData.time AS t INTO Out FROM Src "
               "WHERE userData.[left] < 3.0"),
          std::chrono::seconds(1), std::chrono::seconds(8));
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(done->events, 7U);
  EXPECT_EQ(done->rows.at("Out"), 2U);
  EXPECT_THAT(done->missing_paths, IsEmpty());
  EXPECT_THAT(rows_, ElementsAre(R"(Out {"d":"ffffffffffffff01","l":1.0,"t":"2016-12-21T03:24:34Z"})",
                                 R"(Out {"d":"ffffffffffffff02","l":2.0,"t":"2016-12-21T03:24:34Z"})"));
}

TEST_F(DryRunTest, NamesThePathsThatTheLakeDoesNotHold) {
  const auto done =
      run(spec("SELECT originData.app.gwrx AS r, originData.gw.lati AS g, userData.status AS s INTO Out FROM Src"),
          std::chrono::seconds(0), std::chrono::seconds(10));
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_THAT(done->missing_paths, ElementsAre("originData.app.gwrx", "originData.gw.lati"));
  EXPECT_EQ(rows_.front(), R"(Out {"r":null,"g":null,"s":4})");
}

TEST_F(DryRunTest, SeesTheTenantOfTheJob) {
  auto of_one = spec("SELECT userData.status AS s INTO Out FROM Src");
  of_one.tenant = base::TenantNumber(2);
  const auto done = run(of_one, std::chrono::seconds(0), std::chrono::seconds(10));
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(done->rows.at("Out"), 5U);
}

// Ten meters, one a second from 03:24:34 on.
TEST_F(DryRunTest, RunsWindowsAndJoinsWithReferenceData) {
  auto of = spec("SELECT m.District AS district, COUNT(*) AS n, System.Timestamp() AS t INTO Out "
                 "FROM Src TIMESTAMP BY EventEnqueuedUtcTime JOIN Meters m ON Src.originData.app.moteeui = m.DeviceID "
                 "GROUP BY m.District, TumblingWindow(second, 4)");
  of.references = {{"Meters", [](const auto& give) {
                      for (int i = 0; i < 8; ++i)
                        give(R"({"DeviceID":"ffffffffffffff0)" + std::to_string(i) + R"(","District":"North"})");
                      return base::Result<void>();
                    }}};
  const auto done = run(of, std::chrono::seconds(0), std::chrono::seconds(8));
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_THAT(rows_, ElementsAre(R"(Out {"district":"North","n":3,"t":"2016-12-21T03:24:36.0000000Z"})",
                                 R"(Out {"district":"North","n":4,"t":"2016-12-21T03:24:40.0000000Z"})"));
}

// A window that ends after the time that was asked for is not final.
TEST_F(DryRunTest, SaysNothingThatIsNotFinalByTheEnd) {
  const auto done = run(spec("SELECT COUNT(*) AS n INTO Out FROM Src TIMESTAMP BY EventEnqueuedUtcTime GROUP BY TumblingWindow(minute, 10)"),
                        std::chrono::seconds(0), std::chrono::seconds(10));
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(done->events, 10U);
  EXPECT_THAT(rows_, IsEmpty());
}

TEST_F(DryRunTest, SaysWhyItCannotRun) {
  const auto wrong = run(spec("SELECT a INTO Out FROM Src WHERE"), std::chrono::seconds(0), std::chrono::seconds(10));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text, HasSubstr("mine:1:"));
  auto other = spec("SELECT a INTO Out FROM Src");
  other.inputs[0].log = "status";
  EXPECT_THAT(run(other, {}, std::chrono::seconds(10)).error().text, HasSubstr("holds readings"));
  const auto nowhere = dry_run(disk_, folder_.path() + "/none", spec("SELECT a INTO Out FROM Src"), start_, start_, {});
  EXPECT_EQ(nowhere.error().code, base::Errc::kNotFound);
}

}  // namespace
}  // namespace meterhub::app
