// OVER (LIMIT DURATION) of keys with few and with many rows.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>

#include <fmt/format.h>

#include <meterhub/engine/bounded.h>
#include <meterhub/engine/pipeline.h>
#include <meterhub/sql/compile.h>

namespace meterhub::engine {
namespace {

constexpr std::string_view kQuery = R"SQL(
SELECT id, COUNT(x) OVER (PARTITION BY id LIMIT DURATION(minute, 20)) AS Rows,
    SUM(x) OVER (PARTITION BY id LIMIT DURATION(minute, 20)) AS Sum,
    MAX(x) OVER (PARTITION BY id LIMIT DURATION(minute, 20)) AS Most
INTO out FROM input TIMESTAMP BY t
)SQL";
constexpr int kSeconds = 20 * 60;

class Rows final : public RowSink {
 public:
  void row(const OutputRow& row) override {
    append_json(text, row);
    text += '\n';
  }
  void dropped(const Dropped& one) override { ADD_FAILURE() << one.text; }
  std::string text;
};

std::unique_ptr<Pipeline> pipeline() {
  sql::CompileOptions options;
  options.infer_inputs = true;
  PipelineOptions run;
  run.policies = false;
  run.sorted = true;
  return Pipeline::create(sql::compile(kQuery, options).plan, run).value();
}

struct Reading {
  int second = 0;
  int id = 0;
  int x = 0;
};

// Key 0 has one a second for half an hour, pauses, and goes on slowly: its history grows large and
// shrinks. The others have one now and then.
std::vector<Reading> readings() {
  std::vector<Reading> out;
  std::mt19937_64 random(31);
  for (int second = 0; second < 5'000; ++second) {
    const bool slow = second > 1'800;
    if (!slow || (second > 2'700 && second % 60 == 0)) out.push_back({second, 0, static_cast<int>(random() % 1'000'000)});
    if (second % 97 == 0) out.push_back({second, static_cast<int>(1 + random() % 3), static_cast<int>(random() % 50)});
  }
  return out;
}

void feed(Pipeline& to, const std::vector<Reading>& all, std::size_t from, std::size_t end, RowSink& rows) {
  for (auto i = from; i < end; ++i) {
    const auto& one = all[i];
    const auto body = fmt::format(R"({{"id":{},"x":{},"t":"2026-11-26T{:02}:{:02}:{:02}Z"}})", one.id, one.x, 8 + one.second / 3600, one.second / 60 % 60, one.second % 60);
    Event event;
    event.body = body;
    event.offset = base::Offset(i);
    ASSERT_TRUE(to.run("input", std::vector<Event>{event}, rows));
  }
}

std::string expected(const std::vector<Reading>& all) {
  std::string out;
  std::map<int, std::deque<Reading>> recent;
  for (const auto& one : all) {
    auto& rows = recent[one.id];
    rows.push_back(one);
    while (rows.front().second <= one.second - kSeconds) rows.pop_front();
    std::int64_t sum = 0;
    int most = 0;
    for (const auto& row : rows) {
      sum += row.x;
      most = std::max(most, row.x);
    }
    out += fmt::format("{{\"id\":{},\"Rows\":{},\"Sum\":{},\"Most\":{}}}\n", one.id, rows.size(), sum, most);
  }
  return out;
}

TEST(RecentHistories, GrowLargeAndSmallAgain) {
  const auto all = readings();
  Rows rows;
  const auto one = pipeline();
  feed(*one, all, 0, all.size(), rows);
  ASSERT_TRUE(one->finish(rows));
  EXPECT_EQ(rows.text, expected(all));
}

TEST(RecentHistories, AreSavedWhileTheyAreLarge) {
  const auto all = readings();
  Rows rows;
  const auto before = pipeline();
  feed(*before, all, 0, 1'500, rows);
  const auto after = pipeline();
  before->begin_checkpoint();
  while (auto piece = before->next_piece()) ASSERT_TRUE(after->restore_piece(*piece));
  ASSERT_TRUE(after->restored());
  feed(*after, all, 1'500, all.size(), rows);
  ASSERT_TRUE(after->finish(rows));
  EXPECT_EQ(rows.text, expected(all));
}

}  // namespace
}  // namespace meterhub::engine
