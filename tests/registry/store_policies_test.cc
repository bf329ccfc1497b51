// Shared access policies as the registry keeps them.
#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include <meterhub/base/encoding.h>
#include <meterhub/db/connection.h>
#include <meterhub/registry/directory.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using testing::HasSubstr;
using testing::Not;
using R = PolicyRight;

class StoredPolicies : public RegistryTest {
 protected:
  base::Errc refused(const PolicySpec& spec) {
    const auto added = store_->add_policy("cli", spec);
    EXPECT_FALSE(added) << spec.scope << "/" << spec.name;
    return added ? base::Errc::kInternal : added.error().code;
  }
  std::vector<std::string> listed() {
    std::vector<std::string> out;
    const auto policies = store_->policies();
    EXPECT_TRUE(policies) << policies.error().text;
    for (const auto& policy : *policies) out.push_back(policy.scope + "/" + policy.name + " " + rights_text(policy.rights));
    return out;
  }
  void sql(const std::string& text) {
    auto plain = *db::Connection::open(directory_ / "registry.sqlite");
    const auto done = plain->execute(text);
    ASSERT_TRUE(done) << done.error().text;
  }
};

TEST_F(StoredPolicies, ANewRegistryHasThoseOfAzureWithKeysOfItsOwn) {
  EXPECT_THAT(listed(),
              testing::ElementsAre("/device device-connect",
                                   "/iothubowner registry-read,registry-write,service-connect,device-connect",
                                   "/registryRead registry-read", "/registryReadWrite registry-read,registry-write",
                                   "/service service-connect", "*/RootManageSharedAccessKey listen,send,manage"));
  std::set<std::string> keys;
  const auto policies = *store_->policies();
  for (const auto& policy : policies) {
    for (const auto& key : {policy.primary_key, policy.secondary_key}) {
      EXPECT_EQ(base::base64_decode(key)->size(), 32u);
      keys.insert(key);
    }
  }
  EXPECT_EQ(keys.size(), 12u);
}

TEST_F(StoredPolicies, StayAsTheyAreWhenTheRegistryIsOpenedAgain) {
  const auto before = *store_->policies();
  ASSERT_TRUE(store_->remove_policy("cli", kHubScope, "device"));
  store_ = open();
  EXPECT_EQ(store_->policies()->size(), before.size() - 1) << "a built-in policy that was removed stays removed";
  EXPECT_EQ(*store_->policy(kHubScope, "iothubowner"), *std::ranges::find(before, "iothubowner", &Policy::name));
}

TEST_F(StoredPolicies, ARegistryOfAnEarlierVersionIsGivenThem) {
  store_.reset();
  sql("DROP TABLE policies; DELETE FROM settings WHERE name = 'builtin_policies'; DELETE FROM schema_migrations WHERE number >= 6");
  // What the steps behind it did.
  sql("DROP TABLE exchanges; DROP TABLE gateways_seen; ALTER TABLE gateways DROP COLUMN primary_thumbprint; ALTER TABLE gateways DROP COLUMN secondary_thumbprint");
  store_ = open();
  EXPECT_EQ(listed().size(), 6u);
  EXPECT_TRUE(store_->tenant("Chongqing Gas"));
}

TEST_F(StoredPolicies, KeysLieSealedAndEachIsBoundToItsRow) {
  const auto key = store_->policy(kHubScope, "iothubowner")->primary_key;
  store_.reset();
  for (const auto* file : {"registry.sqlite", "registry.sqlite-wal"}) {
    std::ifstream in(directory_ / file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(bytes, Not(HasSubstr(key)));
  }
  sql("UPDATE policies SET primary_key = (SELECT primary_key FROM policies WHERE name = 'service') WHERE name = 'device'");
  store_ = open();
  EXPECT_FALSE(store_->policy(kHubScope, "device"));
}

TEST_F(StoredPolicies, AreAddedWithKeysThatClientsHaveAlready) {
  const PolicySpec spec{"Collector", "Readings", {R::kListen}, "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=", ""};
  const auto added = store_->add_policy("cli", spec);
  ASSERT_TRUE(added) << added.error().text;
  EXPECT_EQ(added->scope, "readings") << "names of event hubs have no case";
  EXPECT_EQ(added->primary_key, spec.primary_key);
  EXPECT_EQ(base::base64_decode(added->secondary_key)->size(), 32u);
  EXPECT_EQ(*store_->policy("READINGS", "Collector"), *added);
  EXPECT_EQ(store_->policy("readings", "collector").error().code, base::Errc::kNotFound) << "names of policies do";
}

TEST_F(StoredPolicies, OneNameMayStandForSeveralScopes) {
  for (const auto* scope : {"readings", "flows", "*"}) ASSERT_TRUE(store_->add_policy("cli", {"reader", scope, {R::kListen}, {}, {}}));
  ASSERT_TRUE(store_->remove_policy("cli", "flows", "reader"));
  EXPECT_TRUE(store_->policy("readings", "reader"));
  EXPECT_TRUE(store_->policy("*", "reader"));
}

TEST_F(StoredPolicies, RefuseWhatMakesNoSense) {
  EXPECT_EQ(refused({"iothubowner", "", {R::kServiceConnect}, {}, {}}), base::Errc::kAlreadyExists);
  EXPECT_EQ(refused({"x", "", {}, {}, {}}), base::Errc::kInvalidArgument);
  EXPECT_EQ(refused({"x", "", {R::kListen}, {}, {}}), base::Errc::kInvalidArgument);
  EXPECT_EQ(refused({"x", "readings", {R::kDeviceConnect}, {}, {}}), base::Errc::kInvalidArgument);
  EXPECT_EQ(refused({"x", "a/b", {R::kListen}, {}, {}}), base::Errc::kInvalidArgument);
  EXPECT_EQ(refused({"x y", "", {R::kServiceConnect}, {}, {}}), base::Errc::kInvalidArgument);
  EXPECT_EQ(refused({std::string(65, 'x'), "", {R::kServiceConnect}, {}, {}}), base::Errc::kInvalidArgument);
  EXPECT_EQ(refused({"x", "", {R::kServiceConnect}, "c2hvcnQ=", {}}), base::Errc::kInvalidArgument) << "fewer than 16 bytes";
  EXPECT_EQ(refused({"x", "", {R::kServiceConnect}, {}, "not base64"}), base::Errc::kInvalidArgument);
  EXPECT_EQ(store_->rotate_policy("cli", "", "nobody", PolicyKey::kPrimary).error().code, base::Errc::kNotFound);
  EXPECT_EQ(store_->remove_policy("cli", "*", "nobody").error().code, base::Errc::kNotFound);
}

TEST_F(StoredPolicies, AreLimitedInNumber) {
  sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 993) "
      "INSERT INTO policies(name, scope, rights, primary_key, secondary_key, created, changed) "
      "SELECT 'k' || i, 'readings', 16, x'', x'', 0, 0 FROM n");
  EXPECT_TRUE(store_->add_policy("cli", {"last", "readings", {R::kListen}, {}, {}}));
  EXPECT_EQ(refused({"one-more", "readings", {R::kListen}, {}, {}}), base::Errc::kResourceExhausted);
}

TEST_F(StoredPolicies, RotationChangesOneKeyAndLeavesTheOther) {
  const auto before = *store_->policy(kHubScope, "service");
  const auto after = store_->rotate_policy("cli", kHubScope, "service", PolicyKey::kSecondary);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->primary_key, before.primary_key);
  EXPECT_NE(after->secondary_key, before.secondary_key);
  EXPECT_NE(store_->rotate_policy("cli", kHubScope, "service", PolicyKey::kPrimary)->primary_key, before.primary_key);
}

TEST_F(StoredPolicies, EveryEditIsAuditedWithoutAKey) {
  ASSERT_TRUE(store_->add_policy("cli", {"reader", "readings", {R::kListen}, {}, {}}));
  ASSERT_TRUE(store_->rotate_policy("cli", "readings", "reader", PolicyKey::kPrimary));
  ASSERT_TRUE(store_->remove_policy("cli", "readings", "reader"));
  std::vector<std::string> seen;
  const auto entries = *store_->audit(0, 100);
  for (const auto& entry : entries)
    if (entry.action.starts_with("policy.")) seen.push_back(entry.action + " " + entry.subject + " " + entry.detail);
  EXPECT_THAT(seen, testing::ElementsAre("policy.add readings/reader listen", "policy.rotate readings/reader primary",
                                         "policy.remove readings/reader "));
}

TEST_F(StoredPolicies, ADirectoryFollowsThemAndTells) {
  Directory directory;
  ASSERT_TRUE(directory.load(*store_));
  EXPECT_EQ(directory.policies()->size(), 6u);
  base::ManualExecutor executor{clock_};
  int told = 0;
  const auto subscription = directory.on_policy_change(executor, [&] { ++told; });
  auto position = *store_->last_change();
  const auto follow = [&] {
    const auto changes = *store_->changes(position, 100);
    ASSERT_TRUE(directory.apply(*store_, changes));
    position = changes.back().number;
    executor.run_for(std::chrono::milliseconds(1));
  };
  ASSERT_TRUE(store_->add_policy("cli", {"reader", "*", {R::kListen}, {}, {}}));
  follow();
  const auto* reader = find_policy(*directory.policies(), "*", "reader");
  ASSERT_NE(reader, nullptr);
  const auto key = reader->primary_key;
  ASSERT_TRUE(store_->rotate_policy("cli", "*", "reader", PolicyKey::kPrimary));
  follow();
  EXPECT_NE(find_policy(*directory.policies(), "*", "reader")->primary_key, key);
  ASSERT_TRUE(store_->remove_policy("cli", "*", "reader"));
  follow();
  EXPECT_EQ(find_policy(*directory.policies(), "*", "reader"), nullptr);
  EXPECT_EQ(told, 3);
}

TEST(PolicyRights, AreClosedAndReadFromText) {
  EXPECT_EQ(rights_text({R::kManage}), "listen,send,manage");
  EXPECT_EQ(*parse_rights("send,listen"), (PolicyRights{R::kListen, R::kSend}));
  EXPECT_EQ(*parse_rights("registry-write"), (PolicyRights{R::kRegistryRead, R::kRegistryWrite}));
  EXPECT_FALSE(parse_rights(""));
  EXPECT_FALSE(parse_rights("all"));
  EXPECT_FALSE(parse_rights("listen,service-connect"));
  EXPECT_EQ(PolicyRights::of_bits(0x80).bits(), 0) << "a right of a later version is none";
}

}  // namespace
}  // namespace meterhub::registry
