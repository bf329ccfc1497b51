#include "resource.h"

#include <gtest/gtest.h>

namespace meterhub::identity {
namespace {

using http::Method;

base::Result<Asked> asked(Method method, std::string target) {
  http::Request request;
  request.method = method;
  request.target = std::move(target);
  return asked_of(request);
}

TEST(Resource, TakesListsWithAndWithoutASlash) {
  EXPECT_EQ(asked(Method::kGet, "/devices?api-version=2021-04-12")->operation, Operation::kList);
  EXPECT_EQ(asked(Method::kGet, "/devices/?api-version=whatever")->operation, Operation::kList);
  EXPECT_EQ(asked(Method::kPost, "/devices")->operation, Operation::kBulk);
  EXPECT_EQ(asked(Method::kPost, "/devices/query")->operation, Operation::kQuery);
  EXPECT_EQ(asked(Method::kGet, "/statistics/devices")->operation, Operation::kDeviceCounts);
  EXPECT_EQ(asked(Method::kGet, "/statistics/service")->operation, Operation::kConnectionCount);
}

TEST(Resource, DecodesAnIdAfterTakingThePathApart) {
  EXPECT_EQ(asked(Method::kGet, "/devices/m%2F1%20x")->device_id, "m/1 x");
  EXPECT_EQ(asked(Method::kPut, "/devices/query")->operation, Operation::kPut);
  EXPECT_EQ(asked(Method::kDelete, "/devices/gw%3A1?x=/y")->device_id, "gw:1");
}

TEST(Resource, SaysWhatThisHubDoesNotHave) {
  for (const auto* const target : {"/twins/gw-1", "/twins/gw-1/methods", "/devices/gw-1/modules",
                                   "/devices/gw-1/modules/m", "/jobs/create", "/jobs", "/configurations/x",
                                   "/devices/gw-1/messages/deviceBound", "/devices/gw-1/applyConfigurationContent"}) {
    EXPECT_EQ(asked(Method::kGet, target).error().code, base::Errc::kNotImplemented) << target;
  }
}

TEST(Resource, RefusesOtherMethodsAndPaths) {
  EXPECT_FALSE(asked(Method::kPatch, "/devices/gw-1"));
  EXPECT_FALSE(asked(Method::kDelete, "/devices"));
  EXPECT_FALSE(asked(Method::kPost, "/devices/gw-1"));
  EXPECT_FALSE(asked(Method::kPost, "/statistics/devices"));
  EXPECT_FALSE(asked(Method::kGet, "/statistics/twins"));
  EXPECT_FALSE(asked(Method::kGet, "/devices/gw-1/anything"));
  EXPECT_FALSE(asked(Method::kGet, "/devices/%zz"));
}

}  // namespace
}  // namespace meterhub::identity
