#include "status_rows.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "town.h"

namespace meterhub::office {
namespace {

class MeterRowsTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  fleet::test::Town town_{clock_};
  rules::Rules rules_;
  Limits limits_{town_.directory_of_meters, rules_};
  MeterRows rows_{3};

  // One survey; the meters whose rows were collected.
  std::vector<std::uint32_t> survey(std::int64_t heard, fleet::MeterState state = fleet::MeterState::kOnline,
                                    std::int64_t used_today = 0) {
    rows_.begin(town_.directory_of_meters);
    {
      const auto view = town_.directory_of_meters.view();
      for (std::uint32_t meter = 1; meter <= 8; ++meter) {
        fleet::MeterFigures figures;
        figures.state = state;
        figures.heard = base::Timestamp(base::Duration(heard));
        figures.used_today = used_today;
        rows_.visit(*view.meter(base::MeterNumber(meter)), figures, view, limits_);
      }
    }
    std::vector<std::uint32_t> out;
    for (const auto& row : rows_.take()) out.push_back(row.number.value);
    rows_.end();
    return out;
  }
};

TEST_F(MeterRowsTest, NewerReadingsAreWrittenInTurn) {
  EXPECT_EQ(survey(1), (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(survey(1), (std::vector<std::uint32_t>{4, 5, 6}));
  EXPECT_EQ(survey(1), (std::vector<std::uint32_t>{7, 8}));
  EXPECT_EQ(survey(1), std::vector<std::uint32_t>{});
  EXPECT_EQ(survey(2), (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(survey(3), (std::vector<std::uint32_t>{4, 5, 6}));
  EXPECT_EQ(survey(4), (std::vector<std::uint32_t>{7, 8}));
  EXPECT_EQ(survey(5), (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST_F(MeterRowsTest, AnotherStateIsWrittenAtOnce) {
  for (int n = 0; n < 3; ++n) survey(1);
  EXPECT_EQ(survey(1, fleet::MeterState::kSilent).size(), 8u);
}

TEST_F(MeterRowsTest, WhatNeedsALookIsWrittenAtOnceAfterAStart) {
  EXPECT_EQ(survey(1, fleet::MeterState::kLow).size(), 8u);
}

// At midnight, and when nobody knows a flow any more, figures of a meter that says nothing change too.
TEST_F(MeterRowsTest, OtherFiguresAreWrittenThoughNothingWasHeard) {
  for (int n = 0; n < 3; ++n) survey(1, fleet::MeterState::kOnline, 500);
  EXPECT_EQ(survey(1, fleet::MeterState::kOnline, 0), (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST_F(MeterRowsTest, WhatWasNotWrittenIsDueAgain) {
  for (int n = 0; n < 3; ++n) survey(1);
  rows_.not_written();
  std::size_t again = 0;
  for (int n = 0; n < 4; ++n) again += survey(1).size();
  EXPECT_EQ(again, 8u);
}

TEST_F(MeterRowsTest, TheTableIsComparedWithTheRegistryWhenItMayHoldMore) {
  survey(1);
  const auto all = rows_.to_keep(town_.directory_of_meters);
  ASSERT_TRUE(all) << "of before the start";
  EXPECT_EQ(std::ranges::count(*all, true), 8);
  EXPECT_FALSE(rows_.to_keep(town_.directory_of_meters));
  ASSERT_TRUE(town_.store->remove_meter("test", base::Eui64(2)));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  const auto left = rows_.to_keep(town_.directory_of_meters);
  ASSERT_TRUE(left);
  EXPECT_FALSE((*left)[2]);
  EXPECT_FALSE(rows_.to_keep(town_.directory_of_meters));
  rows_.not_written();
  EXPECT_TRUE(rows_.to_keep(town_.directory_of_meters));
}

}  // namespace
}  // namespace meterhub::office
