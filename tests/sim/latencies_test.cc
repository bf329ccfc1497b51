#include <meterhub/sim/latencies.h>

#include <gtest/gtest.h>

namespace meterhub::sim {
namespace {

using Time = Latencies::Time;

TEST(Latencies, HaveNoPercentileBeforeTheFirst) { EXPECT_EQ(Latencies().percentile(0.99), Time(0)); }

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

TEST(Latencies, TellApartWhatCameSinceAnEarlierLook) {
  Latencies times;
  for (int i = 0; i < 100; ++i) times.add(Time(1'000'000));
  const auto before = times;
  for (int i = 0; i < 10; ++i) times.add(Time(50));
  const auto since = times.since(before);
  EXPECT_EQ(since.count(), 10U);
  EXPECT_EQ(since.percentile(0.99), Time(50));
  EXPECT_EQ(since.max(), Time(50));
  EXPECT_EQ(times.since(times).count(), 0U);
}

TEST(Latencies, KeepTimesBeyondAllClasses) {
  Latencies times;
  times.add(std::chrono::duration_cast<Time>(std::chrono::years(100)));
  EXPECT_GT(times.percentile(1), std::chrono::hours(24));
}

}  // namespace
}  // namespace meterhub::sim
