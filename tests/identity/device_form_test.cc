#include "device_form.h"

#include <gtest/gtest.h>

namespace meterhub::identity {
namespace {

base::Result<DeviceForm> form(std::string_view text) {
  const auto body = parse_body(text);
  if (!body) return std::unexpected(body.error());
  return device_form(*body);
}

// What the SDK sends for registry.create({deviceId}).
TEST(DeviceForm, ReadsEmptyKeysAsKeysToBeMade) {
  const auto read = form(
      R"({"deviceId":"d","status":"enabled","authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":""}}})");
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->id, "d");
  EXPECT_EQ(read->enabled, true);
  EXPECT_EQ(read->authentication, "sas");
  EXPECT_TRUE(read->keys.primary.empty());
}

TEST(DeviceForm, ReadsKeysAndThumbprints) {
  const auto keys = form(
      R"({"authentication":{"symmetricKey":{"primaryKey":"AAAAAAAAAAAAAAAAAAAAAA==","secondaryKey":"AAAAAAAAAAAAAAAAAAAAAQ=="}}})");
  ASSERT_TRUE(keys) << keys.error().text;
  EXPECT_EQ(keys->keys.primary, base::Bytes(16, 0));
  const std::string sha1(40, 'A');
  const auto thumbprint = form(R"({"authentication":{"x509Thumbprint":{"primaryThumbprint":")" + sha1 +
                               R"(","secondaryThumbprint":null}}})");
  ASSERT_TRUE(thumbprint) << thumbprint.error().text;
  EXPECT_EQ(thumbprint->authentication, "selfSigned");
  EXPECT_EQ(thumbprint->primary_thumbprint, sha1);
  EXPECT_FALSE(thumbprint->secondary_thumbprint);
}

// Clients change what they were shown and send all of it back.
TEST(DeviceForm, TakesBackWhatIsShown) {
  registry::Gateway gateway;
  gateway.id = "gw-1";
  gateway.keys = {base::Bytes(32, 1), base::Bytes(32, 2)};
  gateway.status_reason = "trial";
  gateway.enabled = false;
  const auto read = device_form(device_json(gateway, {}));
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->id, "gw-1");
  EXPECT_EQ(read->enabled, false);
  EXPECT_EQ(read->status_reason, "trial");
  EXPECT_EQ(read->keys, gateway.keys);
}

TEST(DeviceForm, WhatIsLeftOutIsNotStated) {
  const auto read = form("{}");
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->enabled || read->status_reason || read->authentication);
  EXPECT_EQ(form(R"({"statusReason":null})")->status_reason, "");
}

TEST(DeviceForm, NamesTheMemberThatIsWrong) {
  struct Case {
    std::string body, member;
  };
  for (const auto& [body, name] : std::vector<Case>{
           {R"({"status":"on"})", "status"},
           {R"({"status":1})", "status"},
           {R"({"deviceId":7})", "deviceId"},
           {R"({"statusReason":")" + std::string(129, 'x') + R"("})", "statusReason"},
           {R"({"authentication":"sas"})", "authentication"},
           {R"({"authentication":{"type":"token"}})", "authentication.type"},
           {R"({"authentication":{"symmetricKey":{"primaryKey":"!","secondaryKey":"!"}}})", "primaryKey"},
           {R"({"authentication":{"symmetricKey":{"primaryKey":"AAAA","secondaryKey":"AAAA"}}})", "primaryKey"},
           {R"({"authentication":{"symmetricKey":{"primaryKey":"AAAAAAAAAAAAAAAAAAAAAA=="}}})", "symmetricKey"},
           {R"({"authentication":{"x509Thumbprint":{"primaryThumbprint":"12"}}})", "primaryThumbprint"},
           {R"({"capabilities":{"iotEdge":true}})", "iotEdge"},
           {"[]", "object"},
           {"{", "JSON"},
           {"", "JSON"}}) {
    const auto read = form(body);
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().code, base::Errc::kInvalidArgument);
    EXPECT_NE(read.error().text.find(name), std::string::npos) << body << ": " << read.error().text;
  }
}

TEST(DeviceForm, RefusesADeeplyNestedBody) {
  EXPECT_TRUE(parse_body(std::string(16, '[') + std::string(16, ']')));
  EXPECT_NE(parse_body(std::string(200'000, '[')).error().text.find("nested more than"), std::string::npos);
}

TEST(DeviceForm, BulkItemsNameTheirModeInAnyCase) {
  const auto mode = [](const std::string& name) {
    return bulk_item(nlohmann::json{{"id", "d"}, {"importMode", name}, {"eTag", "abc"}})->mode;
  };
  EXPECT_EQ(mode("create"), ImportMode::kCreate);
  EXPECT_EQ(mode("Update"), ImportMode::kUpdate);
  EXPECT_EQ(mode("UpdateIfMatchETag"), ImportMode::kUpdateIfMatch);
  EXPECT_EQ(mode("delete"), ImportMode::kDelete);
  EXPECT_EQ(mode("DELETEIFMATCHETAG"), ImportMode::kDeleteIfMatch);
  EXPECT_FALSE(bulk_item(nlohmann::json{{"id", "d"}, {"importMode", "updateTwin"}}));
  EXPECT_FALSE(bulk_item(nlohmann::json{{"id", "d"}, {"importMode", "deleteIfMatchETag"}})) << "without an eTag";
}

TEST(DeviceView, ShowsEveryMember) {
  registry::Gateway gateway;
  gateway.id = "gw-1";
  gateway.keys = {base::Bytes(32, 1), base::Bytes(32, 2)};
  gateway.etag = "0011223344556677";
  gateway.generation_id = 42;
  const auto at = base::Timestamp(std::chrono::seconds(1'700'000'000));
  const auto shown = device_json(gateway, {true, at, at});
  EXPECT_EQ(shown["generationId"], "42");
  EXPECT_EQ(shown["connectionState"], "Connected");
  EXPECT_EQ(shown["lastActivityTime"], "2023-11-14T22:13:20Z");
  EXPECT_TRUE(shown["statusReason"].is_null());
  EXPECT_EQ(device_json(gateway, {})["lastActivityTime"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(shown["authentication"]["symmetricKey"]["primaryKey"], "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
}

TEST(DeviceView, ADeviceWithACertificateShowsNoKeys) {
  registry::Gateway gateway;
  gateway.keys = {base::Bytes(32, 1), base::Bytes(32, 2)};
  for (const auto type :
       {registry::kThumbprintAuthentication, registry::kAuthorityAuthentication, registry::kNoAuthentication}) {
    gateway.authentication = type;
    EXPECT_TRUE(device_json(gateway, {})["authentication"]["symmetricKey"]["primaryKey"].is_null());
  }
}

TEST(DeviceView, WhatWasSeenBeforeItsCreationIsAnothersDevice) {
  registry::Gateway gateway;
  gateway.created = base::Timestamp(std::chrono::seconds(100));
  const auto early = base::Timestamp(std::chrono::seconds(99));
  EXPECT_EQ(state_since_creation(gateway, {false, early, early}).active, base::Timestamp());
  EXPECT_EQ(state_since_creation(gateway, {false, gateway.created, early}).changed, gateway.created);
}

}  // namespace
}  // namespace meterhub::identity
