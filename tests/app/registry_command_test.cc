// Runs `meterhub registry …` as a user does, each time a process of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace meterhub::app {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Result {
  int code = -1;
  std::string output;
};

class RegistryCommand : public testing::Test {
 protected:
  RegistryCommand() {
    std::string pattern = (std::filesystem::temp_directory_path() / "meterhub-XXXXXX").string();
    data_ = ::mkdtemp(pattern.data());
  }
  ~RegistryCommand() override { std::filesystem::remove_all(data_); }

  Result run(const std::string& arguments) const {
    Result out;
    const auto line = std::string(METERHUB_PROGRAM) + " registry " + arguments + " --data " + data_.string() + " 2>&1";
    std::FILE* pipe = ::popen(line.c_str(), "r");
    std::array<char, 4096> buffer;
    while (const auto got = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.output.append(buffer.data(), got);
    out.code = WEXITSTATUS(::pclose(pipe));
    return out;
  }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(data_ / name) << text;
    return (data_ / name).string();
  }
  std::string content(const std::string& name) const {
    std::ifstream in(data_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path data_;
};

TEST_F(RegistryCommand, AddsAGatewayAndShowsItsConnectionStringAgainOnlyWhenAsked) {
  ASSERT_EQ(run("add tenant Gas").code, 0);
  const auto added = run("add gateway gw-1 --eui fffe020100000011 --host hub.example");
  EXPECT_EQ(added.code, 0);
  EXPECT_THAT(added.output, HasSubstr("HostName=hub.example;DeviceId=gw-1;SharedAccessKey="));
  EXPECT_EQ(run("keys gateway gw-1 --host hub.example").output, added.output);
  EXPECT_EQ(run("list gateways").output, "gw-1\tfffe020100000011\tenabled\n");
}

TEST_F(RegistryCommand, MakesListsAndShutsOutKeysOfTheApi) {
  run("add tenant Gas");
  const auto added = run("key add office --tenant Gas --right operate --expires 90d");
  EXPECT_EQ(added.code, 0);
  EXPECT_THAT(added.output, testing::MatchesRegex("mhk_[0-9a-f]+\n"));
  EXPECT_EQ(run("key add metrics --platform").code, 0);
  const auto listed = run("key list").output;
  EXPECT_THAT(listed, HasSubstr("office\tGas\toperate\tenabled\t"));
  EXPECT_THAT(listed, HasSubstr("metrics\t(platform)\tread\tenabled\t"));
  EXPECT_THAT(listed, HasSubstr("\tno end\tnever used\n"));
  EXPECT_THAT(listed, Not(HasSubstr("mhk_")));
  EXPECT_EQ(run("key disable office").code, 0);
  EXPECT_THAT(run("key list").output, HasSubstr("office\tGas\toperate\tdisabled\t"));
  EXPECT_EQ(run("key enable office").code, 0);
  EXPECT_EQ(run("key remove office").code, 0);
  EXPECT_THAT(run("key list").output, Not(HasSubstr("office")));
  EXPECT_THAT(run("key remove office").output, HasSubstr("there is no key 'office'"));
}

TEST_F(RegistryCommand, AKeySaysWhoseItIs) {
  run("add tenant Gas");
  EXPECT_NE(run("key add office").code, 0);
  EXPECT_NE(run("key add office --tenant Gas --platform").code, 0);
  EXPECT_THAT(run("key add office --tenant Gas --right admin").output, HasSubstr("at most manage"));
  EXPECT_THAT(run("key add office --tenant Gas --right all").output, HasSubstr("read, operate, manage, admin"));
}

TEST_F(RegistryCommand, ANewRegistryHasThePoliciesOfAzureAndShowsKeysOnlyWhenAsked) {
  run("add tenant Gas");
  const auto listed = run("policy list").output;
  EXPECT_THAT(listed, HasSubstr("iothubowner\thub\tregistry-read,registry-write,service-connect,device-connect\t"));
  EXPECT_THAT(listed, HasSubstr("RootManageSharedAccessKey\t*\tlisten,send,manage\t"));
  EXPECT_THAT(run("policy show service").output, Not(HasSubstr("key")));
  const auto shown = run("policy show service --keys --host hub.example:5671").output;
  EXPECT_THAT(shown, HasSubstr("IoT Hub\tHostName=hub.example:5671;SharedAccessKeyName=service;SharedAccessKey="));
  EXPECT_THAT(shown, testing::ContainsRegex("Event Hubs\tEndpoint=sb://hub.example:5671/;SharedAccessKeyName=service;"
                                            "SharedAccessKey=[^;]+;EntityPath=telemetry\n"));
  EXPECT_THAT(run("policy show device --keys").output, Not(HasSubstr("sb://"))) << "a right to connect as a device reads nothing";
}

TEST_F(RegistryCommand, MakesRotatesAndRemovesAPolicyOfAnEventHub) {
  run("add tenant Gas");
  const auto key = file("key", "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=\n");
  const auto added = run("policy add collector --event-hub readings --rights listen --key-file " + key);
  EXPECT_EQ(added.code, 0);
  EXPECT_THAT(added.output, HasSubstr("Endpoint=sb://localhost/;SharedAccessKeyName=collector;SharedAccessKey="
                                      "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=;EntityPath=readings\n"));
  const auto rotated = run("policy rotate collector --event-hub readings --key primary");
  EXPECT_EQ(rotated.code, 0);
  EXPECT_THAT(rotated.output, Not(HasSubstr("bWFkZS11")));
  EXPECT_EQ(run("policy rotate collector --event-hub readings").code, 2) << "which key, must be said";
  EXPECT_EQ(run("policy remove collector --event-hub readings").code, 0);
  EXPECT_THAT(run("policy show collector --event-hub readings").output,
              HasSubstr("there is no policy 'collector' of event hub readings"));
  EXPECT_THAT(run("policy add x --rights listen").output, HasSubstr("need an event hub"));
}

TEST_F(RegistryCommand, DisablesAndEnablesAGateway) {
  run("add tenant Gas");
  run("add gateway gw-1");
  EXPECT_EQ(run("disable gateway gw-1").code, 0);
  EXPECT_THAT(run("list gateways").output, HasSubstr("disabled"));
  EXPECT_EQ(run("enable gateway gw-1").code, 0);
  EXPECT_THAT(run("list gateways").output, HasSubstr("enabled"));
}

TEST_F(RegistryCommand, ImportsAndExportsMeters) {
  run("add tenant Gas");
  const auto in = file("in.csv", "eui,building,floor,unit,dev_addr,nwkskey,appskey\nffffffffffffff01,A1,12,1203,01a2b3c4,"
                                 "2b7e151628aed2a6abf7158809cf4f3c,3c4fcf098815f7aba6d2ae2816157e2b\n");
  const auto imported = run("import --meters " + in);
  EXPECT_EQ(imported.code, 0);
  EXPECT_EQ(imported.output, "meters: 1 imported, 0 refused\n");
  EXPECT_EQ(run("list meters").output, "1\tffffffffffffff01\tGas\tA1\t12\t1203\tv1\tfixed\n");
  ASSERT_EQ(run("export --meters " + (data_ / "out.csv").string()).code, 0);
  EXPECT_THAT(content("out.csv"), Not(HasSubstr("2b7e1516")));
  ASSERT_EQ(run("export --with-keys --meters " + (data_ / "out.csv").string()).code, 0);
  EXPECT_THAT(content("out.csv"), HasSubstr("2b7e151628aed2a6abf7158809cf4f3c"));
}

TEST_F(RegistryCommand, ExchangesAMeterAndListsWhatWasDone) {
  run("add tenant Gas");
  run("add meter ffffffffffffff01 --district North --building A1 --floor 12 --unit 1203");
  run("add meter ffffffffffffff02");
  const auto done = run("exchange ffffffffffffff01 ffffffffffffff02 --at 2026-03-01T10:30:00+08:00 --final 1234.567 --initial 0");
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.output, "exchange 1: ffffffffffffff01 -> ffffffffffffff02 at 2026-03-01T02:30:00Z in North, A1, 12, 1203\n");
  EXPECT_EQ(run("list exchanges").output, "1\t2026-03-01T02:30:00Z\tffffffffffffff01\tffffffffffffff02\t1234.567\t0.000\tNorth, A1, 12, 1203\n");
  EXPECT_THAT(run("list meters").output, testing::AllOf(HasSubstr("ffffffffffffff01\tGas\t\t\t\tv1"), HasSubstr("ffffffffffffff02\tGas\tA1\t12\t1203\tv1")));

  const auto again = run("exchange ffffffffffffff01 ffffffffffffff02");
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.output, HasSubstr("meterhub registry: meter ffffffffffffff01 was taken out at 2026-03-01T02:30:00Z: ffffffffffffff02 came in its place"));
  EXPECT_THAT(run("exchange ffffffffffffff02 ffffffffffffff01 --final 1,5").output, HasSubstr("--final: cubic metres are expected"));
  EXPECT_EQ(run("exchange ffffffffffffff02").code, 2);
  EXPECT_EQ(run("exchange ffffffffffffff02 ffffffffffffff01 --at yesterday").code, 2);
  EXPECT_THAT(run("exchange --help").output, testing::AllOf(HasSubstr("--final"), HasSubstr("meterhub usage --meter"), HasSubstr("default: now")));
}

TEST_F(RegistryCommand, ImportsExchangesAfterTheirMetersAndExportsThem) {
  run("add tenant Gas");
  const auto meters = file("meters.csv", "eui,building\nffffffffffffff01,A1\nffffffffffffff02,\n");
  const auto exchanges = file("exchanges.csv", "old,new,time\nffffffffffffff01,ffffffffffffff02,2026-03-01T02:30:00Z\n");
  const auto imported = run("import --exchanges " + exchanges + " --meters " + meters);
  EXPECT_EQ(imported.code, 0);
  EXPECT_THAT(imported.output, HasSubstr("exchanges: 1 imported, 0 refused\n"));
  ASSERT_EQ(run("export --exchanges " + (data_ / "out.csv").string()).code, 0);
  EXPECT_THAT(content("out.csv"), HasSubstr("\nffffffffffffff01,ffffffffffffff02,2026-03-01T02:30:00Z,,,,A1,,\n"));
  EXPECT_THAT(run("import --exchanges " + (data_ / "out.csv").string()).output, HasSubstr("--replace updates what exists"));
}

TEST_F(RegistryCommand, FailsWithTheLineOfABadFileAndWithCodeTwoForWrongUsage) {
  run("add tenant Gas");
  const auto in = file("in.csv", "eui\nxyz\n");
  const auto failed = run("import --meters " + in);
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.output, HasSubstr("line 2: eui: 16 hex digits are expected"));
  EXPECT_EQ(run("disable gateway gw-9").code, 1);
  EXPECT_EQ(run("disable gateway").code, 2);
}

TEST_F(RegistryCommand, ReadsNothingWhereThereIsNoRegistryAndMakesNone) {
  for (const char* arguments : {"list meters", "disable gateway gw-1", "keys gateway gw-1", "export --meters /dev/null"}) {
    const auto asked = run(arguments);
    EXPECT_EQ(asked.code, 1) << arguments;
    EXPECT_THAT(asked.output, HasSubstr("there is no registry here"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(data_));
}

TEST_F(RegistryCommand, ImportAndExportNeedAFile) {
  run("add tenant Gas");
  EXPECT_EQ(run("import").code, 2);
  EXPECT_EQ(run("export").code, 2);
}

// The first of three files was taken, the second was wrong: mended, all of them are given again.
TEST_F(RegistryCommand, SaysHowWhatIsThereCanBeImportedAgain) {
  const auto tenants = file("tenants.csv", "name\nGas\n");
  const auto gateways = file("gateways.csv", "id\ngw-1\n");
  ASSERT_EQ(run("import --tenants " + tenants + " --gateways " + gateways).code, 0);
  const auto again = run("import --tenants " + tenants + " --gateways " + gateways);
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.output, HasSubstr("--replace"));
  EXPECT_EQ(run("import --replace --tenants " + tenants + " --gateways " + gateways).code, 0);
}

constexpr const char* kWater = "name = \"water\"\ndescription = \"a water meter\"\nlength = 4\n[[field]]\nname = \"volume\"\nsize = 4\n";

TEST_F(RegistryCommand, ImportsAProfileAndMetersThatNameItInOneGo) {
  const auto profile = file("water.toml", kWater);
  const auto tenants = file("tenants.csv", "name\nWater\n");
  const auto meters = file("meters.csv", "eui,profile\nffffffffffffff01,water\n");
  const auto all = "import --profiles " + profile + " --tenants " + tenants + " --meters " + meters;
  const auto imported = run(all);
  EXPECT_EQ(imported.code, 0);
  EXPECT_THAT(imported.output, HasSubstr("profiles: 1 imported, 0 unchanged\n"));
  EXPECT_THAT(run("list meters").output, HasSubstr("\twater\t"));
  EXPECT_THAT(run("list profiles").output, HasSubstr("v1\tbuilt in\t"));
  EXPECT_THAT(run("list profiles").output, HasSubstr("water\timported\ta water meter\n"));
  EXPECT_THAT(run("import --profiles " + profile).output, HasSubstr("0 imported, 1 unchanged"));
  ASSERT_EQ(run("export --profiles " + (data_ / "out").string()).code, 0);
  EXPECT_EQ(content("out/water.toml"), kWater);
}

TEST_F(RegistryCommand, SaysFileAndLineOfAProfileThatIsWrongAndTakesNoneOfThem) {
  file("folder-a.toml", kWater);
  const auto wrong = file("wrong.toml", "name = \"wrong\"\nlength = 4\n[[field]]\nname = \"volume\"\nsize = 5\n");
  const auto failed = run("import --profiles " + (data_ / "folder-a.toml").string() + " " + wrong);
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.output, HasSubstr(wrong + ": line 3: field volume lies outside the payload: it ends at byte 5 of 4"));
  EXPECT_THAT(run("list profiles").output, Not(HasSubstr("water")));
}

TEST_F(RegistryCommand, RefusesTwoProfilesOfOneName) {
  std::filesystem::create_directory(data_ / "profiles");
  const auto first = file("profiles/a.toml", kWater);
  const auto second = file("profiles/b.toml", kWater + std::string("unit = \"m3\"\n"));
  const auto both = run("import --profiles " + (data_ / "profiles").string());
  EXPECT_EQ(both.code, 1);
  EXPECT_THAT(both.output, HasSubstr(second + ": profile water is in " + first + " too: leave one out or give it another name"));
  ASSERT_EQ(run("import --profiles " + first).code, 0);
  const auto other = run("import --profiles " + second);
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.output, HasSubstr("there is a profile water already, which says something else; --replace updates what exists"));
  EXPECT_EQ(run("import --replace --profiles " + second).code, 0);
}

// Whoever names a profile of their own v1 would change what every gas meter says.
TEST_F(RegistryCommand, ReplacesABuiltInProfileOnlyWhenAsked) {
  const auto mine = file("v1.toml", "name = \"v1\"\nlength = 4\n[[field]]\nname = \"volume\"\nsize = 4\n");
  EXPECT_EQ(run("import --profiles " + mine).code, 1);
  EXPECT_THAT(run("import --replace --profiles " + mine).output, HasSubstr("1 imported"));
  EXPECT_THAT(run("list profiles").output, HasSubstr("v1\timported\t"));
}

TEST_F(RegistryCommand, RefusesAMeterWhoseProfileNobodyHas) {
  run("add tenant Water");
  const auto meters = file("meters.csv", "eui,profile,building\nffffffffffffff01,v1,A\nffffffffffffff02,watr,B\n");
  const auto failed = run("import --meters " + meters);
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.output, HasSubstr(meters + ": line 3: profile: there is no \"watr\", there are v1, poc-2016; import its file first"));
  EXPECT_EQ(run("add meter ffffffffffffff03 --profile watr").code, 1);
  EXPECT_EQ(run("import --skip-bad --meters " + meters).code, 0);
  EXPECT_EQ(run("list meters").output, "1\tffffffffffffff01\tWater\tA\t\t\tv1\tfixed\n");
}

}  // namespace
}  // namespace meterhub::app
