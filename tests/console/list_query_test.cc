#include <gmock/gmock.h>

#include <meterhub/base/time_text.h>
#include <meterhub/console/list.h>

namespace meterhub::console {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ListForm form() {
  ListForm out{.name = "things", .english = "Things", .chinese = "东西"};
  out.columns = {{"name", ValueType::kText, "Name", "名称"},
                 {"seen", ValueType::kTime, "Seen", "时间"},
                 {"secret", ValueType::kText, "Secret", "密", false}};
  out.filters = {{"name"},
                 {"state", FilterType::kChoice, {}, {"on", "off"}},
                 {"q", FilterType::kSearch},
                 {"from", FilterType::kFrom, "seen"}};
  out.order = {{1, true}};
  return out;
}

base::Result<ListQuery> parse(http::Fields query, http::Fields headers = {}) {
  http::Request request;
  request.query = std::move(query);
  request.headers = std::move(headers);
  return parse_list_query(request, form());
}
std::string refused(http::Fields query) {
  const auto parsed = parse(std::move(query));
  EXPECT_FALSE(parsed);
  if (parsed) return {};
  EXPECT_EQ(parsed.error().code, base::Errc::kInvalidArgument);
  return parsed.error().text;
}

TEST(ListQuery, AsksForAFirstPageInTheFormsOrderWhenItSaysNothing) {
  const auto query = *parse({});
  EXPECT_EQ(query.offset, 0u);
  EXPECT_EQ(query.limit, std::nullopt);
  EXPECT_EQ(query.sort, (std::vector<SortKey>{{1, true}}));
  EXPECT_EQ(query.format, ListFormat::kJson);
  EXPECT_EQ(query.language, Language::kEnglish);
}

TEST(ListQuery, ReadsFiltersSortAndPage) {
  const auto query = *parse({{"name", "a,b"},
                             {"name", "c"},
                             {"state", "on,off"},
                             {"q", "%"},
                             {"from", "2026-01-31T00:00:00Z"},
                             {"sort", "-seen,name"},
                             {"limit", "1000"},
                             {"offset", "2000"}});
  EXPECT_THAT(query.values("name"), ElementsAre("a,b", "c"));
  EXPECT_THAT(query.values("state"), ElementsAre("on", "off"));
  EXPECT_EQ(query.text("q"), "%");
  EXPECT_EQ(query.time("from"), base::parse_rfc3339("2026-01-31T00:00:00Z")->at);
  EXPECT_EQ(query.time("to"), std::nullopt);
  EXPECT_EQ(query.sort, (std::vector<SortKey>{{1, true}, {0, false}}));
  EXPECT_EQ(query.limit, 1000u);
  EXPECT_EQ(query.offset, 2000u);
}

TEST(ListQuery, NamesWhatThereIs) {
  EXPECT_THAT(refused({{"colour", "red"}}),
              HasSubstr("'colour': the list knows name, state, q, from, sort, limit, offset, format, lang"));
  EXPECT_THAT(refused({{"sort", "colour"}}), HasSubstr("'colour' to sort by: the list knows name, seen"));
  EXPECT_THAT(refused({{"sort", "secret"}}), HasSubstr("to sort by"));
  EXPECT_EQ(refused({{"state", "on,broken"}}), "state is one of on, off");
  EXPECT_EQ(refused({{"state", ""}}), "state is one of on, off");
  EXPECT_THAT(refused({{"format", "pdf"}}), HasSubstr("json, csv, xlsx"));
  EXPECT_THAT(refused({{"lang", "fr"}}), HasSubstr("en, zh"));
  EXPECT_THAT(refused({{"from", "yesterday"}}), HasSubstr("a time as"));
}

TEST(ListQuery, IsBounded) {
  EXPECT_EQ(refused({{"limit", "1001"}}), "limit is a whole number from 1 to 1000");
  for (const auto* limit : {"0", "-1", "7x", "", "99999999999999999999"}) refused({{"limit", limit}});
  refused({{"offset", "-1"}});
  refused({{"q", std::string(257, 'x')}});
  refused({{"sort", "name,name,name,name,name"}});
  http::Fields many;
  for (int n = 0; n < 101; ++n) many.emplace_back("name", std::to_string(n));
  refused(many);
  EXPECT_TRUE(parse({{"format", "csv"}, {"limit", "5000000"}}));
}

TEST(ListQuery, TakesFormatAndLanguageFromTheHeadersToo) {
  EXPECT_EQ(parse({}, {{"Accept", "text/csv"}})->format, ListFormat::kCsv);
  EXPECT_EQ(parse({}, {{"Accept", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}})->format,
            ListFormat::kXlsx);
  EXPECT_EQ(parse({{"format", "json"}}, {{"Accept", "text/csv"}})->format, ListFormat::kJson);
  EXPECT_EQ(parse({}, {{"Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8"}})->language, Language::kChinese);
  EXPECT_EQ(parse({}, {{"Accept-Language", "en-GB,zh;q=0.5"}})->language, Language::kEnglish);
  EXPECT_EQ(parse({{"lang", "en"}}, {{"Accept-Language", "zh"}})->language, Language::kEnglish);
}

}  // namespace
}  // namespace meterhub::console
