#include "query.h"

#include <gtest/gtest.h>

namespace meterhub::identity {
namespace {

const DeviceRow kGateway{.device_id = "gw-17",
                         .status = "enabled",
                         .status_reason = std::nullopt,
                         .connection_state = "Connected",
                         .authentication_type = "sas"};

bool finds(const std::string& condition, const DeviceRow& row = kGateway) {
  const auto query = DeviceQuery::parse("SELECT * FROM devices WHERE " + condition);
  EXPECT_TRUE(query) << condition << ": " << (query ? "" : query.error().text);
  return query && query->matches(row);
}

std::string refusal_of(const std::string& text) {
  const auto query = DeviceQuery::parse(text);
  EXPECT_FALSE(query) << text;
  return query ? std::string() : query.error().text;
}

TEST(DeviceQuery, WithoutAConditionFindsEveryDevice) {
  for (const auto* const text :
       {"SELECT * FROM devices", "select  *\n from devices", "SELECT * FROM devices AS d", "SELECT * FROM devices d"}) {
    const auto query = DeviceQuery::parse(text);
    ASSERT_TRUE(query) << text << ": " << query.error().text;
    EXPECT_TRUE(query->matches(kGateway));
  }
}

TEST(DeviceQuery, ComparesTexts) {
  for (const auto* const yes :
       {"deviceId = 'gw-17'", "deviceId != 'gw-1'", "deviceId <> 'gw-1'", "deviceId < 'gw-2'", "deviceId <= 'gw-17'",
        "deviceId > 'gw-1'", "deviceId >= 'gw-17'", "'gw-17' = deviceId", "status = \"enabled\"",
        "connectionState = 'Connected'", "authenticationType = 'sas'", "devices.deviceId = 'gw-17'"}) {
    EXPECT_TRUE(finds(yes)) << yes;
  }
  for (const auto* const no : {"deviceId = 'GW-17'", "deviceId != 'gw-17'", "deviceId < 'gw-17'", "deviceId > 'gw-17'",
                               "status = 'disabled'"}) {
    EXPECT_FALSE(finds(no)) << no;
  }
}

TEST(DeviceQuery, KnowsInAndStartsWith) {
  EXPECT_TRUE(finds("deviceId IN ['gw-1', 'gw-17']"));
  EXPECT_FALSE(finds("deviceId IN ['gw-1']"));
  EXPECT_TRUE(finds("NOT deviceId IN ['gw-1']"));
  EXPECT_TRUE(finds("STARTSWITH(deviceId, 'gw-')"));
  EXPECT_FALSE(finds("startswith(deviceId, 'meter-')"));
}

TEST(DeviceQuery, AndBindsTighterThanOr) {
  EXPECT_TRUE(finds("status = 'enabled' OR status = 'disabled' AND deviceId = 'x'"));
  EXPECT_FALSE(finds("(status = 'enabled' OR status = 'disabled') AND deviceId = 'x'"));
  EXPECT_TRUE(finds("NOT status = 'disabled' AND NOT (deviceId = 'x' OR deviceId = 'y')"));
}

TEST(DeviceQuery, WhatIsAbsentIsNeitherEqualNorUnequal) {
  for (const auto* const no :
       {"tags.floor = '3'", "tags.floor != '3'", "NOT tags.floor = '3'", "properties.reported.x > 3",
        "tags.floor = null", "tags.floor IN ['3']", "NOT tags.floor IN ['3']", "STARTSWITH(tags.floor, '3')"}) {
    EXPECT_FALSE(finds(no)) << no;
  }
  EXPECT_TRUE(finds("tags.floor = '3' OR status = 'enabled'"));
  EXPECT_FALSE(finds("tags.floor = '3' AND status = 'enabled'"));
  EXPECT_FALSE(finds("NOT (tags.floor = '3' OR status = 'disabled')"));
}

TEST(DeviceQuery, ValuesOfDifferentKindsDoNotCompare) {
  EXPECT_FALSE(finds("deviceId = 17"));
  EXPECT_FALSE(finds("deviceId != 17"));
  EXPECT_TRUE(finds("3 < 4.5"));
  EXPECT_TRUE(finds("-1e3 = -1000"));
  EXPECT_TRUE(finds("true = TRUE"));
  EXPECT_FALSE(finds("true < false"));
}

TEST(DeviceQuery, AStatusReasonMayBeNull) {
  EXPECT_TRUE(finds("statusReason = null"));
  EXPECT_FALSE(finds("statusReason = 'lost'"));
  auto lost = kGateway;
  lost.status_reason = "lost";
  EXPECT_TRUE(finds("statusReason = 'lost'", lost));
  EXPECT_FALSE(finds("statusReason = null", lost));
}

TEST(DeviceQuery, TakesAnAliasBeforeNames) {
  const auto query =
      DeviceQuery::parse("SELECT * FROM devices AS d WHERE d.deviceId = 'gw-17' AND STARTSWITH(d.status, 'en')");
  ASSERT_TRUE(query) << query.error().text;
  EXPECT_TRUE(query->matches(kGateway));
}

TEST(DeviceQuery, ReadsQuotesInsideTexts) {
  auto odd = kGateway;
  odd.device_id = "it's";
  EXPECT_TRUE(finds("deviceId = 'it''s'", odd));
  EXPECT_TRUE(finds("deviceId = 'it\\'s'", odd));
  EXPECT_TRUE(finds("deviceId = \"it's\"", odd));
}

TEST(DeviceQuery, NamesWhatItDoesNotOffer) {
  EXPECT_NE(refusal_of("SELECT deviceId FROM devices").find("only SELECT * is supported"), std::string::npos);
  EXPECT_NE(refusal_of("SELECT TOP 3 * FROM devices").find("TOP is not supported"), std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices.jobs").find("only FROM devices is supported"), std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices.modules").find("only FROM devices is supported"), std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices GROUP BY status").find("GROUP is not supported"), std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices ORDER BY deviceId").find("ORDER is not supported"), std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices WHERE IS_DEFINED(tags.x)").find("IS_DEFINED is not supported"),
            std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices WHERE UPPER(deviceId) = 'X'").find("the function UPPER is not supported"),
            std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices WHERE lastSeen = 'x'").find("the property lastSeen is not supported"),
            std::string::npos);
  EXPECT_NE(refusal_of("SELECT * FROM devices WHERE deviceId LIKE 'x'").find("expected a comparison or IN, at 'LIKE'"),
            std::string::npos);
}

TEST(DeviceQuery, RefusesWhatIsNoQuery) {
  for (const auto* const text :
       {"", "DELETE FROM devices", "SELECT * FROM devices WHERE",
        "SELECT * FROM devices WHERE deviceId =", "SELECT * FROM devices AS",
        "SELECT * FROM devices WHERE deviceId = 'x", "SELECT * FROM devices WHERE (deviceId = 'x'",
        "SELECT * FROM devices WHERE deviceId", "SELECT * FROM devices WHERE deviceId = 'x' deviceId",
        "SELECT * FROM devices WHERE deviceId IN []", "SELECT * FROM devices WHERE deviceId = 1.2.3",
        "SELECT * FROM devices; DROP TABLE gateways", "SELECT * FROM meters"}) {
    EXPECT_FALSE(refusal_of(text).empty()) << text;
  }
}

TEST(DeviceQuery, IsBounded) {
  EXPECT_EQ(DeviceQuery::parse("SELECT * FROM devices" + std::string(kQueryBytesMax, ' ')).error().code,
            base::Errc::kTooLarge);
  const std::string deep(kQueryDepthMax + 1, '(');
  EXPECT_NE(refusal_of("SELECT * FROM devices WHERE " + deep + "deviceId = 'x'").find("nested at most"),
            std::string::npos);
  std::string many = "SELECT * FROM devices WHERE status = 'x'";
  for (std::size_t i = 0; i < 2 * kQueryTermsMax; ++i) many += " OR 1 = 2";
  EXPECT_NE(refusal_of(many).find("at most 100 comparisons"), std::string::npos);
}

}  // namespace
}  // namespace meterhub::identity
