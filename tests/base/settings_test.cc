#include <meterhub/base/settings.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/temporary_directory.h"

namespace meterhub::base {
namespace {

using testing::HasSubstr;
using testing::Not;

SettingsTable hub_table() {
  SettingsTable table;
  table.section("hub", "The device side.");
  table.add({"hub.amqps_port", "Port of AMQP over TLS.", SettingKind::kInt, "5671", int_between(0, 65'535)});
  table.add({"hub.plain", "Also listen without TLS, on loopback only.", SettingKind::kBool, "false"});
  table.add({"hub.networks", "Who may send.", SettingKind::kList, "10.0.0.0/8,192.168.0.0/16"});
  table.section("log", "Where packets are kept.");
  table.add({"log.retention", "How long.", SettingKind::kDuration, "24h"});
  table.add({"log.quota", "How much.", SettingKind::kBytes, "30GB"});
  table.add({"log.engine", "Which.", SettingKind::kText, "embedded", one_of({"embedded", "kafka"})});
  table.add({"log.window", "How long a write waits.", SettingKind::kDuration, "10ms", duration_between("1ms", "1s")});
  table.add({"log.segment", "How large a file is.", SettingKind::kBytes, "8GiB", size_between("1MiB", "1TiB")});
  table.add({"log.share", "Of the disk, percent.", SettingKind::kDecimal, "98.5", decimal_between(0.5, 100)});
  table.add({"log.password", "Of the broker.", SettingKind::kText, "", {}, true});
  return table;
}

class SettingsFile : public testing::Test {
 protected:
  Result<Settings> load(const std::string& text) {
    const auto path = folder_ / "settings.toml";
    std::ofstream(path) << text;
    sources.file = path.string();
    return Settings::load(table, sources);
  }
  std::string mistakes(const std::string& text) {
    const auto settings = load(text);
    return settings ? "none" : settings.error().text;
  }

  SettingsTable table = hub_table();
  SettingSources sources;

 private:
  const test::TemporaryDirectory folder_;
};

TEST_F(SettingsFile, GivesDefaultsWhereItIsSilent) {
  const auto settings = load("");
  ASSERT_TRUE(settings) << settings.error().text;
  EXPECT_EQ(settings->integer("hub.amqps_port"), 5'671);
  EXPECT_FALSE(settings->flag("hub.plain"));
  EXPECT_EQ(settings->list("hub.networks"), (std::vector<std::string>{"10.0.0.0/8", "192.168.0.0/16"}));
  EXPECT_EQ(settings->duration("log.retention"), std::chrono::hours(24));
  EXPECT_EQ(settings->bytes("log.quota"), 30'000'000'000u);
  EXPECT_EQ(settings->source("log.quota"), "default");
}

TEST_F(SettingsFile, GoesOverDefaultsEnvironmentOverItAndFlagsOverAll) {
  const std::string text = "[hub]\namqps_port = 1\nplain = true\n[log]\nquota = \"1GB\"\n";
  sources.environment = {{"MH_HUB_AMQPS_PORT", "2"}, {"MH_LOG_QUOTA", "2GB"}};
  sources.flags = {{"hub.amqps_port", "3"}};
  const auto settings = load(text);
  ASSERT_TRUE(settings) << settings.error().text;
  EXPECT_EQ(settings->integer("hub.amqps_port"), 3);
  EXPECT_EQ(settings->source("hub.amqps_port"), "flag");
  EXPECT_EQ(settings->bytes("log.quota"), 2'000'000'000u);
  EXPECT_EQ(settings->source("log.quota"), "MH_LOG_QUOTA");
  EXPECT_TRUE(settings->flag("hub.plain"));
  EXPECT_THAT(settings->source("hub.plain"), HasSubstr(".toml:3"));
}

TEST_F(SettingsFile, NamesTheNearestSettingForAnUnknownOne) {
  EXPECT_THAT(mistakes("[hub]\namqp_port = 1\n"),
              HasSubstr(".toml:2: hub.amqp_port: no such setting; nearest is hub.amqps_port"));
  EXPECT_THAT(mistakes("[hup]\nplain = true\n"), HasSubstr("nearest is hub.plain"));
  EXPECT_THAT(mistakes("completely_else = 1\n"), Not(HasSubstr("nearest")));
}

TEST_F(SettingsFile, NamesFileAndLineOfEveryWrongType) {
  const auto text = mistakes(
      "[hub]\namqps_port = \"5671\"\nplain = 1\nnetworks = [1, 2]\n[log]\nretention = 7\nquota = \"30 apples\"\n");
  for (const auto* line : {".toml:2: hub.amqps_port: must be a whole number", ".toml:3: hub.plain: must be true or false",
                           ".toml:4: hub.networks: must be a list", ".toml:6: log.retention: must be a duration",
                           ".toml:7: log.quota: expected a size"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(SettingsFile, RefusesValuesThatFailTheirCheck) {
  EXPECT_THAT(mistakes("[hub]\namqps_port = 70000\n"), HasSubstr("must be 0 to 65535"));
  EXPECT_THAT(mistakes("[log]\nengine = \"files\"\n"), HasSubstr("must be one of embedded, kafka"));
  EXPECT_THAT(mistakes("[log]\nwindow = \"0ms\"\n"), HasSubstr("log.window: must be 1ms to 1s"));
  EXPECT_THAT(mistakes("[log]\nsegment = \"0B\"\n"), HasSubstr("log.segment: must be 1MiB to 1TiB"));
}

TEST_F(SettingsFile, TakesNumbersWithAndWithoutAPoint) {
  EXPECT_EQ(load("")->decimal("log.share"), 98.5);
  EXPECT_EQ(load("[log]\nshare = 7\n")->decimal("log.share"), 7.0);
  const auto settings = load("[log]\nshare = 7.25\n");
  EXPECT_EQ(load(settings_file(table, &*settings))->decimal("log.share"), 7.25);
  sources.environment = {{"MH_LOG_SHARE", "12.5"}};
  EXPECT_EQ(load("")->decimal("log.share"), 12.5);
  sources.environment = {{"MH_LOG_SHARE", "12.5 %"}};
  EXPECT_THAT(mistakes(""), HasSubstr("MH_LOG_SHARE: log.share: expected a number such as 98.5"));
  sources.environment.clear();
  for (const auto* wrong : {"\"7\"", "nan", "inf", "true"})
    EXPECT_THAT(mistakes(std::string("[log]\nshare = ") + wrong), HasSubstr(".toml:2: log.share: must be a number"));
  EXPECT_THAT(mistakes("[log]\nshare = 0\n"), HasSubstr("log.share: must be 0.5 to 100"));
}

class ScopedSettings : public SettingsFile {
 protected:
  ScopedSettings() {
    table.section("rules", "Limits.");
    table.scopes("rules", {"tenant", "model"});
    table.add({"rules.low", "Of what is left.", SettingKind::kInt, "5", int_between(0, 100)});
    table.add({"rules.name", "Of the rule.", SettingKind::kText, "plain"});
  }
  std::int64_t low(const std::string& text, const SettingScope& scope) {
    return std::get<std::int64_t>(load(text)->value("rules.low", scope));
  }
};

TEST_F(ScopedSettings, GiveTheValueOfTheMostExactTable) {
  const std::string text =
      "[rules]\nlow = 1\n[rules.tenant.\"A \\\"quoted\\\" one\"]\nlow = 2\n[rules.model.v1]\nlow = 3\n"
      "[rules.tenant.\"A \\\"quoted\\\" one\".model.v1]\nlow = 4\n[rules.tenant.other]\nname = \"other's\"\n";
  const std::string tenant = "A \"quoted\" one";
  EXPECT_EQ(low(text, {"", ""}), 1);
  EXPECT_EQ(low(text, {"nobody", "v9"}), 1);
  EXPECT_EQ(low(text, {tenant, "v9"}), 2);
  EXPECT_EQ(low(text, {"nobody", "v1"}), 3);
  EXPECT_EQ(low(text, {tenant, "v1"}), 4);
  EXPECT_EQ(low(text, {"other", ""}), 1);
  EXPECT_EQ(load(text)->integer("rules.low"), 1);
  EXPECT_EQ(std::get<std::string>(load(text)->value("rules.name", {"other", "v1"})), "other's");
  EXPECT_EQ(load(text)->scopes_in("rules").size(), 4u);
  EXPECT_TRUE(load(text)->scopes_in("log").empty());
}

TEST_F(ScopedSettings, GoOverTheEnvironmentWhichReachesTheSectionOnly) {
  sources.environment = {{"MH_RULES_LOW", "7"}};
  EXPECT_EQ(low("[rules.model.v1]\nlow = 3\n", {"", "v1"}), 3);
  EXPECT_EQ(low("[rules.model.v1]\nlow = 3\n", {"", "v2"}), 7);
}

TEST_F(ScopedSettings, PrintedReadBackToTheSameValues) {
  const auto settings = load("[rules.tenant.\"a\\\"b.c\".model.\"燃气\"]\nlow = 4\n[rules.model.v1]\nname = \"n\"\n");
  ASSERT_TRUE(settings) << settings.error().text;
  const auto again = load(settings_file(table, &*settings));
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->scopes_in("rules"), settings->scopes_in("rules"));
  EXPECT_EQ(std::get<std::int64_t>(again->value("rules.low", {"a\"b.c", "燃气"})), 4);
  EXPECT_EQ(std::get<std::string>(again->value("rules.name", {"", "v1"})), "n");
}

TEST_F(ScopedSettings, RefuseWhatIsNoTableOfAScope) {
  EXPECT_THAT(mistakes("[rules.tenant.a]\nlow = 101\n"), HasSubstr(".toml:2: rules.low: must be 0 to 100"));
  EXPECT_THAT(mistakes("[rules.tenant.a]\nlaw = 1\n"), HasSubstr(".toml:2: rules.law: no such setting; nearest is rules.low"));
  EXPECT_THAT(mistakes("[rules.model.a.tenant.b]\nlow = 1\n"),
              HasSubstr("rules.tenant: tables are nested as rules.tenant.NAME.model.NAME"));
  EXPECT_THAT(mistakes("[rules]\ntenant = 1\n"), HasSubstr("rules.tenant: write a table, as [rules.tenant.\"NAME\"]"));
  EXPECT_THAT(mistakes("[rules.tenant]\nlow = 1\n"), HasSubstr("rules.tenant: write a table, as [rules.tenant.\"NAME\"]"));
  EXPECT_THAT(mistakes("[rules.tenant.\"\"]\nlow = 1\n"), HasSubstr("write a table"));
  EXPECT_THAT(mistakes("[log.tenant.a]\nquota = \"1GB\"\n"), HasSubstr("log.tenant.a.quota: no such setting"));
}

class NamedSettings : public SettingsFile {
 protected:
  NamedSettings() {
    table.section("shelves", "Where things stand.");
    table.named("shelves", 2, [](std::string_view name) { return name.contains(' ') ? "no blanks" : ""; });
    table.add({"shelves.boards", "Of one shelf.", SettingKind::kInt, "5", int_between(0, 100)});
  }
  std::int64_t boards(const std::string& text, const std::string& name) {
    return std::get<std::int64_t>(load(text)->value("shelves.boards", {name}));
  }
};

TEST_F(NamedSettings, AreEachAThingOfItsOwnAndTheSectionSaysTheRest) {
  const std::string text = "[shelves]\nboards = 7\n[shelves.low]\nboards = 2\n[shelves.plain]\n";
  EXPECT_EQ(load(text)->names_in("shelves"), (std::vector<std::string>{"low", "plain"}));
  EXPECT_EQ(boards(text, "low"), 2);
  EXPECT_EQ(boards(text, "plain"), 7);
  EXPECT_EQ(boards("[shelves.plain]\n", "plain"), 5);
  EXPECT_TRUE(load("[shelves]\nboards = 7\n")->names_in("shelves").empty());
  sources.environment = {{"MH_SHELVES_BOARDS", "9"}};
  EXPECT_EQ(boards(text, "low"), 2);
  EXPECT_EQ(boards(text, "plain"), 9);
}

TEST_F(NamedSettings, PrintedReadBackToTheSameValues) {
  const auto settings = load("[shelves.low]\nboards = 2\n[shelves.\"a.b\"]\n");
  ASSERT_TRUE(settings) << settings.error().text;
  const auto again = load(settings_file(table, &*settings));
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->names_in("shelves"), (std::vector<std::string>{"a.b", "low"}));
  EXPECT_EQ(std::get<std::int64_t>(again->value("shelves.boards", {"low"})), 2);
}

TEST_F(NamedSettings, RefuseWrongNamesMembersAndTooMany) {
  EXPECT_THAT(mistakes("[shelves.\"a b\"]\n"), HasSubstr("shelves.a b: no blanks"));
  EXPECT_THAT(mistakes("[shelves.low]\nbords = 2\n"), HasSubstr(".toml:2: shelves.bords: no such setting; nearest is shelves.boards"));
  EXPECT_THAT(mistakes("[shelves.low]\nboards = 101\n"), HasSubstr("shelves.boards: must be 0 to 100"));
  EXPECT_THAT(mistakes("[shelves.low.deep]\nboards = 1\n"), HasSubstr("shelves.deep: no such setting"));
  EXPECT_THAT(mistakes("[shelves.a]\n[shelves.b]\n[shelves.c]\n"), HasSubstr("shelves: 3 tables; at most 2 may be"));
}

TEST_F(SettingsFile, SaysWhereItIsNotToml) { EXPECT_THAT(mistakes("[hub]\nplain = \n"), HasSubstr(".toml:2: ")); }

TEST_F(SettingsFile, RefusesUnknownVariablesAndFlags) {
  sources.environment = {{"MH_HUB_AMQP_PORT", "1"}, {"MH_X", "1"}};
  EXPECT_THAT(mistakes(""), HasSubstr("MH_HUB_AMQP_PORT: no such setting; nearest is MH_HUB_AMQPS_PORT"));
  EXPECT_THAT(mistakes(""), HasSubstr("MH_X: no such setting"));
  sources.environment.clear();
  sources.flags = {{"hub.plane", "true"}};
  EXPECT_THAT(mistakes(""), HasSubstr("nearest is hub.plain"));
}

TEST_F(SettingsFile, IsReportedWhenItIsMissing) {
  sources.file = testing::TempDir() + "/nowhere.toml";
  EXPECT_EQ(Settings::load(table, sources).error().code, Errc::kNotFound);
}

TEST_F(SettingsFile, NeverShowsASecret) {
  const auto settings = load("[log]\npassword = \"s3cret\"\nengine = \"kafka\"\n");
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->text("log.password"), "s3cret");
  const auto shown = settings_file(table, &*settings);
  EXPECT_THAT(shown, Not(HasSubstr("s3cret")));
  EXPECT_THAT(shown, HasSubstr("\nengine = \"kafka\"\n"));
}

TEST_F(SettingsFile, PrintedReadsBackToTheSameValues) {
  const auto settings = load("[hub]\nnetworks = [\"a\\\"b\", \"c\"]\n[log]\nretention = \"36h\"\n");
  ASSERT_TRUE(settings);
  const auto again = load(settings_file(table, &*settings));
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->list("hub.networks"), settings->list("hub.networks"));
  EXPECT_EQ(again->duration("log.retention"), std::chrono::hours(36));
  EXPECT_EQ(again->bytes("log.quota"), settings->bytes("log.quota"));
  EXPECT_THAT(settings_file(table), HasSubstr("# amqps_port = 5671"));
}

TEST(SettingTexts, OfDurationsAndSizesAreShortestAndReadBack) {
  for (const auto* text : {"7d", "36h", "90s", "1500ms", "0ms"}) EXPECT_EQ(duration_text(*parse_duration(text)), text);
  for (const auto* text : {"30GB", "64KiB", "1500B", "0B"}) EXPECT_EQ(byte_size_text(*parse_byte_size(text)), text);
  for (const auto* text : {"", "7", "d", "-1s", "1.5h", "7 d", "99999999999999999999d", "9999999999999999d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

// Longer ones, added to a time, would not fit its microseconds.
TEST(SettingTexts, OfDurationsReachAHundredYears) {
  EXPECT_TRUE(parse_duration("36500d"));
  const auto longer = parse_duration("36501d");
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().text, "a duration is at most 36500d");
}

}  // namespace
}  // namespace meterhub::base
