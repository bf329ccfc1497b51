#include <meterhub/fleet/survey.h>

#include <gtest/gtest.h>

#include "followed_fleet.h"

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::MeterNumber;

class SurveyTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  test::Town town_{clock_};
  test::FollowedFleet fleet_{executor_, town_};
  DayClock days_{*consumption::LocalTime::of("Asia/Shanghai")};

  Surveyed survey(Survey::Visit visit = {}, std::size_t step = 3) {
    executor_.run_for(1s);
    Survey survey(town_.directory_of_meters, fleet_.state, clock_.now(), [this](base::TenantNumber) -> DayClock& { return days_; }, visit);
    while (survey.step(step)) {
    }
    return survey.finish({.buildings = {{1, 5}}, .unplaced = {{base::TenantNumber(1), 2}}});
  }
};

TEST_F(SurveyTest, BuildingsAndDistrictsCountTheirMeters) {
  town_.add_meter("", "", "", 60s);  // 9, placed nowhere
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  town_.say({.meter = 1});
  town_.say({.meter = 2, .left = 4'000});
  town_.say({.meter = 3, .status = 2});
  town_.say({.meter = 5, .status = 4 | 8});
  town_.say({.meter = 9});
  executor_.run_for(1s);
  clock_.advance(70s);
  town_.say({.meter = 1, .fcnt = 2});
  town_.say({.meter = 2, .fcnt = 2, .left = 4'000});
  const auto found = survey();
  ASSERT_EQ(found.buildings.size(), 2u);
  EXPECT_EQ(found.buildings[0].building.name, "Tower A");
  EXPECT_EQ(found.buildings[0].figures,
            (AreaFigures{.meters = 4, .online = 1, .low = 1, .silent = 1, .unheard = 1, .open_alarms = 5}));
  EXPECT_EQ(found.buildings[1].figures, (AreaFigures{.meters = 4, .faulty = 1, .unheard = 3}));
  ASSERT_EQ(found.districts.size(), 2u);
  EXPECT_EQ(found.districts[0].district, "");
  EXPECT_EQ(found.districts[0].figures, (AreaFigures{.meters = 1, .silent = 1, .open_alarms = 2}));
  EXPECT_EQ(found.districts[1].district, "Yuzhong");
  EXPECT_EQ(found.districts[1].buildings, 2u);
  EXPECT_EQ(found.districts[1].figures.meters, 8u);
  EXPECT_EQ(found.districts[1].figures.open_alarms, 5u);
}

TEST_F(SurveyTest, MetersTellFlowUseAndWhenTheirBalanceEnds) {
  std::int64_t used = 0;
  for (std::uint32_t n = 1; n <= 3 * 2880; ++n) {  // three days, 5.76 m3 each
    town_.say({.meter = 1, .fcnt = n, .left = 60'000 - used, .used = used});
    used += 2;
    executor_.run_for(30s);
  }
  MeterFigures figures;
  const auto found = survey([&](const registry::MeterEntry& meter, const MeterFigures& of, const registry::Directory::View&) {
    if (meter.number == MeterNumber(1)) figures = of;
  });
  const auto today = days_.number_of(clock_.now());
  EXPECT_EQ(figures.flow, 240u);
  EXPECT_EQ(found.buildings[0].figures.flow, 240u);
  EXPECT_EQ(figures.used_yesterday, 5'760);
  EXPECT_EQ(found.buildings[0].figures.used_today, fleet_.state.watch(MeterNumber(1)).used_on(today));
  ASSERT_TRUE(figures.exhausted);
  EXPECT_GE(*figures.exhausted, today + 7);
  EXPECT_LE(*figures.exhausted, today + 10);
  clock_.advance(6min);
  EXPECT_EQ(survey().buildings[0].figures.flow, 0u) << "nobody knows any more";
}

}  // namespace
}  // namespace meterhub::fleet
