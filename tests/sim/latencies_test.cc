#include <meterhub/sim/latencies.h>

#include <gtest/gtest.h>

namespace meterhub::sim {
namespace {

using Time = Latencies::Time;

TEST(Latencies, HaveNoPercentileBeforeTheFirst) {
  EXPECT_EQ(Latencies().percentile(0.99), Time(0));
}

TEST(Latencies, TellPercentilesWithinTwoPercent) {
  Latencies times;
  for (int micros = 1; micros <= 1'000'000; ++micros) times.add(Time(micros));
  for (const double share : {0.001, 0.5, 0.99, 0.9999}) {
    const double exact = share * 1e6;
    EXPECT_GE(static_cast<double>(times.percentile(share).count()), exact);
    EXPECT_LE(static_cast<double>(times.percentile(share).count()), exact * 1.02);
  }
}

TEST(Latencies, NeverTellMoreThanTheLongest) {
  Latencies times;
  times.add(Time(1'000'003));
  EXPECT_EQ(times.percentile(0.5), Time(1'000'003));
  EXPECT_EQ(times.max(), Time(1'000'003));
}

TEST(Latencies, CountOneBelowZeroAsZero) {
  Latencies times;
  times.add(Time(-5));
  EXPECT_EQ(times.percentile(1), Time(0));
  EXPECT_EQ(times.count(), 1U);
}

TEST(Latencies, KeepTimesBeyondAllClasses) {
  Latencies times;
  times.add(std::chrono::duration_cast<Time>(std::chrono::years(100)));
  EXPECT_GT(times.percentile(1), std::chrono::hours(24));
}

}  // namespace
}  // namespace meterhub::sim
