#include "identity_fixture.h"

namespace meterhub::identity::test {
namespace {

using http::Method;
using nlohmann::json;

const http::Fields kAny{{"If-Match", "\"*\""}};

TEST_F(DeviceRegistryTest, ADeviceIsAGatewayOfTheOnlyTenant) {
  const auto made = put("gw-1");
  EXPECT_EQ(made["deviceId"], "gw-1");
  EXPECT_EQ(made["status"], "enabled");
  const auto gateway = store_->gateway("gw-1");
  ASSERT_TRUE(gateway);
  EXPECT_EQ(gateway->tenant, store_->tenant("Chongqing Gas")->number);
  EXPECT_EQ(gateway->keys.primary.size(), 32u);
  EXPECT_EQ(get("/devices/gw-1"), made);
}

TEST_F(DeviceRegistryTest, OfSeveralTenantsTheSettingSaysWhich) {
  ASSERT_TRUE(store_->add_tenant("test", "Second"));
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/gw-1", json::object())), "400 ArgumentInvalid");
  options_.tenant = "Second";
  put("gw-1");
  EXPECT_EQ(store_->gateway("gw-1")->tenant, store_->tenant("Second")->number);
  options_.tenant = "Nobody";
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/gw-2", json::object())), "400 ArgumentInvalid");
}

TEST_F(DeviceRegistryTest, CreatesOnceAndAnswersAConflictAfterwards) {
  EXPECT_TRUE(answer(Method::kPut, "/devices/gw-1", json::object()).wrote);
  const auto again = answer(Method::kPut, "/devices/gw-1", json::object());
  EXPECT_EQ(refused(again), "409 DeviceAlreadyExists");
  EXPECT_FALSE(again.wrote);
}

TEST_F(DeviceRegistryTest, AnUpdateKeepsWhatItDoesNotState) {
  ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-1", .eui = base::Eui64(7), .ns_plugin = "vendor"}));
  const auto before = *store_->gateway("gw-1");
  clock_.advance(std::chrono::seconds(5));
  const auto shown = put("gw-1", {{"status", "disabled"}, {"statusReason", "lost"}}, kAny);
  EXPECT_EQ(shown["status"], "disabled");
  EXPECT_NE(shown["etag"], before.etag);
  const auto after = *store_->gateway("gw-1");
  EXPECT_EQ(after.eui, before.eui);
  EXPECT_EQ(after.ns_plugin, "vendor");
  EXPECT_EQ(after.keys, before.keys);
  EXPECT_EQ(after.generation_id, before.generation_id);
  EXPECT_EQ(after.status_updated, clock_.now());
  EXPECT_EQ(after.status_reason, "lost");
}

TEST_F(DeviceRegistryTest, ComparesETagsWhenAskedTo) {
  const std::string first = put("gw-1")["etag"];
  const auto second = put("gw-1", {{"statusReason", "x"}}, {{"If-Match", "\"" + first + "\""}});
  EXPECT_NE(second["etag"], first);
  const auto stale = [&](Method method) {
    return answer(method, "/devices/gw-1", json::object(), {{"If-Match", "\"" + first + "\""}});
  };
  EXPECT_EQ(refused(stale(Method::kPut)), "412 PreconditionFailed");
  EXPECT_EQ(refused(stale(Method::kDelete)), "412 PreconditionFailed");
  EXPECT_EQ(answer(Method::kDelete, "/devices/gw-1", nullptr, {{"If-Match", second["etag"].get<std::string>()}})
                .response.status,
            204u);
}

TEST_F(DeviceRegistryTest, TheETagStandsInTheHeaderToo) {
  const auto answered = answer(Method::kPut, "/devices/gw-1", json::object()).response;
  EXPECT_EQ(answered.header("ETag"), "\"" + read(answered)["etag"].get<std::string>() + "\"");
}

TEST_F(DeviceRegistryTest, DeletesAndForgets) {
  const auto generation = put("gw-1")["generationId"];
  const auto gone = answer(Method::kDelete, "/devices/gw-1", nullptr, kAny);
  EXPECT_EQ(gone.response.status, 204u);
  EXPECT_TRUE(gone.response.body.empty());
  EXPECT_TRUE(gone.wrote);
  EXPECT_EQ(refused(answer(Method::kDelete, "/devices/gw-1", nullptr, kAny)), "404 DeviceNotFound");
  EXPECT_EQ(refused(answer(Method::kGet, "/devices/gw-1")), "404 DeviceNotFound");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_NE(put("gw-1")["generationId"], generation);
}

TEST_F(DeviceRegistryTest, AnUpdateOfNobodyIsNotFound) {
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/gw-1", json::object(), kAny)), "404 DeviceNotFound");
}

TEST_F(DeviceRegistryTest, RefusesIdsThatAreNone) {
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/a%20b", json::object())), "400 ArgumentInvalid");
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/" + std::string(129, 'a'), json::object())), "400 ArgumentInvalid");
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/gw-1", {{"deviceId", "gw-2"}})), "400 ArgumentInvalid");
}

TEST_F(DeviceRegistryTest, WhoMayReadMayNotWrite) {
  rights_ = {registry::PolicyRight::kRegistryRead};
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/gw-1", json::object())), "401 IotHubUnauthorizedAccess");
  EXPECT_EQ(refused(answer(Method::kDelete, "/devices/gw-1")), "401 IotHubUnauthorizedAccess");
  EXPECT_EQ(refused(answer(Method::kPost, "/devices", json::array())), "401 IotHubUnauthorizedAccess");
  EXPECT_EQ(get("/devices"), json::array());
}

TEST_F(DeviceRegistryTest, WhoMayConnectServicesMayNotRead) {
  rights_ = {registry::PolicyRight::kServiceConnect};
  for (const auto* const target : {"/devices", "/devices/gw-1", "/statistics/devices"}) {
    EXPECT_EQ(refused(answer(Method::kGet, target)), "401 IotHubUnauthorizedAccess") << target;
  }
  EXPECT_EQ(refused(answer(Method::kPost, "/devices/query", {{"query", "SELECT * FROM devices"}})),
            "401 IotHubUnauthorizedAccess");
}

TEST_F(DeviceRegistryTest, TheAuditLogSaysWhichPolicyDidIt) {
  put("gw-1");
  answer(Method::kDelete, "/devices/gw-1");
  const auto entries = *store_->find_audit({.subjects = {"gw-1"}}, false, 0, 10);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].actor, "policy:test");
  EXPECT_EQ(entries[0].action, "gateway.add");
  EXPECT_EQ(entries[1].action, "gateway.remove");
}

TEST_F(DeviceRegistryTest, ShowsWhatTheHubSees) {
  put("gw-1");
  const auto at = clock_.now() + std::chrono::seconds(3);
  states_.states["gw-1"] = {true, at, at};
  const auto shown = get("/devices/gw-1");
  EXPECT_EQ(shown["connectionState"], "Connected");
  EXPECT_NE(shown["lastActivityTime"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(get("/statistics/service")["connectedDeviceCount"], 1);
}

TEST_F(DeviceRegistryTest, CountsDevices) {
  put("gw-1");
  put("gw-2", {{"status", "disabled"}});
  EXPECT_EQ(get("/statistics/devices"),
            (json{{"totalDeviceCount", 2}, {"enabledDeviceCount", 1}, {"disabledDeviceCount", 1}}));
}

TEST_F(DeviceRegistryTest, TakesNoMoreThanItsMaximum) {
  options_.devices_max = 3;
  devices_ = 3;
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/gw-1", json::object())), "403 TooManyDevices");
  devices_ = 2;
  put("gw-1");
}

TEST_F(DeviceRegistryTest, WhatItDoesNotHaveIsNotImplemented) {
  EXPECT_EQ(refused(answer(Method::kGet, "/twins/gw-1")), "501 NotImplemented");
  EXPECT_EQ(refused(answer(Method::kPost, "/jobs/create", json::object())), "501 NotImplemented");
}

TEST_F(DeviceRegistryTest, ADeviceWithAThumbprint) {
  const std::string thumbprint(40, 'a');
  const auto shown = put("gw-1", {{"authentication", {{"x509Thumbprint", {{"primaryThumbprint", thumbprint}}}}}});
  EXPECT_EQ(shown["authentication"]["type"], "selfSigned");
  EXPECT_EQ(shown["authentication"]["x509Thumbprint"]["primaryThumbprint"], thumbprint);
  EXPECT_EQ(store_->gateway("gw-1")->thumbprints.primary, thumbprint);
  EXPECT_EQ(put("gw-1", {{"statusReason", "x"}}, kAny)["authentication"]["type"], "selfSigned")
      << "an update that says nothing of it";
  EXPECT_EQ(refused(answer(Method::kPut, "/devices/gw-2", {{"authentication", {{"type", "selfSigned"}}}})),
            "400 ArgumentInvalid");
}

}  // namespace
}  // namespace meterhub::identity::test
