#include <meterhub/registry/transfer.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using base::Errc;
using testing::HasSubstr;

class TransferTest : public RegistryTest {
 protected:
  std::filesystem::path file(std::string_view text) {
    const auto path = directory_ / "in.csv";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string content(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  auto meters(std::string_view text, const ImportOptions& options = {}) { return import_meters(*store_, "test", file(text), options); }
};

constexpr std::string_view kTwoMeters =
    "eui,district,building,floor,unit,allow_resets,low_limit_litres,dev_addr,nwkskey,appskey,joineui,appkey\n"
    "ffffffffffffff01,\xE6\xB8\x9D\xE4\xB8\xAD,A1,12,\"12,03\",1,5000,01a2b3c4,2b7e151628aed2a6abf7158809cf4f3c,3c4fcf098815f7aba6d2ae2816157e2b,,\n"
    "ffffffffffffff02,\xE6\xB8\x9D\xE4\xB8\xAD,A1,12,1204,,,,,,70b3d57ed0000000,000102030405060708090a0b0c0d0e0f\n";

TEST_F(TransferTest, ReadsMetersWithFixedAndWithJoinKeys) {
  const auto report = meters(kTwoMeters);
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->imported, 2u);
  const auto meter = *store_->meter(base::Eui64(0xffffffffffffff01));
  EXPECT_EQ(meter.district_name, "渝中");
  EXPECT_EQ(meter.unit_name, "12,03");
  EXPECT_EQ(meter.low_limit_litres, 5000);
  EXPECT_EQ(store_->sessions({}, 10)->at(0).dev_addr.value, 0x01a2b3c4u);
  EXPECT_TRUE(store_->meter(base::Eui64(0xffffffffffffff02))->otaa);
}

TEST_F(TransferTest, ASilenceLimitThatNobodyStatedIsLeftToTheRules) {
  const auto report = meters("eui,silence_limit_s\nffffffffffffff01,\nffffffffffffff02,0\nffffffffffffff03,3600\n");
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(store_->meter(base::Eui64(0xffffffffffffff01))->silence_limit.count(), 0);
  EXPECT_EQ(store_->meter(base::Eui64(0xffffffffffffff02))->silence_limit.count(), 0);
  EXPECT_EQ(store_->meter(base::Eui64(0xffffffffffffff03))->silence_limit.count(), 3600);
  EXPECT_THAT(meters("eui,silence_limit_s\nffffffffffffff04,-1\n").error().text, HasSubstr("or is 0: the rules' limit counts"));
  ASSERT_TRUE(export_meters(*store_, directory_ / "out.csv", {}));
  EXPECT_THAT(content(directory_ / "out.csv"), HasSubstr("\nffffffffffffff01,Chongqing Gas,,,,,v1,0,0,"));
}

TEST_F(TransferTest, ReadsAByteOrderMarkAndWindowsLineEnds) {
  EXPECT_EQ(meters("\xEF\xBB\xBF" "eui,unit,building\r\nffffffffffffff01,1,A\r\n")->imported, 1u);
  EXPECT_EQ(store_->meter(base::Eui64(0xffffffffffffff01))->building_name, "A");
}

TEST_F(TransferTest, ReadsChineseNamesInGb18030) {
  // "渝中" in GB18030.
  const auto report = meters("eui,district,building\nffffffffffffff01,\xD3\xE5\xD6\xD0,A\n");
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(store_->districts()->at(0).name, "渝中");
}

TEST_F(TransferTest, StaysWithTheEncodingThatTheFileWasFoundToHave) {
  // In GB18030, "一" is D2 BB, which is a letter in UTF-8 too: the line before decides.
  ASSERT_TRUE(meters("eui,district,building\nffffffffffffff01,\xD3\xE5\xD6\xD0,A\nffffffffffffff02,\xD2\xBB,A\n"));
  EXPECT_EQ(store_->meter(base::Eui64(0xffffffffffffff02))->district_name, "一");
}

TEST_F(TransferTest, TakesNoOtherEncodingInAFileThatIsUtf8) {
  const auto damaged = "ffffffffffffff02,\xD3\xE5,A\n";
  const auto refused = "line 3: the text is not UTF-8 as the lines before";
  EXPECT_EQ(meters(std::string("eui,district,building\nffffffffffffff01,渝中,A\n") + damaged).error().text, refused);
  EXPECT_EQ(meters(std::string("\xEF\xBB\xBF" "eui,district,building\nffffffffffffff01,x,A\n") + damaged).error().text, refused);
}

TEST_F(TransferTest, OneBadLineAndNothingIsDone) {
  const auto report = meters("eui\nffffffffffffff01\nxyz\n");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().text, "line 3: eui: 16 hex digits are expected");
  EXPECT_EQ(store_->meter_count(), 0);
}

TEST_F(TransferTest, NamesTheLineOfEveryKindOfMistake) {
  const auto text = [&](std::string_view csv) { return meters(csv).error().text; };
  EXPECT_EQ(text(""), "the file is empty");
  EXPECT_THAT(text("eui,colour\n"), testing::StartsWith("line 1: \"colour\": unknown column; there are eui, tenant, district"));
  EXPECT_EQ(text("\"eui\n"), "line 1: a quoted field has no end");
  EXPECT_EQ(text("tenant\n"), "line 1: eui: the column is missing");
  EXPECT_EQ(text("eui,unit\nffffffffffffff01\n"), "line 2: 2 fields are expected, here are 1");
  EXPECT_EQ(text("eui,unit,building\nffffffffffffff01,\"1\n2\",A\nffffffffffffff01,1,A\n"), "line 4: there is a meter ffffffffffffff01 already");
  EXPECT_EQ(text("eui,tenant\nffffffffffffff01,Nobody\n"), "line 2: there is no tenant 'Nobody'");
  EXPECT_EQ(text("eui,unit\nffffffffffffff01,1\n"), "line 2: a unit needs a building");
  EXPECT_EQ(text("eui,unit\nffffffffffffff01,\"1\n"), "line 2: a quoted field has no end");
  EXPECT_EQ(text("eui,unit\nffffffffffffff01,\xFF\xFF\n"), "line 2: the text is neither UTF-8 nor GB18030");
}

TEST_F(TransferTest, RefusesATimeZoneThatIsNone) {
  const auto report = import_tenants(*store_, "test", file("name,time_zone\nOther,Mars/Olympus\n"), {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().text, "line 2: unknown time zone: Mars/Olympus");
}

// As /dev/stdout is, when somebody looks at an export in a pipe.
TEST_F(TransferTest, AnExportChangesNoModeOfWhatIsNoFile) {
  const auto pipe = directory_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0644), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_TRUE(export_tenants(*store_, pipe, {}));
  struct stat facts {};
  ASSERT_EQ(::stat(pipe.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0644U);
  ::close(reader);
}

TEST_F(TransferTest, NeverRepeatsAKeyInAnError) {
  const auto report = meters("eui,dev_addr,nwkskey,appskey\nffffffffffffff01,01a2b3c4,5ec4e7,00\n");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().text, "line 2: nwkskey: 32 hex digits are expected");
}

TEST_F(TransferTest, SkipsBadLinesWhenAskedAndKeepsThem) {
  const auto rejects = directory_ / "rejects.csv";
  ImportOptions options{.skip_bad = true};
  options.rejects = rejects;
  const auto report = meters("eui,building\nffffffffffffff01,A\nbad,B\nffffffffffffff03,C\n", options);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->imported, 2u);
  EXPECT_EQ(report->refused, 1u);
  EXPECT_EQ(report->errors.at(0).line, 3u);
  EXPECT_EQ(content(rejects), "eui,building,error\nbad,B,eui: 16 hex digits are expected\n");
}

TEST_F(TransferTest, AnExportWithKeysComesBackTheSame) {
  ASSERT_TRUE(meters(kTwoMeters));
  const auto out = directory_ / "out.csv";
  ASSERT_EQ(export_meters(*store_, out, {.with_keys = true}), 2u);
  ASSERT_TRUE(import_meters(*store_, "test", out, {.replace = true}));
  EXPECT_EQ(store_->meter(base::Eui64(0xffffffffffffff01))->session.value, 1u);
  const auto again = directory_ / "again.csv";
  ASSERT_TRUE(export_meters(*store_, again, {.with_keys = true}));
  EXPECT_EQ(content(again), content(out));
  EXPECT_THAT(content(out), HasSubstr("2b7e151628aed2a6abf7158809cf4f3c"));
}

TEST_F(TransferTest, AnExportHoldsNoKeysUnlessAsked) {
  ASSERT_TRUE(meters(kTwoMeters));
  const auto gateway = *store_->add_gateway("test", {.id = "gw-1"});
  const auto out = directory_ / "out.csv";
  ASSERT_TRUE(export_meters(*store_, out, {}));
  EXPECT_THAT(content(out), testing::Not(HasSubstr("2b7e1516")));
  ASSERT_TRUE(export_gateways(*store_, out, {}));
  EXPECT_EQ(content(out), "id,eui,tenant,enabled,ns_plugin,primary_key,secondary_key,status_reason,authentication,primary_thumbprint,secondary_thumbprint\n"
            "gw-1,,Chongqing Gas,1,,,,,sas,,\n");
}

TEST_F(TransferTest, GatewaysComeBackWithTheirCertificates) {
  const Thumbprints thumbprints{std::string(40, 'a'), std::string(64, 'b')};
  ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-1", .authentication = "selfSigned", .thumbprints = thumbprints}));
  const auto out = directory_ / "out.csv";
  ASSERT_TRUE(export_gateways(*store_, out, {}));
  ASSERT_TRUE(import_gateways(*store_, "test", file("id\ngw-1\n"), {.replace = true}));
  EXPECT_EQ(store_->gateway("gw-1")->authentication, kThumbprintAuthentication) << "a file without the columns";
  ASSERT_TRUE(store_->remove_gateway("test", "gw-1"));
  ASSERT_TRUE(import_gateways(*store_, "test", out, {}));
  EXPECT_EQ(store_->gateway("gw-1")->authentication, kThumbprintAuthentication);
  EXPECT_EQ(store_->gateway("gw-1")->thumbprints, thumbprints);
}

TEST_F(TransferTest, GatewaysComeBackWithTheirKeysAndMissingOnesAreMade) {
  const auto made = *store_->add_gateway("test", {.id = "gw-1", .eui = base::Eui64(0x11)});
  const auto out = directory_ / "out.csv";
  ASSERT_TRUE(export_gateways(*store_, out, {.with_keys = true}));
  ASSERT_TRUE(store_->remove_gateway("test", "gw-1"));
  ASSERT_TRUE(import_gateways(*store_, "test", out, {}));
  EXPECT_EQ(store_->gateway("gw-1")->keys, made.keys);
  const auto report = import_gateways(*store_, "test", file("id\ngw-2\n"), {});
  EXPECT_THAT(report->gateways_with_new_keys, testing::ElementsAre("gw-2"));
}

}  // namespace
}  // namespace meterhub::registry
