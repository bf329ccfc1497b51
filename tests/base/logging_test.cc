#include <meterhub/base/logging.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace meterhub::base::logging {
namespace {

std::size_t lines_of(const std::string& text, const std::string& event) {
  std::size_t out = 0;
  for (auto at = text.find(" " + event); at != std::string::npos; at = text.find(" " + event, at + 1)) ++out;
  return out;
}

TEST(Logging, AnEventThatComesTooOftenIsLeftOutAndTheNextLineSaysHowOften) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 10'000; ++i) warn("logging_test_flood");
  warn("logging_test_other");
  const auto first = ::testing::internal::GetCapturedStderr();
  EXPECT_GE(lines_of(first, "logging_test_flood"), 100U);
  EXPECT_LT(lines_of(first, "logging_test_flood"), 1'000U);
  EXPECT_EQ(lines_of(first, "logging_test_other"), 1U);

  ::testing::internal::CaptureStderr();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < until) warn("logging_test_flood");
  const auto later = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(later.find("left_out="), std::string::npos);
}

}  // namespace
}  // namespace meterhub::base::logging
