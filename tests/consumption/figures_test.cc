#include <gmock/gmock.h>

#include "made_readings.h"

namespace meterhub::consumption {
namespace {

using testing::ElementsAre;

std::vector<Figure> of(const std::vector<Reading>& readings, const std::vector<std::int64_t>& seconds) {
  std::vector<base::Timestamp> edges;
  for (const auto s : seconds) edges.push_back(second(s));
  return figures(steps_of(readings, {}), edges);
}
std::vector<std::pair<Litres, Litres>> told(const std::vector<Figure>& all) {
  std::vector<std::pair<Litres, Litres>> out;
  for (const auto& one : all) out.emplace_back(one.used, one.estimated);
  return out;
}
auto figure(Litres used, Litres estimated) { return std::pair(used, estimated); }

TEST(Figures, BookAStepWithItsLaterReading) {
  const auto all = of({reading(3'580, 100), reading(3'600, 102), reading(3'610, 105)}, {0, 3'600, 7'200});
  EXPECT_THAT(told(all), ElementsAre(figure(2, 0), figure(3, 0)));
  EXPECT_EQ(all[0].from->at, second(3'580));
  EXPECT_EQ(all[0].to->at, second(3'600));
  EXPECT_EQ(all[1].from->at, second(3'600));
  EXPECT_EQ(all[1].steps, 1U);
}

TEST(Figures, SpreadWhatWasUsedInAGapAndSayThatItIsAGuess) {
  const auto all = of({reading(3'000, 100), reading(4'500, 400)}, {0, 3'600, 7'200});
  EXPECT_THAT(told(all), ElementsAre(figure(120, 120), figure(180, 180)));
  // Within one period it is none.
  EXPECT_THAT(told(of({reading(3'000, 100), reading(3'599, 400)}, {0, 3'600})), ElementsAre(figure(300, 0)));
}

TEST(Figures, SayWhatHappened) {
  const auto all = of({reading(0, 1'000), reading(30, 5), reading(60, 9)}, {0, 30, 60});
  EXPECT_TRUE(all[0].reset);
  EXPECT_EQ(all[0].estimated, 5);
  EXPECT_FALSE(all[1].reset);
  EXPECT_TRUE(of({reading(0, 9'000), reading(30, 8'000)}, {0, 60})[0].reverse);
}

TEST(Figures, KnowNothingWhereNothingWasRead) {
  const auto all = of({reading(0, 100), reading(30, 101)}, {-60, 0, 60, 120});
  EXPECT_FALSE(all[0].from);
  EXPECT_EQ(all[0].steps, 0U);
  EXPECT_EQ(all[1].used, 1);
  EXPECT_FALSE(all[2].to);
  EXPECT_TRUE(figures({}, {}).empty());
}

// A late reading makes the figures of its time exact; the sum was right before.
TEST(Figures, ChangeWithALateReadingAndTheirSumDoesNot) {
  const std::vector<std::int64_t> edges{0, 3'600, 7'200};
  const auto before = of({reading(3'000, 100), reading(4'500, 400)}, edges);
  const auto after = of({reading(3'000, 100), reading(4'500, 400), reading(3'590, 390), reading(3'700, 391)}, edges);
  EXPECT_EQ(before[0].used + before[1].used, 300);
  EXPECT_EQ(after[0].used, 290);
  EXPECT_EQ(after[1].used, 10);
}

}  // namespace
}  // namespace meterhub::consumption
