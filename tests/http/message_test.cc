#include <meterhub/http/message.h>

#include <gtest/gtest.h>

namespace meterhub::http {
namespace {

TEST(Fields, AreFoundInAnyCase) {
  const Fields fields{{"Content-Type", "a"}, {"X", "b"}};
  EXPECT_EQ(field(fields, "content-type"), "a");
  EXPECT_EQ(field(fields, "y"), "");
}

TEST(Response, ErrorHoldsCodeTextAndStatusOfItsClass) {
  const auto response = Response::error({base::Errc::kNotFound, "no \"such\" meter"});
  EXPECT_EQ(response.status, 404u);
  EXPECT_EQ(response.body, R"({"error":{"code":"not_found","text":"no \"such\" meter"}})");
}

TEST(Response, ErrorTextThatIsNotUtf8DoesNotThrow) {
  EXPECT_NE(Response::error({base::Errc::kInvalidArgument, "\xff"}).body, "");
}

}  // namespace
}  // namespace meterhub::http
