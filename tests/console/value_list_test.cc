#include <gmock/gmock.h>

#include <meterhub/console/list.h>

namespace meterhub::console {
namespace {

using testing::ElementsAre;

base::Timestamp at(int minute) { return base::Timestamp(std::chrono::minutes(minute)); }

ListForm form() {
  ListForm out{.name = "x", .english = "X", .chinese = "X"};
  out.columns = {{"id", ValueType::kInteger, "I", "I"},
                 {"name", ValueType::kText, "N", "N"},
                 {"seen", ValueType::kTime, "S", "S"},
                 {"on", ValueType::kFlag, "O", "O"}};
  out.filters = {{"name"},
                 {"on", FilterType::kChoice, {}, {"true", "false"}},
                 {"q", FilterType::kSearch},
                 {"from", FilterType::kFrom, "seen"},
                 {"to", FilterType::kTo, "seen"}};
  return out;
}

class ValueListTest : public testing::Test {
 protected:
  std::vector<ListRow> rows_{{std::int64_t{1}, std::string("B10"), at(3), true},
                             {std::int64_t{2}, std::string("b9"), Value(), false},
                             {std::int64_t{3}, std::string("B9"), at(1), true},
                             {std::int64_t{4}, std::string("100%"), at(2), true},
                             {std::int64_t{5}, std::string("B9"), at(1), false}};
  std::vector<std::int64_t> ids(const ListQuery& query, ListWindow window = {0, 100}, std::uint64_t total = 99) {
    const auto source = list_of(form(), [this](const Caller&) { return base::Result<std::vector<ListRow>>(rows_); });
    const auto list = *source(query, {}, window);
    std::vector<std::int64_t> out;
    for (;;) {
      const auto next = *list->next(2);
      if (next.empty()) break;
      EXPECT_LE(next.size(), 2u);
      for (const auto& row : next) out.push_back(std::get<std::int64_t>(row[0]));
    }
    if (total != 99) {
      EXPECT_EQ(list->total(), total);
    }
    return out;
  }
};

TEST_F(ValueListTest, SortsStablyNumbersByTheirValueAndNothingKnownLast) {
  EXPECT_THAT(ids({}), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(ids({.sort = {{1, false}}}), ElementsAre(3, 5, 1, 2, 4));
  EXPECT_THAT(ids({.sort = {{1, true}}}), ElementsAre(4, 2, 1, 3, 5));
  EXPECT_THAT(ids({.sort = {{2, false}}}), ElementsAre(3, 5, 4, 1, 2));
  EXPECT_THAT(ids({.sort = {{2, true}}}), ElementsAre(1, 4, 3, 5, 2));
  EXPECT_THAT(ids({.sort = {{3, false}, {0, true}}}), ElementsAre(5, 2, 4, 3, 1));
}

TEST_F(ValueListTest, FiltersAreAllToHold) {
  EXPECT_THAT(ids({.filters = {{"name", "B9"}}}), ElementsAre(3, 5));
  EXPECT_THAT(ids({.filters = {{"name", "B9"}, {"name", "b9"}, {"on", "false"}}}), ElementsAre(2, 5));
  EXPECT_THAT(ids({.filters = {{"from", "1970-01-01T00:01:00Z"}, {"to", "1970-01-01T00:03:00Z"}}}),
              ElementsAre(3, 4, 5));
  EXPECT_THAT(ids({.filters = {{"q", "B9"}}}), ElementsAre(2, 3, 5));
}

TEST_F(ValueListTest, WhatIsSearchedForIsData) {
  EXPECT_THAT(ids({.filters = {{"q", "%"}}}), ElementsAre(4));
  EXPECT_THAT(ids({.filters = {{"q", "_"}}}), ElementsAre());
  EXPECT_THAT(ids({.filters = {{"q", "' OR 1=1"}}}), ElementsAre());
  EXPECT_THAT(ids({.filters = {{"q", ".*"}}}), ElementsAre());
}

TEST_F(ValueListTest, PagesKnowTheWhole) {
  EXPECT_THAT(ids({}, {1, 3}, 5), ElementsAre(2, 3, 4));
  EXPECT_THAT(ids({}, {4, 3}, 5), ElementsAre(5));
  EXPECT_THAT(ids({}, {5, 3}, 5), ElementsAre());
  EXPECT_THAT(ids({}, {UINT32_MAX, 3}, 5), ElementsAre());
}

TEST(HoldsText, IgnoresTheCaseOfAsciiLettersOnly) {
  EXPECT_TRUE(holds_text("Tower A", "tower a"));
  EXPECT_TRUE(holds_text("重庆A座", "a座"));
  EXPECT_FALSE(holds_text("重", "\x87\x8E"));
  EXPECT_TRUE(holds_text("", ""));
  EXPECT_FALSE(holds_text("", "a"));
}

}  // namespace
}  // namespace meterhub::console
