// Keys of the HTTP API as the registry keeps them.
#include <gmock/gmock.h>

#include <fstream>

#include <meterhub/crypto/hash.h>
#include <meterhub/db/connection.h>
#include <meterhub/registry/directory.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using testing::HasSubstr;
using testing::Not;

class StoredApiKeys : public RegistryTest {
 protected:
  std::string add(const std::string& name, Right right = Right::kRead) {
    const auto added = store_->add_api_key("cli", {.name = name, .tenant = "Chongqing Gas", .right = right});
    EXPECT_TRUE(added) << added.error().text;
    return added ? added->text : std::string();
  }
  base::Errc refused(const ApiKeySpec& spec) {
    const auto added = store_->add_api_key("cli", spec);
    EXPECT_FALSE(added);
    return added ? base::Errc::kInternal : added.error().code;
  }
};

TEST_F(StoredApiKeys, KeepTheirHashAndNotTheirText) {
  const auto text = add("office", Right::kOperate);
  EXPECT_EQ(text.size(), kApiKeyPrefix.size() + 64);
  EXPECT_NE(text, add("office-2"));
  store_ = open();
  const auto keys = store_->api_keys();
  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 2u);
  const auto& key = keys->front();
  EXPECT_EQ(key.name, "office");
  EXPECT_EQ(key.tenant, base::TenantNumber(1));
  EXPECT_EQ(key.right, Right::kOperate);
  EXPECT_EQ(key.hash, crypto::sha256(base::as_bytes(text)));
  EXPECT_EQ(key.created, clock_.now());
  EXPECT_FALSE(key.expires);
  EXPECT_FALSE(key.used);
  EXPECT_TRUE(key.enabled);
  store_.reset();
  for (const auto* file : {"registry.sqlite", "registry.sqlite-wal"}) {
    std::ifstream in(directory_ / file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(bytes, Not(HasSubstr(text.substr(kApiKeyPrefix.size()))));
  }
}

TEST_F(StoredApiKeys, RefuseWhatMakesNoSense) {
  add("office");
  EXPECT_EQ(refused({.name = "office", .tenant = "Chongqing Gas"}), base::Errc::kAlreadyExists);
  EXPECT_EQ(refused({.name = "x", .tenant = "Nobody"}), base::Errc::kNotFound);
  EXPECT_EQ(refused({.name = "x", .tenant = "Chongqing Gas", .right = Right::kAdmin}), base::Errc::kInvalidArgument);
  EXPECT_EQ(refused({.name = "x", .expires = clock_.now()}), base::Errc::kInvalidArgument);
  for (const auto& name : {std::string(), std::string("a b"), std::string(65, 'a'), std::string("a'b"), std::string("\xE5\x8A\x9E")}) {
    EXPECT_EQ(refused({.name = name}), base::Errc::kInvalidArgument) << name;
  }
  EXPECT_TRUE(store_->add_api_key("cli", {.name = "root", .right = Right::kAdmin}));
}

TEST_F(StoredApiKeys, AreDisabledEnabledAndRemoved) {
  add("office");
  ASSERT_TRUE(store_->set_api_key_enabled("cli", "office", false));
  EXPECT_FALSE(store_->api_keys()->front().enabled);
  ASSERT_TRUE(store_->set_api_key_enabled("cli", "office", true));
  EXPECT_TRUE(store_->api_keys()->front().enabled);
  const auto number = store_->api_keys()->front().number;
  ASSERT_TRUE(store_->remove_api_key("cli", "office"));
  EXPECT_TRUE(store_->api_keys()->empty());
  EXPECT_EQ(store_->remove_api_key("cli", "office").error().code, base::Errc::kNotFound);
  EXPECT_EQ(store_->set_api_key_enabled("cli", "office", true).error().code, base::Errc::kNotFound);
  add("office");
  EXPECT_NE(store_->api_keys()->front().number, number) << "what was done with the old key is not this one's";
}

TEST_F(StoredApiKeys, AreLimitedInNumber) {
  {
    // Rows as add_api_key() leaves them, in one go.
    auto plain = *db::Connection::open(directory_ / "registry.sqlite");
    ASSERT_TRUE(plain->execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) "
                               "INSERT INTO api_keys(name, rights, hash, created, enabled) SELECT 'k' || i, 0, randomblob(32), 0, 1 FROM n"));
  }
  add("last");
  EXPECT_EQ(store_->api_keys()->size(), kApiKeysMax);
  EXPECT_EQ(refused({.name = "one-more"}), base::Errc::kResourceExhausted);
}

TEST_F(StoredApiKeys, EveryEditIsAuditedWithoutTheKey) {
  const auto text = add("office", Right::kManage);
  ASSERT_TRUE(store_->set_api_key_enabled("cli", "office", false));
  ASSERT_TRUE(store_->remove_api_key("cli", "office"));
  std::vector<std::string> seen;
  const auto entries = *store_->audit(0, 100);
  for (const auto& entry : entries) {
    if (entry.action.starts_with("key.")) seen.push_back(entry.actor + " " + entry.action + " " + entry.subject + " " + entry.detail);
  }
  EXPECT_THAT(seen, testing::ElementsAre("cli key.add office manage of tenant Chongqing Gas", "cli key.disable office ", "cli key.remove office "));
}

TEST_F(StoredApiKeys, AUseLeavesNoChangeAndNeverGoesBack) {
  add("office");
  const auto key = store_->api_keys()->front().number;
  const auto before = *store_->last_change();
  const auto late = clock_.now() + std::chrono::minutes(5);
  const Store::ApiKeyUse uses[] = {{key, late}, {key + 1, late}, {key, clock_.now()}};
  ASSERT_TRUE(store_->note_api_keys_used(uses));
  EXPECT_EQ(store_->api_keys()->front().used, late);
  EXPECT_EQ(*store_->last_change(), before);
}

TEST_F(StoredApiKeys, ADirectoryFollowsThem) {
  Directory directory;
  ASSERT_TRUE(directory.load(*store_));
  EXPECT_TRUE(directory.api_keys()->empty());
  auto position = *store_->last_change();
  const auto follow = [&] {
    const auto changes = *store_->changes(position, 100);
    ASSERT_TRUE(directory.apply(*store_, changes));
    position = changes.back().number;
  };
  add("office");
  follow();
  ASSERT_EQ(directory.api_keys()->size(), 1u);
  ASSERT_TRUE(store_->set_api_key_enabled("cli", "office", false));
  follow();
  EXPECT_FALSE(directory.api_keys()->front().enabled);
  ASSERT_TRUE(store_->remove_api_key("cli", "office"));
  follow();
  EXPECT_TRUE(directory.api_keys()->empty());
}

}  // namespace
}  // namespace meterhub::registry
