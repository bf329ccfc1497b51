#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

using testing::ElementsAre;

std::vector<std::uint64_t> ids(const Listing& listing) {
  std::vector<std::uint64_t> out;
  for (const auto& episode : listing.episodes) out.push_back(episode.id.value);
  return out;
}

class ListingTest : public testing::Test {
 protected:
  ListingTest() {
    bench_.see(true, 10, 1, Rule::kLeak);
    bench_.see(true, 20, 2, Rule::kTamper, base::TenantNumber(2));
    bench_.see(true, 30, 3, Rule::kLeak);
    bench_.engine.observe({.rule = Rule::kSilentGateway,
                           .subject = Subject::named(SubjectKind::kGateway, "gw-7"),
                           .tenant = kTenant,
                           .active = true,
                           .at = second(40)});
    (void)bench_.engine.assign(Bench::only(3), Bench::by(50), "li");
    (void)bench_.acknowledge(50, Bench::only(1));
  }
  std::vector<std::uint64_t> list(const Filter& which) { return ids(bench_.engine.list(which, {{SortKey::kId}}, {})); }

  Bench bench_;
};

TEST_F(ListingTest, AdmitsWhatTheFilterSays) {
  EXPECT_THAT(list({}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(list({.rules = {Rule::kLeak}}), ElementsAre(1, 3));
  EXPECT_THAT(list({.states = {State::kAcknowledged, State::kShelved}}), ElementsAre(1));
  EXPECT_THAT(list({.tenants = std::vector{base::TenantNumber(2)}}), ElementsAre(2));
  EXPECT_THAT(list({.tenants = std::vector<base::TenantNumber>{}}), ElementsAre());
  EXPECT_THAT(list({.kinds = {SubjectKind::kGateway}}), ElementsAre(4));
  EXPECT_THAT(list({.owner = "li"}), ElementsAre(3));
  EXPECT_THAT(list({.owner = ""}), ElementsAre(1, 2, 4));
  EXPECT_THAT(list({.raised_from = second(20), .raised_before = second(40)}), ElementsAre(2, 3));
  EXPECT_THAT(list({.subject = meter(3)}), ElementsAre(3));
  EXPECT_THAT(list({.severities = {Severity::kEmergency}}), ElementsAre());
  EXPECT_THAT(list({.ids = std::vector{EpisodeId(4), EpisodeId(1), EpisodeId(4), EpisodeId(77)}}), ElementsAre(1, 4));
  EXPECT_THAT(list({.matches = [](const Episode& one) { return one.subject.text().contains("gw"); }}), ElementsAre(4));
}

TEST_F(ListingTest, SortsByItsKeysThenTheNewestFirst) {
  const auto order = [&](const std::vector<SortBy>& by) { return ids(bench_.engine.list({}, by, {})); };
  EXPECT_THAT(order({}), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(order({{SortKey::kRule}}), ElementsAre(4, 3, 1, 2));
  EXPECT_THAT(order({{SortKey::kTenant, true}, {SortKey::kRaised, false}}), ElementsAre(2, 1, 3, 4));
  EXPECT_THAT(order({{SortKey::kOwner, true}}), ElementsAre(3, 4, 2, 1));
  EXPECT_THAT(order({{SortKey::kSubject, true}}), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(order({{SortKey::kState, true}}), ElementsAre(1, 4, 3, 2));
}

TEST_F(ListingTest, GivesAPageAndTheTotal) {
  const auto page = bench_.engine.list({}, {{SortKey::kId}}, {.offset = 1, .limit = 2});
  EXPECT_THAT(ids(page), ElementsAre(2, 3));
  EXPECT_EQ(page.total, 4U);
  EXPECT_THAT(ids(bench_.engine.list({}, {}, {.offset = 9, .limit = 2})), ElementsAre());
  EXPECT_THAT(ids(bench_.engine.list({}, {}, {.offset = 3, .limit = SIZE_MAX})), ElementsAre(1));
}

TEST_F(ListingTest, CountsTheOpenOnes) {
  (void)bench_.clear(60, Bench::only(3));
  const auto all = bench_.engine.counts();
  EXPECT_EQ(all.open, 3U);
  EXPECT_EQ(all.by_rule[static_cast<std::size_t>(Rule::kLeak)], 1U);
  EXPECT_EQ(all.by_severity[static_cast<std::size_t>(Severity::kWarning)], 3U);
  EXPECT_EQ(all.by_state[static_cast<std::size_t>(State::kAcknowledged)], 1U);
  EXPECT_EQ(bench_.engine.counts(std::vector{base::TenantNumber(2), base::TenantNumber(2), base::TenantNumber(9)}).open,
            1U);
  EXPECT_THAT(list({.rules = {Rule::kLeak}}), ElementsAre(1));
}

// Any page of any order is what a whole sort gives.
TEST(Listing, PagesAreThoseOfTheWholeSort) {
  Bench bench({}, {.flood_raises = 10'000});
  std::mt19937_64 random(3);
  for (std::uint64_t number = 1; number <= 2'000; ++number)
    bench.see(true, static_cast<std::int64_t>(random() % 50), number);
  const std::vector<SortBy> order{{SortKey::kRaised, true}, {SortKey::kSubject, false}};
  const auto whole = ids(bench.engine.list({}, order, {.offset = 0, .limit = 5'000}));
  ASSERT_EQ(whole.size(), 2'000U);
  for (int i = 0; i < 50; ++i) {
    const std::size_t offset = random() % 2'100, limit = random() % 300;
    const auto page = ids(bench.engine.list({}, order, {offset, limit}));
    const auto begin = std::min<std::size_t>(offset, 2'000), end = std::min<std::size_t>(offset + limit, 2'000);
    ASSERT_EQ(page, std::vector(whole.begin() + static_cast<std::ptrdiff_t>(begin),
                                whole.begin() + static_cast<std::ptrdiff_t>(end)));
  }
}

}  // namespace
}  // namespace meterhub::alarm
