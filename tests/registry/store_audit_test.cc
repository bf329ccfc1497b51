#include <gmock/gmock.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using testing::ElementsAre;

class FoundAudit : public RegistryTest {
 protected:
  FoundAudit() {
    clock_.advance(std::chrono::minutes(1));
    EXPECT_TRUE(store_->add_tenant("li.wei", "50% Gas"));
    EXPECT_TRUE(store_->add_gateway("cli", {.id = "gw_1", .tenant = "50% Gas"}));
    clock_.advance(std::chrono::minutes(1));
    EXPECT_TRUE(store_->set_gateway_enabled("li.wei", "gw_1", false, "stolen"));
  }
  std::vector<std::string> found(const Store::AuditFilter& filter, bool newest_first = true, std::uint64_t offset = 0,
                                 std::size_t limit = 10) {
    const auto entries = *store_->find_audit(filter, newest_first, offset, limit);
    std::vector<std::string> out;
    for (const auto& entry : entries) out.push_back(entry.action + " " + entry.subject);
    return out;
  }
};

TEST_F(FoundAudit, InBothOrdersAndInParts) {
  EXPECT_THAT(found({}), ElementsAre("gateway.disable gw_1", "gateway.add gw_1", "tenant.add 50% Gas", "tenant.add Chongqing Gas"));
  EXPECT_THAT(found({}, false, 1, 2), ElementsAre("tenant.add 50% Gas", "gateway.add gw_1"));
  EXPECT_EQ(*store_->count_audit({}), 4);
}

TEST_F(FoundAudit, ByEveryFilter) {
  EXPECT_THAT(found({.actors = {"li.wei"}}), ElementsAre("gateway.disable gw_1", "tenant.add 50% Gas"));
  EXPECT_THAT(found({.actions = {"gateway.add", "gateway.disable"}, .subjects = {"gw_1"}}), ElementsAre("gateway.disable gw_1", "gateway.add gw_1"));
  EXPECT_THAT(found({.from = clock_.now()}), ElementsAre("gateway.disable gw_1"));
  EXPECT_THAT(found({.to = clock_.now() - std::chrono::minutes(1)}), ElementsAre("tenant.add Chongqing Gas"));
  EXPECT_EQ(*store_->count_audit({.actors = {"li.wei"}, .search = "STOLEN"}), 1);
}

TEST_F(FoundAudit, WhatIsSearchedForIsData) {
  EXPECT_THAT(found({.search = "%"}), ElementsAre("tenant.add 50% Gas"));
  EXPECT_THAT(found({.search = "w_1"}), ElementsAre("gateway.disable gw_1", "gateway.add gw_1"));
  EXPECT_THAT(found({.search = "' OR 1=1 --"}), ElementsAre());
  EXPECT_THAT(found({.actors = {"x' OR '1'='1"}}), ElementsAre());
}

}  // namespace
}  // namespace meterhub::registry
