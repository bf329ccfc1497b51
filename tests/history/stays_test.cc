// Goal: whose readings a meter's usage is made of, and of when, for every way in which meters come and go.
#include <algorithm>
#include <map>

#include <gmock/gmock.h>

#include "../../src/history/stays.h"

namespace meterhub::history {
namespace {

using base::MeterNumber;
using registry::Exchange;

base::Timestamp hour(int h) { return base::Timestamp(std::chrono::hours(h)); }

// Meter n has EUI 100 + n; flat n is unit n of building 1.
struct Notes {
  std::vector<Exchange> all;

  Notes& note(int at, std::uint32_t old, std::uint32_t now, std::uint32_t flat) {
    all.push_back({.number = registry::ExchangeNumber(static_cast<std::uint32_t>(all.size() + 1)),
                   .at = hour(at),
                   .old_number = MeterNumber(old),
                   .new_number = MeterNumber(now),
                   .old_meter = base::Eui64(100 + old),
                   .new_meter = base::Eui64(100 + now),
                   .building = registry::BuildingNumber(1),
                   .unit = registry::UnitNumber(flat),
                   .final_litres = 1'000 + at,
                   .initial_litres = at});
    return *this;
  }

  // "1:-..8 2:8..": meters with the hours of their stays. `flat` 0: it hangs nowhere now.
  std::string told(std::uint32_t meter, std::uint32_t flat) const {
    registry::MeterEntry entry;
    entry.number = MeterNumber(meter);
    entry.eui = base::Eui64(100 + meter);
    entry.building = registry::BuildingNumber(flat == 0 ? 0 : 1);
    entry.unit = registry::UnitNumber(flat);
    std::string out;
    for (const auto& stay : stays_of(entry, [this](MeterNumber number) { return of(number); })) {
      EXPECT_EQ(stay.eui.value, 100 + stay.meter.value);
      const auto from = stay.from == base::Timestamp::min()
                            ? "-"
                            : std::to_string(stay.from.time_since_epoch() / std::chrono::hours(1));
      const auto to =
          stay.to == base::Timestamp::max() ? "-" : std::to_string(stay.to.time_since_epoch() / std::chrono::hours(1));
      out += (out.empty() ? "" : " ") + std::to_string(stay.meter.value) + ":" + from + ".." + to;
      if (stay.counter_in) out += " in " + std::to_string(*stay.counter_in);
      if (stay.counter_out) out += " out " + std::to_string(*stay.counter_out);
    }
    return out;
  }

  std::vector<Exchange> of(MeterNumber meter) const {
    std::vector<Exchange> out;
    std::ranges::copy_if(all, std::back_inserter(out),
                         [&](const Exchange& one) { return one.old_number == meter || one.new_number == meter; });
    return out;
  }
};

TEST(Stays, AMeterThatWasNeverExchangedStaysForEver) {
  EXPECT_EQ(Notes().told(1, 1), "1:-..-");
  EXPECT_EQ(Notes().told(1, 0), "1:-..-");
}

TEST(Stays, OfThoseThatHungThereBeforeUpToTheirExchange) {
  const auto notes = Notes().note(8, 1, 2, 1).note(14, 2, 3, 1);
  EXPECT_EQ(notes.told(3, 1), "1:-..8 out 1008 2:8..14 in 8 out 1014 3:14..- in 14");
  EXPECT_EQ(notes.told(2, 0), "1:-..8 out 1008 2:8..14 in 8 out 1014") << "its usage ends with the exchange";
  EXPECT_EQ(notes.told(1, 0), "1:-..8 out 1008");
}

TEST(Stays, AMeterThatCameBackInAnotherFlatGoesOnFromThatFlats) {
  const auto notes = Notes().note(8, 1, 2, 1).note(14, 5, 1, 2);
  EXPECT_EQ(notes.told(1, 2), "5:-..14 out 1014 1:14..- in 14");
  EXPECT_EQ(notes.told(2, 1), "1:-..8 out 1008 2:8..- in 8") << "what it measured in its first flat is that flat's";
}

TEST(Stays, AMeterThatCameBackInItsOwnFlatIsItsOwnPredecessor) {
  const auto notes = Notes().note(8, 1, 2, 1).note(14, 2, 1, 1);
  EXPECT_EQ(notes.told(1, 1), "1:-..8 out 1008 2:8..14 in 8 out 1014 1:14..- in 14");
}

TEST(Stays, AMeterThatWasMovedWithoutANoteHasNoPredecessors) {
  EXPECT_EQ(Notes().note(8, 1, 2, 1).told(1, 2), "1:8..-") << "taken out of flat 1, found in flat 2";
  EXPECT_EQ(Notes().note(8, 1, 2, 1).told(2, 2), "2:8..-") << "put into flat 1, found in flat 2";
  EXPECT_EQ(Notes().note(8, 1, 2, 1).told(2, 0), "1:-..8 out 1008 2:8..- in 8") << "flat 1 is the last that is known";
  EXPECT_EQ(Notes().note(8, 1, 2, 1).note(14, 2, 3, 4).told(3, 4), "2:8..14 out 1014 3:14..- in 14")
      << "2 was moved from flat 1 to 4";
  EXPECT_EQ(Notes().note(8, 1, 2, 1).note(14, 1, 3, 4).told(3, 4), "1:8..14 out 1014 3:14..- in 14")
      << "1 came to flat 4 some time after 8";
}

}  // namespace
}  // namespace meterhub::history
