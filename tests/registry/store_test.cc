#include <meterhub/registry/store.h>

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using base::Errc;
using testing::ElementsAre;
using StoreTest = RegistryTest;

TEST_F(StoreTest, KeepsATenantWithItsTimeZone) {
  EXPECT_EQ(store_->tenant("Chongqing Gas")->time_zone, "Asia/Shanghai");
  EXPECT_EQ(store_->add_tenant("test", "Chongqing Gas").error().code, Errc::kAlreadyExists);
  EXPECT_EQ(store_->add_tenant("test", "Other", "Mars/Base").error().code, Errc::kInvalidArgument);
  EXPECT_EQ(store_->add_tenant("test", "Other", "../../etc/passwd").error().code, Errc::kInvalidArgument);
}

TEST_F(StoreTest, MakesBothKeysOfANewGatewayAndShowsThem) {
  const auto gateway = store_->add_gateway("test", {.id = "gw-1", .eui = base::Eui64(0xfffe020100000011)});
  ASSERT_TRUE(gateway) << gateway.error().text;
  EXPECT_EQ(gateway->keys.primary.size(), 32u);
  EXPECT_NE(gateway->keys.primary, gateway->keys.secondary);
  EXPECT_EQ(open()->gateway("gw-1")->keys, gateway->keys);
}

TEST_F(StoreTest, RefusesBadGateways) {
  ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-1", .eui = base::Eui64(1)}));
  EXPECT_EQ(store_->add_gateway("test", {.id = "gw-1"}).error().code, Errc::kAlreadyExists);
  EXPECT_EQ(store_->add_gateway("test", {.id = "gw-2", .eui = base::Eui64(1)}).error().code, Errc::kAlreadyExists);
  EXPECT_EQ(store_->add_gateway("test", {.id = "a b"}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(store_->add_gateway("test", {.id = std::string(129, 'a')}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(store_->add_gateway("test", {.id = "gw-3", .keys = {base::Bytes(15), {}}}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(store_->add_gateway("test", {.id = "gw-3", .tenant = "Nobody"}).error().code, Errc::kNotFound);
}

TEST_F(StoreTest, AnUpdateKeepsKeysThatItDoesNotNameAndChangesTheEtag) {
  const auto before = *store_->add_gateway("test", {.id = "gw-1"});
  const auto after = store_->update_gateway("test", {.id = "gw-1", .ns_plugin = "vendor"}, before.etag);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->keys, before.keys);
  EXPECT_EQ(after->ns_plugin, "vendor");
  EXPECT_EQ(after->generation_id, before.generation_id);
  EXPECT_NE(after->etag, before.etag);
  EXPECT_EQ(store_->update_gateway("test", {.id = "gw-1"}, before.etag).error().code, Errc::kPrecondition);
  EXPECT_EQ(store_->remove_gateway("test", "gw-1", before.etag).error().code, Errc::kPrecondition);
}

TEST_F(StoreTest, AGatewayMadeAgainHasANewGeneration) {
  const auto first = *store_->add_gateway("test", {.id = "gw-1"});
  ASSERT_TRUE(store_->remove_gateway("test", "gw-1"));
  clock_.advance(std::chrono::seconds(1));
  EXPECT_NE(store_->add_gateway("test", {.id = "gw-1"})->generation_id, first.generation_id);
}

TEST_F(StoreTest, AGatewayMayShowACertificateInsteadOfAKey) {
  const std::string sha1(40, 'A');
  const auto made = store_->add_gateway("test", {.id = "gw-1", .authentication = "selfSigned", .thumbprints = Thumbprints{sha1, ""}});
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(open()->gateway("gw-1")->thumbprints, (Thumbprints{sha1, ""}));
  const auto kept = store_->update_gateway("test", {.id = "gw-1", .ns_plugin = "vendor"});
  EXPECT_EQ(kept->authentication, kThumbprintAuthentication);
  EXPECT_EQ(kept->thumbprints.primary, sha1);
  EXPECT_EQ(store_->update_gateway("test", {.id = "gw-1", .authentication = "sas"})->authentication, kSasAuthentication);
}

TEST_F(StoreTest, RefusesThumbprintsThatAreNone) {
  for (const auto& wrong : {std::string("12"), std::string(40, 'g'), std::string(41, 'a')}) {
    const auto refused = store_->add_gateway("test", {.id = "gw-1", .thumbprints = Thumbprints{wrong, ""}});
    EXPECT_EQ(refused.error().code, Errc::kInvalidArgument) << wrong;
  }
  EXPECT_EQ(store_->add_gateway("test", {.id = "gw-1", .authentication = "selfSigned"}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(store_->add_gateway("test", {.id = "gw-1", .authentication = "password"}).error().code, Errc::kInvalidArgument);
}

TEST_F(StoreTest, WhatTheHubSawOfAGatewayIsNoEditOfIt) {
  const auto gateway = *store_->add_gateway("test", {.id = "gw-1"});
  const auto change = *store_->last_change();
  const auto at = clock_.now();
  ASSERT_TRUE(store_->note_gateways_seen(std::vector<GatewaySeen>{{"gw-1", at, at}, {"nobody", at, at}}));
  ASSERT_TRUE(store_->note_gateways_seen(std::vector<GatewaySeen>{{"gw-1", at, at + std::chrono::seconds(3)}}));
  const auto seen = *open()->gateways_seen();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].active, at + std::chrono::seconds(3));
  EXPECT_EQ(store_->gateway("gw-1")->etag, gateway.etag);
  EXPECT_EQ(*store_->last_change(), change);
  ASSERT_TRUE(store_->remove_gateway("test", "gw-1"));
  EXPECT_TRUE(store_->gateways_seen()->empty());
}

TEST_F(StoreTest, GivesMeterNumbersDenselyAndNeverTwice) {
  EXPECT_EQ(store_->add_meter("test", abp(1))->number.value, 1u);
  EXPECT_EQ(store_->add_meter("test", abp(2))->number.value, 2u);
  ASSERT_TRUE(store_->remove_meter("test", base::Eui64(2)));
  EXPECT_EQ(open()->add_meter("test", abp(2))->number.value, 3u);
}

TEST_F(StoreTest, MakesThePlacesOfAMeterOnce) {
  for (const std::uint64_t eui : {1, 2}) {
    auto spec = abp(eui);
    spec.district = "渝中";
    spec.building = "A1";
    spec.floor = "12";
    spec.unit = "120" + std::to_string(eui);
    ASSERT_TRUE(store_->add_meter("test", spec));
  }
  EXPECT_EQ(store_->districts()->size(), 1u);
  ASSERT_EQ(store_->buildings()->size(), 1u);
  EXPECT_EQ(store_->units(store_->buildings()->front().number)->size(), 2u);
  const auto meter = *store_->meter(base::Eui64(2));
  EXPECT_EQ(meter.district_name, "渝中");
  EXPECT_EQ(meter.unit_name, "1202");
}

TEST_F(StoreTest, OtherKeysBeginTheNextSessionAndTheSameDoNot) {
  ASSERT_TRUE(store_->add_meter("test", abp(1, 0x11, 1)));
  EXPECT_EQ(store_->update_meter("test", abp(1, 0x11, 1))->session.value, 1u);
  EXPECT_EQ(store_->update_meter("test", abp(1, 0x12, 9))->session.value, 2u);
  auto unchanged = abp(1);
  unchanged.keys = {};
  EXPECT_EQ(store_->update_meter("test", unchanged)->session.value, 2u);
  const auto sessions = *store_->sessions({}, 10);
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[0].dev_addr.value, 0x11u);
  EXPECT_EQ(sessions[1].nwk_skey[0], 9);
}

TEST_F(StoreTest, ForgetsKeysOfReplacedSessionsOnlyWhenAsked) {
  ASSERT_TRUE(store_->add_meter("test", abp(1, 0x11, 1)));
  ASSERT_TRUE(store_->update_meter("test", abp(1, 0x12, 9)));
  EXPECT_EQ(store_->purge_sessions(clock_.now()), 0);
  EXPECT_EQ(store_->purge_sessions(clock_.now() + std::chrono::seconds(1)), 1);
  EXPECT_EQ(store_->sessions({}, 10)->front().number.value, 2u);
  EXPECT_EQ(store_->update_meter("test", abp(1, 0x13, 4))->session.value, 3u);
}

TEST_F(StoreTest, NoKeyStandsInTheFileInClear) {
  ASSERT_TRUE(store_->add_meter("test", abp(1, 0x11, 0xA5)));
  const auto gateway = *store_->add_gateway("test", {.id = "gw-1"});
  store_.reset();
  std::ifstream file(directory_ / "registry.sqlite", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(bytes.find(std::string(16, '\xA5')), std::string::npos);
  EXPECT_EQ(bytes.find(base::as_text(gateway.keys.primary)), std::string::npos);
  EXPECT_NE(bytes.find("gw-1"), std::string::npos);
}

TEST_F(StoreTest, RefusesAnotherMasterKey) {
  const auto opened = Store::open({directory_ / "registry.sqlite", test_master_key(8)}, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kForbidden);
}

TEST_F(StoreTest, TellsOtherProcessesWhatChanged) {
  auto other = open();
  const auto start = *other->last_change();
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  const auto changes = *other->changes(start, 10);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Change::Kind::kMeter);
  EXPECT_EQ(changes[0].first, 1);
}

TEST_F(StoreTest, SaysWhenChangesAreNoLongerKept) {
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  ASSERT_TRUE(store_->prune_changes(clock_.now() + std::chrono::seconds(1)));
  EXPECT_EQ(store_->changes(0, 10).error().code, Errc::kNotFound);
  EXPECT_TRUE(store_->changes(*store_->last_change(), 10)->empty());
}

TEST_F(StoreTest, WritesDownWhoChangedWhat) {
  ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-1"}));
  ASSERT_TRUE(store_->set_gateway_enabled("office", "gw-1", false, "stolen"));
  const auto entries = *store_->audit(0, 10);
  EXPECT_EQ(entries.back().actor, "office");
  EXPECT_EQ(entries.back().action, "gateway.disable");
  EXPECT_EQ(entries.back().subject, "gw-1");
  EXPECT_EQ(entries.back().detail, "stolen");
}

TEST_F(StoreTest, AnImportIsSeenWholeOrNotAtAll) {
  auto other = open();
  {
    auto import = store_->begin_import("test");
    ASSERT_TRUE(import);
    ASSERT_TRUE((*import)->put_meter(abp(1), false));
    EXPECT_EQ(other->meter_count(), 0);
  }
  EXPECT_EQ(store_->meter_count(), 0);
  auto import = store_->begin_import("test");
  for (const std::uint64_t eui : {1, 2, 3}) ASSERT_TRUE((*import)->put_meter(abp(eui), false));
  EXPECT_EQ((*import)->put_meter(abp(2), false).error().code, Errc::kAlreadyExists);
  ASSERT_TRUE((*import)->commit());
  import->reset();
  EXPECT_EQ(other->meter_count(), 3);
  const auto changes = *other->changes(0, 100);
  EXPECT_EQ(changes.back().kind, Change::Kind::kMeter);
  EXPECT_EQ(changes.back().last - changes.back().first, 2);
}

TEST_F(StoreTest, AWriterBesideAnImportIsToldToTryAgain) {
  auto other = open();
  auto import = store_->begin_import("test");
  ASSERT_TRUE(import);
  EXPECT_EQ(other->add_meter("test", abp(1)).error().code, Errc::kUnavailable);
}

TEST_F(StoreTest, KnowsWhenItWasMadeWhoeverOpensItLater) {
  const auto made = *store_->created();
  EXPECT_EQ(made, clock_.now());
  clock_.advance(std::chrono::hours(5));
  store_ = open();
  EXPECT_EQ(*store_->created(), made);
}

}  // namespace
}  // namespace meterhub::registry
