#include "router.h"

#include <gtest/gtest.h>

namespace meterhub::http {
namespace {

int found(const Router<int>& router, Method method, std::string_view path) {
  const auto hit = router.find(method, *path_segments(path));
  return hit.target == nullptr ? -static_cast<int>(hit.others.size()) : *hit.target;
}

TEST(Router, PrefersLiteralsToNamesAndNamesToARest) {
  Router<int> router;
  router.add(Method::kGet, "/{rest*}", 1);
  router.add(Method::kGet, "/meters/{eui}", 2);
  router.add(Method::kGet, "/meters/count", 3);
  EXPECT_EQ(found(router, Method::kGet, "/a/b/c"), 1);
  EXPECT_EQ(found(router, Method::kGet, "/meters/0011"), 2);
  EXPECT_EQ(found(router, Method::kGet, "/meters/count"), 3);
  EXPECT_EQ(found(router, Method::kGet, "/meters/"), 1);
}

TEST(Router, TellsAnUnknownMethodFromAnUnknownPath) {
  Router<int> router;
  router.add(Method::kGet, "/a", 1);
  router.add(Method::kPut, "/a", 2);
  EXPECT_EQ(found(router, Method::kDelete, "/a"), -2);
  EXPECT_EQ(found(router, Method::kGet, "/b"), 0);
}

TEST(Router, GivesDecodedParameters) {
  Router<int> router;
  router.add(Method::kGet, "/devices/{id}/files/{path*}", 1);
  const auto hit = router.find(Method::kGet, *path_segments("/devices/a%2Fb/files/x/y"));
  EXPECT_EQ(hit.params, (Fields{{"id", "a/b"}, {"path", "x/y"}}));
}

TEST(PathSegments, RefuseWhatIsNoPath) {
  for (const auto* bad : {"meters", "/a%2", "/a%zz", "/a%00"}) EXPECT_FALSE(path_segments(bad)) << bad;
}

TEST(ParseQuery, DecodesPairs) {
  EXPECT_EQ(parse_query("a=1&b=x+y%26&c&&d="), (Fields{{"a", "1"}, {"b", "x y&"}, {"c", ""}, {"d", ""}}));
  EXPECT_FALSE(parse_query("a=%"));
}

}  // namespace
}  // namespace meterhub::http
