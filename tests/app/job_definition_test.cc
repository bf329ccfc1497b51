// Jobs as people write them.
#include "job_definition.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "folder.h"
#include "pack.h"

namespace meterhub::app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class JobDefinitionTest : public testing::Test {
 protected:
  JobDefinitionTest() {
    registry::Store::Options options;
    options.file = folder_.path() + "/registry.sqlite";
    options.master_key.fill(7);
    store_ = std::move(*registry::Store::open(options, clock_));
    EXPECT_TRUE(store_->add_tenant("test", "Chongqing Gas"));
  }

  JobNames names() const { return {*store_, DataPaths{"data"}}; }
  static registry::Job job(std::string definition, std::string query = "SELECT a INTO Out FROM Src",
                           std::string name = "mine") {
    registry::Job out;
    out.spec.name = std::move(name);
    out.spec.definition = std::move(definition);
    out.spec.query = std::move(query);
    return out;
  }
  std::vector<std::string> problems(const std::string& definition) const {
    return read_definition(job(definition), names()).problems;
  }
  JobCheck check(const registry::Job& of, const std::vector<registry::Job>& others = {}) const {
    return check_job(of, others, names());
  }

  Folder folder_;
  base::ManualClock clock_;
  std::unique_ptr<registry::Store> store_;
};

constexpr char kToLog[] = R"({"inputs": {"Src": {}}, "outputs": {"Out": {"kind": "log"}}})";

std::string reading(const std::string& from) {
  return R"({"inputs": {"Src": {"job": ")" + from + R"(", "output": "Out"}}, "outputs": {"Out": {"kind": "log"}}})";
}

TEST_F(JobDefinitionTest, ReadsAllThereIsToSay) {
  const auto read = read_definition(job(R"({
    "tenant": "Chongqing Gas",
    "inputs": {"Src": {"log": "status"}, "Meters": {"reference": "meters"}},
    "outputs": {"Rows": {"kind": "table", "table": "low", "retention": "2d"}, "Files": {"kind": "blob", "folder": "low-files"},
                "Feed": {"kind": "log", "retention": "1h", "retention_bytes": "1MiB"}},
    "policy": {"late_arrival": "1m", "out_of_order": "10s", "action": "drop", "on_runtime_error": "null", "linger": "2s", "checkpoint": "500ms"}
  })"),
                                    names());
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_EQ(read.spec.tenant, store_->tenant("Chongqing Gas")->number);
  ASSERT_THAT(read.spec.inputs, SizeIs(1));
  EXPECT_EQ(read.spec.inputs[0].log, "status");
  ASSERT_THAT(read.spec.references, SizeIs(1));
  EXPECT_EQ(read.spec.references[0].name, "Meters");
  ASSERT_THAT(read.spec.outputs, SizeIs(3));
  EXPECT_EQ(std::get<stream::BlobOutput>(read.spec.outputs[1].sink).folder, "data/blob/low-files");
  EXPECT_EQ(std::get<stream::LogOutput>(read.spec.outputs[0].sink).retention, std::chrono::hours(1));
  EXPECT_EQ(std::get<stream::TableOutput>(read.spec.outputs[2].sink).retention, std::chrono::days(2));
  EXPECT_EQ(read.spec.policy.late_arrival, 60 * sql::kTicksPerSecond);
  EXPECT_EQ(read.spec.policy.action, sql::DisorderAction::kDrop);
  EXPECT_EQ(read.spec.on_runtime_error, engine::OnRuntimeError::kNull);
  EXPECT_EQ(read.spec.linger, std::chrono::seconds(2));
  EXPECT_EQ(read.spec.checkpoint_pause, std::chrono::milliseconds(500));
}

TEST_F(JobDefinitionTest, NamesEveryProblemAtOnceWithItsPlace) {
  EXPECT_THAT(
      problems(R"({"tenant": "nobody", "inputs": {"Src": {"log": "telemetry"}}, "outputs": {"Out": {"kind": "tabel"}},
                           "policy": {"late_arrival": "soon"}, "polcy": {}})"),
      UnorderedElementsAre(
          HasSubstr("tenant: there is no tenant 'nobody'"), HasSubstr("inputs.Src.log: \"telemetry\" is none of"),
          HasSubstr("outputs.Out.kind: \"tabel\" is none of"), HasSubstr("outputs.Out.kind: say where"),
          HasSubstr("policy.late_arrival: "), HasSubstr("polcy: there is no such setting here")));
}

TEST_F(JobDefinitionTest, AnythingElseThanAnObjectIsAProblem) {
  for (const char* text : {"", "[]", "7", "{", "\"x\"", "{\"inputs\": 7, \"outputs\": []}",
                           "{\"inputs\": {\"Src\": 7}, \"outputs\": {\"Out\": null}}"}) {
    EXPECT_FALSE(problems(text).empty()) << text;
  }
}

TEST_F(JobDefinitionTest, RefusesFoldersOutsideOfTheirPlace) {
  for (const char* folder : {"..", "a/b", "/etc", "a.b"}) {
    EXPECT_THAT(problems(R"({"inputs": {"Src": {}}, "outputs": {"Out": {"kind": "blob", "folder": ")" +
                         std::string(folder) + "\"}}}"),
                Contains(HasSubstr("outputs.Out.folder")))
        << folder;
  }
}

TEST_F(JobDefinitionTest, RefusesMoreInputsAndOutputsThanItMayHave) {
  nlohmann::json definition{{"inputs", {{"Src", nlohmann::json::object()}}}};
  for (int i = 0; i < 17; ++i) definition["outputs"]["Out" + std::to_string(i)] = {{"kind", "log"}};
  EXPECT_THAT(problems(definition.dump()), ElementsAre("outputs: at most 16"));
  definition["outputs"] = {{"Out", {{"kind", "log"}}}};
  for (int i = 0; i < 8; ++i) definition["inputs"]["Src" + std::to_string(i)] = nlohmann::json::object();
  EXPECT_THAT(problems(definition.dump()), ElementsAre("inputs: at most 8"));
}

TEST_F(JobDefinitionTest, ShowsEveryMistakeOfTheQueryUnderItsPlace) {
  const auto checked = check(job(kToLog, "SELECT LENGTH(a) INTO Nowhere FROM Src\nSELECT b INTO Out FROM Elsewhere"));
  EXPECT_FALSE(checked.ok());
  EXPECT_THAT(checked.text(), HasSubstr("mine:1:"));
  EXPECT_THAT(checked.text(), HasSubstr("mine:2:"));
  EXPECT_THAT(checked.text(), HasSubstr("^"));
}

TEST_F(JobDefinitionTest, TwoJobsMayNotWriteIntoOneFolder) {
  const std::string files = R"({"inputs": {"Src": {}}, "outputs": {"Out": {"kind": "blob", "folder": "same"}}})";
  const auto other = job(files, "SELECT a INTO Out FROM Src", "other");
  EXPECT_THAT(check(job(files), {other}).problems, ElementsAre(HasSubstr("output Out of job other writes there")));
  EXPECT_TRUE(check(other, {other}).ok()) << "a change of itself";
}

TEST_F(JobDefinitionTest, ReadsOnlyLogsThatAnotherJobWrites) {
  const auto source = job(kToLog, "SELECT a INTO Out FROM Src", "source");
  EXPECT_TRUE(check(job(reading("source")), {source}).ok()) << check(job(reading("source")), {source}).text();
  EXPECT_THAT(check(job(reading("nobody")), {source}).problems,
              Contains(HasSubstr("no other job has an output of kind log")));
  EXPECT_THAT(readers_of("source", {source, job(reading("source"))}, names()), ElementsAre("mine"));
  EXPECT_THAT(readers_of("mine", {source, job(reading("source"))}, names()), IsEmpty());
}

TEST_F(JobDefinitionTest, JobsMayNotReadInACircle) {
  const auto first = job(reading("second"), "SELECT a INTO Out FROM Src", "first");
  const auto second = job(reading("first"), "SELECT a INTO Out FROM Src", "second");
  EXPECT_THAT(check(first, {second}).problems, ElementsAre(HasSubstr("what it writes itself")));
  EXPECT_THAT(check(job(reading("mine"))).problems, Contains(HasSubstr("what it writes itself")));
}

TEST_F(JobDefinitionTest, AJobThatTookANameUpAgainHasFilesOfItsOwn) {
  auto again = job(R"({"inputs": {"Src": {}}, "outputs": {"Out": {"kind": "blob"}}})");
  again.incarnation = 2;
  EXPECT_EQ(std::get<stream::BlobOutput>(read_definition(again, names()).spec.outputs.at(0).sink).folder,
            "data/blob/mine-Out~2");
}

TEST_F(JobDefinitionTest, JobsOfThePackAreRight) {
  for (const auto& spec : pack_jobs(pack_names(), {})) {
    registry::Job first;
    first.spec = spec;
    const auto checked = check(first);
    EXPECT_TRUE(checked.ok()) << checked.text();
  }
}

TEST_F(JobDefinitionTest, ReferenceRowsHaveAnotherVersionWhenMetersChange) {
  const auto read = read_definition(job(R"({"inputs": {"Src": {}, "Meters": {"reference": "meters"}}, "outputs": {"Out": {"kind": "log"}}})"), names());
  ASSERT_THAT(read.problems, IsEmpty());
  ASSERT_THAT(read.spec.references, SizeIs(1));
  const auto& version = read.spec.references[0].version;
  const auto first = version();
  registry::GatewaySpec gateway;
  gateway.id = "gateway-1";
  gateway.tenant = "Chongqing Gas";
  ASSERT_TRUE(store_->add_gateway("test", gateway));
  EXPECT_EQ(version(), first);
  registry::MeterSpec meter;
  meter.eui = base::Eui64(1);
  meter.tenant = "Chongqing Gas";
  ASSERT_TRUE(store_->add_meter("test", meter));
  EXPECT_GT(version(), first);
  EXPECT_EQ(version(), version());
}

TEST_F(JobDefinitionTest, GivesMetersAsReferenceRowsOfTheTenant) {
  ASSERT_TRUE(store_->add_tenant("test", "Other"));
  for (const auto& [eui, tenant] : {std::pair{1, "Chongqing Gas"}, std::pair{2, "Other"}}) {
    registry::MeterSpec meter;
    meter.eui = base::Eui64(static_cast<std::uint64_t>(eui));
    meter.tenant = tenant;
    meter.building = "Tower 7";
    ASSERT_TRUE(store_->add_meter("test", meter));
  }
  std::vector<std::string> rows;
  const auto take = [&](std::string_view row) { rows.emplace_back(row); };
  EXPECT_TRUE(meter_rows(*store_, {}, {}, "", take));
  EXPECT_THAT(rows, SizeIs(2));
  rows.clear();
  EXPECT_TRUE(meter_rows(*store_, store_->tenant("Other")->number, {}, "", take));
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_THAT(rows[0], HasSubstr(R"("DeviceID":"0000000000000002")"));
  EXPECT_THAT(rows[0], HasSubstr(R"("Building":"Tower 7")"));
}

}  // namespace
}  // namespace meterhub::app
