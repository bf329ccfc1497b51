// Which windows of a list are made from others, and that they take no rows themselves.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <meterhub/engine/pipeline.h>
#include <meterhub/sql/compile.h>

namespace meterhub::engine {
namespace {

sql::Plan plan_of(const std::string& windows) {
  sql::CompileOptions options;
  options.infer_inputs = true;
  return sql::compile("SELECT k, COUNT(*) AS n INTO out FROM input TIMESTAMP BY t GROUP BY k, " + windows, options).plan;
}

class Nothing final : public RowSink {
 public:
  void row(const OutputRow&) override {}
  void dropped(const Dropped& one) override { ADD_FAILURE() << one.text; }
};

std::vector<std::uint64_t> keys_of(const Pipeline& pipeline) {
  std::vector<std::uint64_t> out;
  for (const auto& one : pipeline.state_sizes()) out.push_back(one.keys);
  return out;
}

TEST(RollUp, IsOfWindowsThatLieWithinEachOther) {
  const auto kind = [](const std::string& windows) { return Pipeline::state_kind(plan_of(windows)); };
  EXPECT_EQ(kind("TumblingWindow(minute, 5)"), 0U);
  EXPECT_EQ(kind("Windows(TumblingWindow(minute, 5), TumblingWindow(hour, 1))"), 1U);
  EXPECT_EQ(kind("Windows(HoppingWindow(minute, 10, 5), TumblingWindow(minute, 5))"), 1U);
  EXPECT_EQ(kind("Windows(TumblingWindow(minute, 5), TumblingWindow(minute, 7))"), 0U);
  EXPECT_EQ(kind("Windows(TumblingWindow(minute, 5), TumblingWindow(Duration(hour, 1), Offset(minute, 1)))"), 0U);
  EXPECT_EQ(kind("Windows(TumblingWindow(minute, 5), SessionWindow(minute, 5, 60))"), 0U);
}

TEST(RollUp, TheLongerTakesWhatTheShorterGivesWhenItEnds) {
  PipelineOptions options;
  options.policies = false;
  options.sorted = true;
  const auto pipeline = Pipeline::create(plan_of("Windows(TumblingWindow(hour, 1), TumblingWindow(minute, 5))"), options).value();
  Nothing sink;
  const auto send = [&](const std::string& time) {
    const auto body = R"({"k":"a","t":"2026-01-01T)" + time + "Z\"}";
    Event event;
    event.body = body;
    ASSERT_TRUE(pipeline->run("input", std::vector<Event>{event}, sink));
  };
  send("00:01:00");
  send("00:02:00");
  EXPECT_EQ(keys_of(*pipeline), (std::vector<std::uint64_t>{0, 1}));
  send("00:06:00");
  send("00:07:00");
  EXPECT_EQ(keys_of(*pipeline), (std::vector<std::uint64_t>{1, 1}));
}

}  // namespace
}  // namespace meterhub::engine
