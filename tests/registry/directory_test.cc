#include <meterhub/registry/directory.h>
#include <meterhub/registry/follower.h>

#include <gmock/gmock.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using namespace std::chrono_literals;

class DirectoryTest : public RegistryTest {
 protected:
  void follow() {
    const auto started = follower_.start();
    ASSERT_TRUE(started) << started.error().text;
  }
  base::ManualExecutor executor_{clock_};
  base::Metrics metrics_;
  Directory directory_map_;
  Follower follower_{*store_, directory_map_, executor_, metrics_};
};

TEST_F(DirectoryTest, HoldsWhatWasThereAtTheStart) {
  auto spec = abp(0xffffffffffffff01);
  spec.building = "A1";
  spec.floor = "12";
  spec.unit = "1203";
  spec.allow_resets = true;
  ASSERT_TRUE(store_->add_meter("test", spec));
  ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-1", .eui = base::Eui64(0x11)}));
  follow();
  const auto meter = directory_map_.meter(base::Eui64(0xffffffffffffff01));
  ASSERT_TRUE(meter);
  EXPECT_EQ(meter->number.value, 1u);
  EXPECT_EQ(meter->session.value, 1u);
  EXPECT_TRUE(meter->allow_resets);
  EXPECT_EQ(directory_map_.label(meter->floor), "12");
  EXPECT_EQ(directory_map_.label(meter->unit_name), "1203");
  EXPECT_EQ(directory_map_.label(meter->profile), "v1");
  EXPECT_EQ(directory_map_.meters_of(meter->building).size(), 1u);
  EXPECT_EQ(directory_map_.gateway(base::Eui64(0x11)), directory_map_.gateway("gw-1"));
  EXPECT_EQ(directory_map_.gateway("gw-1")->keys.primary.size(), 32u);
  EXPECT_EQ(directory_map_.tenants().size(), 1u);
}

TEST_F(DirectoryTest, SeesTheEditsOfAnotherProcessWithinASecond) {
  follow();
  auto other = open();
  ASSERT_TRUE(other->add_meter("test", abp(1)));
  ASSERT_TRUE(other->add_gateway("test", {.id = "gw-1"}));
  executor_.run_for(1s);
  EXPECT_TRUE(directory_map_.meter(base::Eui64(1)));
  EXPECT_TRUE(directory_map_.gateway("gw-1"));
  ASSERT_TRUE(other->remove_meter("test", base::Eui64(1)));
  executor_.run_for(1s);
  EXPECT_FALSE(directory_map_.meter(base::Eui64(1)));
  EXPECT_FALSE(directory_map_.meter(base::MeterNumber(1)));
  EXPECT_EQ(directory_map_.meter_count(), 0u);
}

TEST_F(DirectoryTest, FollowsExchangesAndKnowsWhoWasTakenOut) {
  auto placed = abp(1);
  placed.building = "A1";
  placed.unit = "1203";
  ASSERT_TRUE(store_->add_meter("test", placed));
  for (std::uint64_t eui = 2; eui <= 4; ++eui) ASSERT_TRUE(store_->add_meter("test", abp(eui)));
  ASSERT_TRUE(store_->exchange_meter(
      "test", {.old_meter = base::Eui64(1), .new_meter = base::Eui64(2), .at = clock_.now() - 2h}));
  follow();
  const auto building = directory_map_.meter(base::Eui64(2))->building;
  ASSERT_TRUE(open()->exchange_meter(
      "test", {.old_meter = base::Eui64(2), .new_meter = base::Eui64(3), .at = clock_.now() - 1h, .final_litres = 5}));
  executor_.run_for(1s);
  const auto taken_out = [&](std::uint64_t eui) {
    const auto view = directory_map_.view();
    const auto* const by = view.taken_out_by(*view.meter(base::Eui64(eui)));
    return by == nullptr ? std::uint64_t{0} : by->new_meter.value;
  };
  EXPECT_EQ(taken_out(1), 2u);
  EXPECT_EQ(taken_out(2), 3u);
  EXPECT_EQ(taken_out(3), 0u);
  EXPECT_EQ(taken_out(4), 0u) << "it hangs nowhere and never did";
  EXPECT_EQ(directory_map_.meter(base::Eui64(3))->building, building);
  const auto notes = directory_map_.exchanges_of(base::MeterNumber(2));
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0].old_meter, base::Eui64(1));
  EXPECT_EQ(notes[1].new_meter, base::Eui64(3));
  EXPECT_EQ(notes[1].final_litres, 5);
  EXPECT_TRUE(directory_map_.exchanges_of(base::MeterNumber(4)).empty());

  ASSERT_TRUE(store_->remove_meter("test", base::Eui64(1)));
  executor_.run_for(1s);
  EXPECT_EQ(directory_map_.eui_of(base::MeterNumber(1)), base::Eui64(1));
  EXPECT_EQ(directory_map_.eui_of(base::MeterNumber(2)), base::Eui64(2));
  EXPECT_EQ(directory_map_.eui_of(base::MeterNumber(9)), std::nullopt);
  // Placed again it is a meter like any other.
  placed.eui = base::Eui64(2);
  placed.keys = {};
  placed.unit = "1204";
  ASSERT_TRUE(store_->update_meter("test", placed));
  executor_.run_for(1s);
  EXPECT_EQ(taken_out(2), 0u);
}

TEST_F(DirectoryTest, TellsUpToWhenItIsCurrent) {
  follow();
  EXPECT_EQ(directory_map_.current_to(), clock_.now());
  executor_.run_for(10s);
  EXPECT_GE(directory_map_.current_to(), clock_.now() - 1s);
}

TEST_F(DirectoryTest, ACarriedMeterKeepsItsNumberAndTakesItsTenantAlong) {
  ASSERT_TRUE(store_->add_tenant("test", "Second"));
  auto spec = abp(1);
  spec.tenant = "Chongqing Gas";
  ASSERT_TRUE(store_->add_meter("test", spec));
  follow();
  spec.tenant = "Second";
  ASSERT_TRUE(store_->update_meter("test", spec));
  executor_.run_for(1s);
  EXPECT_EQ(directory_map_.meter(base::Eui64(1))->number.value, 1u);
  EXPECT_EQ(directory_map_.meter(base::Eui64(1))->tenant, store_->tenant("Second")->number);
}

TEST_F(DirectoryTest, TellsListenersOfDisabledAndRemovedGateways) {
  ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-1"}));
  follow();
  std::vector<std::string> seen;
  auto subscription = directory_map_.on_gateway_change(executor_, [&](const std::string& id, auto now) {
    seen.push_back(id + (now == nullptr ? " gone" : now->enabled ? " on" : " off"));
  });
  ASSERT_TRUE(store_->set_gateway_enabled("test", "gw-1", false));
  executor_.run_for(1s);
  ASSERT_TRUE(store_->remove_gateway("test", "gw-1"));
  executor_.run_for(1s);
  EXPECT_THAT(seen, testing::ElementsAre("gw-1 off", "gw-1 gone"));
  subscription.reset();
  ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-2"}));
  executor_.run_for(1s);
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(DirectoryTest, ReadsEverythingAnewWhenItHasFallenBehindWhatIsKept) {
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  follow();
  ASSERT_TRUE(store_->remove_meter("test", base::Eui64(1)));
  ASSERT_TRUE(store_->add_meter("test", abp(2)));
  ASSERT_TRUE(store_->prune_changes(clock_.now() + 1s));
  executor_.run_for(1s);
  EXPECT_FALSE(directory_map_.meter(base::Eui64(1)));
  EXPECT_TRUE(directory_map_.meter(base::Eui64(2)));
}

TEST_F(DirectoryTest, AViewFindsManyUnderOneLock) {
  auto import = store_->begin_import("test");
  for (std::uint64_t eui = 1; eui <= 5000; ++eui) ASSERT_TRUE((*import)->put_meter(abp(eui), false));
  ASSERT_TRUE((*import)->commit());
  import->reset();
  follow();
  const auto view = directory_map_.view();
  for (std::uint64_t eui = 1; eui <= 5000; ++eui) ASSERT_EQ(view.meter(base::Eui64(eui))->number.value, eui);
  EXPECT_EQ(view.meter(base::Eui64(5001)), nullptr);
  view.prefetch(base::MeterNumber(5000));
  view.prefetch(base::MeterNumber(5001));
  EXPECT_EQ(view.gateway("nobody"), nullptr);
}

}  // namespace
}  // namespace meterhub::registry
