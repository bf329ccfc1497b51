#include "meter_list.h"

#include <gmock/gmock.h>

#include "town.h"

namespace meterhub::console {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Meters 1 to 4 in Tower A, 5 to 8 in Tower B; 9 stands in no building; 10 is another tenant's.
class MeterListTest : public testing::Test {
 protected:
  MeterListTest() {
    town_.add_meter("", "", "", std::chrono::seconds(60));
    EXPECT_TRUE(town_.store->add_tenant("test", "Other Gas"));
    town_.add_meter("Tower A", "1", "101", std::chrono::seconds(60), "Other Gas");
    EXPECT_TRUE(town_.directory_of_meters.load(*town_.store));
  }
  void hear(std::uint32_t meter, std::int64_t left, std::chrono::seconds ago = {}, std::uint32_t status = 0) {
    fleet::Reading reading{.time = clock_.now() - ago,
                           .bought = 100'000,
                           .left = left,
                           .used = 100'000 - left,
                           .session = 1,
                           .fcnt = 1,
                           .status = status};
    const base::MeterNumber number(meter);
    fleet_.put(number, reading, clock_.now() - ago, clock_.now());
    fleet_.heard(number, clock_.now() - ago);
    fleet_.judge(number, {}, clock_.now());
  }
  std::unique_ptr<ListRows> list(const ListQuery& query, const ListWindow& window = {0, 100},
                                 const Caller& caller = {}) {
    return *meter_list(town_.directory_of_meters, fleet_)(query, caller, window);
  }
  // The last digit of the EUIs in order.
  std::vector<std::string> euis(const ListQuery& query, const ListWindow& window = {0, 100},
                                const Caller& caller = {}) {
    auto rows = list(query, window, caller);
    std::vector<std::string> out;
    for (;;) {
      const auto next = *rows->next(3);
      if (next.empty()) return out;
      for (const auto& row : next) out.push_back(std::get<std::string>(row[0]).substr(15));
    }
  }
  std::vector<SortKey> by(std::string_view name, bool descending = false) const {
    const auto form = meter_list_form();
    return {{static_cast<std::size_t>(std::ranges::find(form.columns, name, &ListColumn::name) - form.columns.begin()),
             descending}};
  }
  static Caller tenant(std::uint32_t number) { return {.actor = "api:x", .tenant = base::TenantNumber(number)}; }

  base::ManualClock clock_;
  fleet::test::Town town_{clock_, 4};
  fleet::FleetState fleet_{20'000};
};

TEST_F(MeterListTest, ARowHasTheMetersPlaceStateAndLastReading) {
  hear(1, 4'000);
  const auto rows = *list({.filters = {{"q", "0000000000000001"}}})->next(10);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0], (ListRow{std::string("0000000000000001"), std::string("101"), std::string("1"),
                              std::string("Tower A"), std::string("Yuzhong"), std::string("Chongqing Gas"),
                              std::string("v1"), std::string("low"), clock_.now(), std::int64_t{100'000},
                              std::int64_t{4'000}, std::int64_t{96'000}, Value(), Value(), std::int64_t{0}}));
  const auto silent = *list({.filters = {{"q", "0000000000000002"}}})->next(10);
  EXPECT_EQ(silent[0].size(), meter_list_form().columns.size());
  EXPECT_EQ(silent[0][8], Value());
  EXPECT_EQ(silent[0][7], Value(std::string("new")));
}

TEST_F(MeterListTest, FiltersByEverything) {
  hear(1, 4'000);
  hear(2, 50'000, std::chrono::seconds(30));
  hear(3, 50'000, std::chrono::seconds(0), 8);
  const auto find = [&](const std::string& name, const std::string& value) {
    return euis({.filters = {{name, value}}});
  };
  EXPECT_THAT(find("state", "low"), ElementsAre("1"));
  EXPECT_THAT(euis({.filters = {{"state", "online"}, {"state", "faulty"}}}), ElementsAre("2", "3"));
  EXPECT_THAT(find("building", "Tower B"), ElementsAre("5", "6", "7", "8"));
  EXPECT_THAT(find("building", ""), ElementsAre("9"));
  EXPECT_THAT(find("district", "Yuzhong").size(), 9u);
  EXPECT_THAT(find("district", "Nowhere"), IsEmpty());
  EXPECT_THAT(find("tenant", "Other Gas"), ElementsAre("a"));
  EXPECT_THAT(find("tenant", "Nobody"), IsEmpty());
  EXPECT_THAT(find("unit", "102"), ElementsAre("2", "6"));
  EXPECT_THAT(find("floor", "2"), ElementsAre("2", "4", "6", "8"));
  EXPECT_THAT(find("profile", "v1").size(), 10u);
  EXPECT_THAT(find("from", base::rfc3339(clock_.now() - std::chrono::seconds(10))), ElementsAre("1", "3"));
  EXPECT_THAT(find("to", base::rfc3339(clock_.now() - std::chrono::seconds(10))), ElementsAre("2"));
  EXPECT_THAT(euis({.filters = {{"building", "Tower A"}, {"floor", "2"}, {"state", "online"}}}), ElementsAre("2"));
}

TEST_F(MeterListTest, SearchesEuiFlatAndPlaceAsData) {
  const auto search = [&](const std::string& text) { return euis({.filters = {{"q", text}}}); };
  EXPECT_THAT(search("tower b"), ElementsAre("5", "6", "7", "8"));
  EXPECT_THAT(search("00-00-00-0A"), ElementsAre("a"));
  EXPECT_THAT(search("104"), ElementsAre("4", "8"));
  EXPECT_THAT(search("yuzhong").size(), 9u);
  EXPECT_THAT(search("%"), IsEmpty());
  EXPECT_THAT(search("_"), IsEmpty());
  EXPECT_THAT(search("' OR 1=1 --"), IsEmpty());
  EXPECT_THAT(search("00000000000000000"), IsEmpty()) << "longer than an EUI";
}

TEST_F(MeterListTest, SortsAndKeepsOneOrderOverPages) {
  hear(1, 4'000, std::chrono::seconds(2));
  hear(2, 50'000, std::chrono::seconds(1));
  hear(7, 9'000);
  EXPECT_THAT(euis({.sort = by("last_seen", true)}, {0, 4}), ElementsAre("7", "2", "1", "3"));
  EXPECT_THAT(euis({.sort = by("left")}, {0, 4}), ElementsAre("1", "7", "2", "3"));
  EXPECT_THAT(euis({.sort = by("building")}, {0, 3}), ElementsAre("9", "1", "2"));
  EXPECT_THAT(euis({.sort = by("tenant", true)}, {0, 2}), ElementsAre("a", "1"));
  auto keys = by("floor", true);
  keys.push_back(by("unit").front());
  EXPECT_THAT(euis({.sort = keys}, {0, 5}), ElementsAre("2", "6", "4", "8", "1"));
  const auto whole = euis({.sort = keys});
  std::vector<std::string> pages;
  for (std::uint64_t offset = 0; offset < 12; offset += 3) {
    const auto page = euis({.sort = keys}, {offset, 3});
    pages.insert(pages.end(), page.begin(), page.end());
  }
  EXPECT_EQ(pages, whole);
  EXPECT_EQ(whole.size(), 10u);
}

TEST_F(MeterListTest, ATenantSeesItsOwnWhateverItAsksFor) {
  EXPECT_THAT(euis({}, {0, 100}, tenant(2)), ElementsAre("a"));
  EXPECT_EQ(list({}, {0, 1}, tenant(2))->total(), 1u);
  EXPECT_EQ(list({}, {0, 1}, tenant(1))->total(), 9u);
  EXPECT_THAT(euis({.filters = {{"tenant", "Chongqing Gas"}}}, {0, 100}, tenant(2)), IsEmpty());
  EXPECT_THAT(euis({.filters = {{"q", "0000000000000001"}}}, {0, 100}, tenant(2)), IsEmpty());
  EXPECT_THAT(euis({.sort = by("unit")}, {0, 100}, tenant(2)), ElementsAre("a"));
}

TEST_F(MeterListTest, TheWindowMayLieBehindTheEnd) {
  EXPECT_THAT(euis({}, {8, 100}), ElementsAre("9", "a"));
  EXPECT_THAT(euis({}, {10, 100}), IsEmpty());
  EXPECT_THAT(euis({.sort = by("unit")}, {UINT32_MAX, 100}), IsEmpty());
}

}  // namespace
}  // namespace meterhub::console
