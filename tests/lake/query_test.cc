#include <gmock/gmock.h>

#include "lake_fixture.h"

namespace meterhub::lake {
namespace {

using base::Errc;
using base::Offset;
using testing::HasSubstr;

class QueryTest : public testing::Test {
 protected:
  void SetUp() override {
    writer_ = Writer::open(disk_, {.directory = folder_.path()}).value();
    ASSERT_TRUE(writer_->append(owner(), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  }
  std::string ask(const std::string& sql, Format format) {
    const auto text = query_text(disk_, folder_.path(), sql, format);
    return text ? *text : text.error().text;
  }
  Folder folder_;
  base::PosixDisk disk_;
  std::unique_ptr<Writer> writer_;
};

TEST_F(QueryTest, AnswersAsTableCsvAndJson) {
  const std::string sql = "SELECT Seq, TotalUsed AS used, MeterSoftwareVer AS v, NULL AS none FROM readings ORDER BY Seq LIMIT 2;";
  EXPECT_EQ(ask(sql, Format::kCsv), "Seq,used,v,none\n0,20.829,v1.0,\n1,20.829,v1.0,\n");
  EXPECT_EQ(ask(sql, Format::kJson), "{\"Seq\":0,\"used\":20.829,\"v\":\"v1.0\",\"none\":null}\n"
                                     "{\"Seq\":1,\"used\":20.829,\"v\":\"v1.0\",\"none\":null}\n");
  EXPECT_EQ(ask(sql, Format::kTable), "Seq  used    v     none\n---  ------  ----  ----\n"
                                      "0    20.829  v1.0  \n1    20.829  v1.0  \n");
}

TEST_F(QueryTest, DescribeAndCommentsWork) {
  EXPECT_THAT(ask("DESCRIBE readings", Format::kCsv), HasSubstr("DeviceID,VARCHAR"));
  EXPECT_EQ(ask("SELECT 1 AS a -- one", Format::kCsv), "a\n1\n");
  EXPECT_EQ(ask("SELECT 'a,\"b\"' AS \"x,y\"", Format::kCsv), "\"x,y\"\n\"a,\"\"b\"\"\"\n");
}

TEST_F(QueryTest, NothingIsWrittenAndNothingElseIsRead) {
  for (const std::string& sql :
       {"COPY readings TO " + duck::literal(folder_.path() + "/readings/x.parquet"),
        "SELECT 1) x; COPY readings TO " + duck::literal(folder_.path() + "/x.parquet") + "; SELECT * FROM (SELECT 1",
        std::string("SELECT * FROM read_csv('/etc/passwd')"), std::string("SELECT * FROM read_text('/etc/hostname')"),
        std::string("SET enable_external_access = true"), std::string("CREATE TABLE t AS SELECT 1")}) {
    EXPECT_FALSE(query_text(disk_, folder_.path(), sql, Format::kCsv)) << sql;
  }
  EXPECT_TRUE(disk_.list(folder_.path() + "/readings").value().empty());
}

// What a job has written is a table by the job's and the output's name, whatever columns its versions had.
TEST_F(QueryTest, JobsOutputsAreTablesOfTheirOwn) {
  const auto job = folder_.path() + "/jobs/water-readings";
  ASSERT_TRUE(disk_.make_directories(job + "/Readings/staging"));
  ASSERT_TRUE(disk_.make_directories(job + "/Nothing"));
  auto plain = duck::Database::open({.external_access = true}).value().connect().value();
  const auto write = [&](const std::string& what, const std::string& name) {
    ASSERT_TRUE(plain.query("COPY (" + what + ") TO " + duck::literal(job + "/Readings/" + name) + " (FORMAT parquet)"));
  };
  write("SELECT 'a' AS DeviceID, 1.5 AS Volume", "part-00-00000000000000000000.parquet");
  write("SELECT 'b' AS DeviceID, 2.5 AS Volume, 7 AS Flow", "part-00-00000000000000000001.parquet");
  write("SELECT 'c' AS DeviceID", "staging/part-00-00000000000000000002.parquet.1");
  EXPECT_EQ(ask("SELECT DeviceID, Volume, Flow FROM \"Water-readings\".readings ORDER BY 1", Format::kCsv), "DeviceID,Volume,Flow\na,1.5,\nb,2.5,7\n");
  EXPECT_EQ(ask("SELECT count(*) AS n FROM readings", Format::kCsv), "n\n10\n");
  EXPECT_THAT(ask("SELECT * FROM \"water-readings\".Nothing", Format::kCsv), HasSubstr("Nothing does not exist"));
}

TEST_F(QueryTest, AnErrorShowsTheUsersOwnWords) {
  const auto text = ask("SELEC 1", Format::kTable);
  EXPECT_THAT(text, HasSubstr("\"SELEC\""));
  EXPECT_THAT(text, testing::Not(HasSubstr("COLUMNS")));
  EXPECT_THAT(ask(" ;", Format::kJson), HasSubstr("an empty query"));
}

TEST_F(QueryTest, AnEmptyLakeHasTheColumnsAndAMissingOneIsNotFound) {
  Folder empty;
  EXPECT_EQ(
      query_text(disk_, empty.path(), "SELECT count(*) AS n FROM readings WHERE Bought > 1", Format::kCsv).value(),
      "n\n0\n");
  EXPECT_EQ(
      query_text(disk_, empty.path(), "SELECT count(*) AS n FROM changes WHERE OldBought > 1", Format::kCsv).value(),
      "n\n0\n");
  EXPECT_EQ(query_text(disk_, empty.path() + "/no", "SELECT 1", Format::kCsv).error().code, Errc::kNotFound);
}

TEST_F(QueryTest, CheckFindsMissingShortUnlistedAndRepeated) {
  tidy(*writer_, owner(), hour_of(kNoon));
  EXPECT_TRUE(check(disk_, folder_.path()).value().clean());
  const auto& objects = writer_->state().hours.at(hour_of(kNoon)).base;
  const std::string object = folder_.path() + "/" + objects.begin()->second.path;
  ASSERT_TRUE(disk_.write(base::parent_path(object) + "/foreign.parquet", "x"));
  EXPECT_EQ(check(disk_, folder_.path()).value().unlisted, 1u);
  ASSERT_TRUE(disk_.remove(base::parent_path(object) + "/foreign.parquet"));

  auto again = readings(owner(), 0, 1, kNoon);
  again[0].offset = Offset(10);
  ASSERT_TRUE(writer_->append(owner(), Offset(10), Offset(11), again));
  EXPECT_EQ(check(disk_, folder_.path()).value().duplicates, 1u);

  auto plain = duck::Database::open({.external_access = true}).value().connect().value();
  ASSERT_TRUE(plain.query("COPY (FROM read_parquet(" + duck::literal(object) + ") LIMIT 0) TO " + duck::literal(object)));
  EXPECT_EQ(check(disk_, folder_.path()).value().wrong_rows, 1u);
  ASSERT_TRUE(disk_.remove(object));
  EXPECT_EQ(check(disk_, folder_.path()).value().missing_files, 1u);
}

}  // namespace
}  // namespace meterhub::lake
