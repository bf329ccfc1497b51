#include "identity_fixture.h"

namespace meterhub::identity::test {
namespace {

using http::Method;
using nlohmann::json;

class Bulk : public DeviceRegistryTest {
 protected:
  json bulk(const json::array_t& items, unsigned status = 200) {
    return read(answer(Method::kPost, "/devices", items).response, status);
  }
  static json item(const std::string& id, const std::string& mode, json more = json::object()) {
    more["id"] = id;
    more["importMode"] = mode;
    return more;
  }
};

TEST_F(Bulk, MakesChangesAndRemovesManyDevices) {
  EXPECT_EQ(bulk({item("a", "create"), item("b", "create")}),
            (json{{"isSuccessful", true}, {"errors", json::array()}, {"warnings", json::array()}}));
  bulk({item("a", "Update", {{"status", "disabled"}}), item("b", "Update", {{"statusReason", "x"}})});
  EXPECT_FALSE(store_->gateway("a")->enabled);
  EXPECT_EQ(store_->gateway("b")->status_reason, "x");
  bulk({item("a", "Delete"), item("b", "Delete")});
  EXPECT_EQ(store_->gateway_counts()->total, 0);
}

TEST_F(Bulk, DoesTheItemsWithoutErrorAllTheSame) {
  put("a");
  const auto result =
      bulk({item("a", "create"), item("b", "create"), item("c", "update"), item("d d", "create"), json("x")}, 400);
  EXPECT_EQ(result["isSuccessful"], false);
  ASSERT_EQ(result["errors"].size(), 4u);
  EXPECT_EQ(result["errors"][0]["deviceId"], "a");
  EXPECT_EQ(result["errors"][0]["errorCode"], "DeviceAlreadyExists");
  EXPECT_EQ(result["errors"][1]["errorCode"], "DeviceNotFound");
  EXPECT_EQ(result["errors"][2]["errorCode"], "ArgumentInvalid");
  EXPECT_TRUE(store_->gateway("b"));
}

TEST_F(Bulk, ComparesTheETagsOfItems) {
  const std::string etag = put("a")["etag"];
  bulk({item("a", "UpdateIfMatchETag", {{"eTag", "0000"}, {"status", "disabled"}})}, 400);
  EXPECT_TRUE(store_->gateway("a")->enabled);
  bulk({item("a", "UpdateIfMatchETag", {{"eTag", etag}, {"status", "disabled"}})});
  bulk({item("a", "DeleteIfMatchETag", {{"eTag", etag}})}, 400);
  EXPECT_TRUE(store_->gateway("a"));
}

TEST_F(Bulk, CreateOrUpdateDoesWhateverFits) {
  bulk({item("a", "createOrUpdate", {{"statusReason", "new"}})});
  bulk({item("a", "createOrUpdate", {{"statusReason", "old"}})});
  EXPECT_EQ(store_->gateway("a")->status_reason, "old");
}

TEST_F(Bulk, TakesOneToAHundredItems) {
  json::array_t many;
  for (int i = 0; i < 100; ++i) many.push_back(item("d" + std::to_string(i), "create"));
  bulk(many);
  EXPECT_EQ(store_->gateway_counts()->total, 100);
  many.push_back(item("e", "create"));
  for (const auto& body : {json(many), json::array(), json::object()}) {
    const auto answered = answer(Method::kPost, "/devices", body);
    EXPECT_EQ(refused(answered), "400 ArgumentInvalid");
    EXPECT_FALSE(answered.wrote);
  }
  EXPECT_FALSE(store_->gateway("e"));
}

}  // namespace
}  // namespace meterhub::identity::test
