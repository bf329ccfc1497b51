#include <meterhub/base/metrics.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meterhub::base {
namespace {

TEST(Metrics, GivesTheSameCounterForTheSameNameAndLabels) {
  Metrics metrics;
  auto& first = metrics.counter("meterhub_test_things_total", "Things.", {{"reason", "mic"}});
  auto& again = metrics.counter("meterhub_test_things_total", "Things.", {{"reason", "mic"}});
  auto& other = metrics.counter("meterhub_test_things_total", "Things.", {{"reason", "crc"}});
  EXPECT_EQ(&first, &again);
  EXPECT_NE(&first, &other);
}

TEST(Metrics, SumsACounterOverItsLabels) {
  Metrics metrics;
  metrics.counter("meterhub_test_things_total", "Things.", {{"reason", "mic"}}).add(2);
  metrics.counter("meterhub_test_things_total", "Things.", {{"reason", "crc"}}).add(3);
  EXPECT_EQ(metrics.total("meterhub_test_things_total"), 5u);
  EXPECT_EQ(metrics.total("meterhub_test_unknown_total"), 0u);
}

TEST(Metrics, ExposesPrometheusText) {
  Metrics metrics;
  metrics.counter("meterhub_test_things_total", "Things.", {{"reason", "mic"}}).add(2);
  metrics.gauge("meterhub_test_lag_seconds", "Lag.").set(1.5);
  const auto text = metrics.expose();
  EXPECT_THAT(text, testing::HasSubstr("# TYPE meterhub_test_things_total counter"));
  EXPECT_THAT(text, testing::HasSubstr("meterhub_test_things_total{reason=\"mic\"} 2"));
  EXPECT_THAT(text, testing::HasSubstr("meterhub_test_lag_seconds 1.5"));
}

}  // namespace
}  // namespace meterhub::base
