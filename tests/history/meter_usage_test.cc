// Goal: what a flat used is right over exchanges of its meters: figures of a real lake against what flowed, second by
// second.
#include <meterhub/history/meter_usage.h>

#include "rollup_fixture.h"

namespace meterhub::history {
namespace {

using consumption::Litres;
using consumption::Period;

class ExchangedMeters : public RollupTest {
 protected:
  // Twice on one day, and once more on the next.
  static inline const std::array<base::Timestamp, 3> kExchanges{kStart + 3h + 10min + 12s, kStart + 7h + 58min + 20s,
                                                                kStart + 20h};
  static inline const base::Timestamp kEnd = kStart + 22h;

  void SetUp() override {
    RollupTest::SetUp();
    own_ = std::make_unique<Town>();
    own_->clock().set_wall(kEnd);
    // Four meters of one tenant, and one place: the first one's.
    for (std::size_t n = 0; n < 4; ++n) {
      flats_.push_back(own_->meters()[n]);
      flats_[n].tenant = flats_[0].tenant;
    }
    for (std::size_t n = 1; n < flats_.size(); ++n) {
      ASSERT_TRUE(town().store().update_meter("test", stock(flats_[n])));
    }
    std::vector<lake::Reading> rows;
    for (std::size_t n = 0; n < flats_.size(); ++n) add_rows(n, rows);
    append(std::move(rows));
    // Some hours lie placed, some as they came.
    std::size_t count = 0;
    for (const auto hour : fresh_hours()) {
      if (++count % 2 == 0) close(hour);
    }
  }

  static registry::MeterSpec stock(const TownMeter& meter) {
    registry::MeterSpec spec;
    spec.eui = meter.eui;
    spec.tenant = meter.tenant;
    return spec;
  }
  // What the flat has used up to then: some litres every few seconds, more of them by day.
  static Litres flowed(base::Timestamp at) {
    const auto seconds = (at - kStart) / 1s;
    return seconds / 7 + seconds / 4'000 * 13;
  }
  static base::Timestamp put_in(std::size_t n) { return n == 0 ? kStart : kExchanges[n - 1]; }
  static base::Timestamp taken_out(std::size_t n) { return n < kExchanges.size() ? kExchanges[n] : kEnd; }
  static Litres counter(std::size_t n, base::Timestamp at) {
    return static_cast<Litres>(n) * 5'000 + 17 + flowed(at) - flowed(put_in(n));
  }
  // Every half minute in its time; and before and after it from a shelf, with a counter that stands.
  void add_rows(std::size_t n, std::vector<lake::Reading>& rows) {
    std::uint32_t fcnt = 0;
    for (auto at = n == 0 ? kStart : put_in(n) - 2h; at < taken_out(n) + 2h; at += 30s) {
      consumption::Reading reading;
      reading.session = base::SessionNumber(1);
      reading.fcnt = ++fcnt;
      reading.at = at + std::chrono::seconds(static_cast<int>(n));
      reading.counter = counter(n, std::clamp(reading.at, put_in(n), taken_out(n)));
      rows.push_back(row(flats_[n], reading));
      const bool has_come = n == 0 || reading.at > put_in(n);
      const bool has_gone = n < kExchanges.size() && reading.at > taken_out(n);
      if (has_come && !has_gone) seen_[reading.at] = flowed(std::min(reading.at, kEnd));
    }
  }
  void exchange(std::size_t n, bool counted) {
    registry::ExchangeSpec spec{.old_meter = flats_[n].eui, .new_meter = flats_[n + 1].eui, .at = kExchanges[n]};
    if (counted) spec.final_litres = counter(n, kExchanges[n]), spec.initial_litres = counter(n + 1, kExchanges[n]);
    const auto done = town().store().exchange_meter("test", spec);
    ASSERT_TRUE(done) << done.error().text;
    ASSERT_TRUE(town().directory().load(town().store()));
  }
  std::vector<consumption::Figure> usage(std::size_t n, Period by, base::Timestamp from, base::Timestamp to) {
    const auto found =
        meter_usage(disk_, lake(), town().directory(), {.eui = flats_[n].eui, .by = by, .from = from, .to = to});
    EXPECT_TRUE(found) << found.error().text;
    return found.value_or(std::vector<consumption::Figure>());
  }
  // What flowed between the last readings up to the period's begin and its end.
  Litres brute_force(base::Timestamp begin, base::Timestamp end) const {
    const auto up_to = [&](base::Timestamp at) {
      auto next = seen_.upper_bound(at);
      return next == seen_.begin() ? next->second : std::prev(next)->second;
    };
    return up_to(end) - up_to(begin);
  }
  static bool is_cut(base::Timestamp edge) {
    return std::ranges::any_of(kExchanges, [&](auto at) { return edge > at - 31s && edge < at + 31s; });
  }
  static Litres sum(const std::vector<consumption::Figure>& figures) {
    Litres out = 0;
    for (const auto& figure : figures) out += figure.used;
    return out;
  }

  std::vector<TownMeter> flats_;
  std::map<base::Timestamp, Litres> seen_;  // what the flat had used, where a reading of its meter of then tells it
};

TEST_F(ExchangedMeters, TwoExchangesOnOneDayAddUpToTheLitre) {
  for (std::size_t n = 0; n < 3; ++n) exchange(n, true);
  for (const auto by : {Period::kFiveMinutes, Period::kHour, Period::kDay}) {
    const auto figures = usage(3, by, kStart, kEnd);
    std::size_t exchanges = 0;
    for (const auto& figure : figures) {
      exchanges += figure.exchange ? 1 : 0;
      if (is_cut(figure.begin) || is_cut(figure.end)) continue;
      EXPECT_EQ(figure.used, brute_force(figure.begin, figure.end)) << base::rfc3339(figure.begin);
      EXPECT_EQ(figure.estimated > 0, figure.exchange) << base::rfc3339(figure.begin);
    }
    EXPECT_EQ(sum(figures), brute_force(figures.front().begin, figures.back().end));
    EXPECT_GE(exchanges, by == Period::kDay ? 1U : 3U);
  }
}

TEST_F(ExchangedMeters, EveryTimeAskedForSaysTheSame) {
  for (std::size_t n = 0; n < 3; ++n) exchange(n, true);
  const auto all = usage(3, Period::kFiveMinutes, kStart, kEnd);
  std::mt19937_64 random(3);
  for (int n = 0; n < 12; ++n) {
    const auto from = kStart + std::chrono::minutes(random() % 1'200);
    for (const auto& one : usage(3, Period::kFiveMinutes, from, from + std::chrono::minutes(5 + random() % 90))) {
      const auto same = std::ranges::find(all, one.begin, &consumption::Figure::begin);
      if (same == all.end()) continue;
      EXPECT_EQ(one.used, same->used) << base::rfc3339(one.begin);
      EXPECT_EQ(one.from, same->from);
      EXPECT_EQ(one.to, same->to);
    }
  }
}

TEST_F(ExchangedMeters, FiguresNameWhoseReadingsTheyAreOf) {
  for (std::size_t n = 0; n < 3; ++n) exchange(n, true);
  ASSERT_TRUE(town().store().remove_meter("test", flats_[0].eui));
  ASSERT_TRUE(town().directory().load(town().store()));
  const auto figures = usage(3, Period::kHour, kStart, kEnd);
  for (const auto& figure : figures) {
    for (const auto& reading : {figure.from, figure.to}) {
      if (!reading) continue;
      std::size_t hung = 0;
      while (hung < kExchanges.size() && reading->at > kExchanges[hung]) ++hung;
      EXPECT_EQ(reading->meter, flats_[hung].number) << base::rfc3339(reading->at);
      EXPECT_EQ(town().directory().eui_of(reading->meter), flats_[hung].eui);
    }
  }
  EXPECT_EQ(sum(figures), brute_force(figures.front().begin, figures.back().end))
      << "also of one that is no longer registered";
}

TEST_F(ExchangedMeters, WithoutCountersNothingIsKnownOfWhatNobodySaw) {
  for (std::size_t n = 0; n < 3; ++n) exchange(n, false);
  const auto figures = usage(3, Period::kHour, kStart, kEnd);
  auto unseen = brute_force(kStart, kEnd);
  for (const auto at : kExchanges) {
    const auto next = seen_.upper_bound(at);
    unseen -= next->second - std::prev(next)->second;
  }
  EXPECT_EQ(sum(figures), unseen);
}

TEST_F(ExchangedMeters, TheOldOnesUsageEndsAndBeforeTheNoteNothingIsOthers) {
  const auto alone = usage(1, Period::kHour, kStart, kEnd);
  for (const auto& figure : alone) {
    EXPECT_TRUE(!figure.from || figure.from->meter == flats_[1].number);
    EXPECT_FALSE(figure.exchange);
  }
  for (std::size_t n = 0; n < 3; ++n) exchange(n, true);
  for (const auto& figure : usage(1, Period::kHour, kStart, kEnd)) {
    EXPECT_EQ(figure.steps > 0, figure.begin < kExchanges[1]) << base::rfc3339(figure.begin);
    EXPECT_TRUE(!figure.to || figure.to->at <= kExchanges[1]);
  }
}

// The old one hangs nowhere now; what it measured was used in its district.
TEST_F(ExchangedMeters, DistrictsKeepWhatTheOldOneMeasured) {
  for (std::size_t n = 0; n < 3; ++n) exchange(n, true);
  for (const auto hour : fresh_hours()) close(hour);
  start({.lake = {}, .late_pause = 0s, .share = 1.0});
  executor_.run_for(61s);
  const auto building = *town().directory().building(town().directory().meter(flats_[3].eui)->building);
  Litres used = 0, elsewhere = 0;
  for (const auto& [key, values] : stored()) {
    if (key.period != UsagePeriod::kHour) continue;
    (key.place.starts_with(flats_[0].tenant + "/" + building.district + "/") ? used : elsewhere) += values.used;
  }
  Litres measured = 0;
  for (std::size_t n = 0; n < flats_.size(); ++n) measured += counter(n, taken_out(n)) - counter(n, put_in(n));
  EXPECT_EQ(used, measured) << "each was heard before it was put in and after it was taken out";
  EXPECT_EQ(elsewhere, 0);
}

}  // namespace
}  // namespace meterhub::history
