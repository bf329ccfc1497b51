// Each aggregate over rows that are written as JSON, one event a row; results as JSON.
#include "aggregates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <meterhub/sql/compile.h>

#include "json_reader.h"

namespace meterhub::engine {
namespace {

// A row's values, which outlive the row.
struct Row {
  std::vector<Value> args;
  std::vector<Value> order;
  std::string_view whole;

  AggregateInput input() const { return {args, order, whole}; }
};

// An aggregate as a query calls it, over input Input.
class Call {
 public:
  explicit Call(const std::string& call) {
    sql::CompileOptions options;
    options.infer_inputs = true;
    auto compiled = sql::compile("SELECT " + call + " AS r FROM Input GROUP BY TumblingWindow(minute, 5)", options);
    EXPECT_TRUE(compiled.ok()) << call << sql::diagnostics_json(compiled.diagnostics, "");
    plan_ = std::move(compiled.plan);
    aggregate_ = make_aggregate(bound());
  }

  const Aggregate& operator*() const { return *aggregate_; }
  const Aggregate* operator->() const { return aggregate_.get(); }
  Evaluator& evaluator() { return evaluator_; }

  Row row(const std::string& json) {
    const auto& reader = plan_.readers[0];
    const PathTree tree(reader.paths);
    std::vector<Value> values(reader.paths.size());
    EXPECT_TRUE(reader_.read(json, tree, values)) << json;
    Row out;
    out.whole = arena_.keep(json);
    const SourceRow source{values, out.whole, 0, nullptr};
    evaluator_.bind(std::span(&source, 1), 0);
    const auto id = bound().function->id;
    const bool constant = id == sql::FunctionId::kCollectTop || id == sql::FunctionId::kPercentileCont ||
                          id == sql::FunctionId::kPercentileDisc;
    for (std::size_t i = constant ? 1 : 0; i < bound().args.size(); ++i)
      out.args.push_back(keep(evaluator_.value(*bound().args[i]), arena_));
    for (const auto& key : bound().order) out.order.push_back(keep(evaluator_.value(*key.expr), arena_));
    evaluator_.bind({}, 0);
    return out;
  }

 private:
  const sql::AggregateCall& bound() const { return plan_.steps[0].branches[0].grouping->aggregates[0]; }

  sql::Plan plan_;
  std::unique_ptr<Aggregate> aggregate_;
  Arena arena_;
  Evaluator evaluator_{arena_, false};
  JsonReader reader_;
};

// A state and its end.
class State {
 public:
  explicit State(Call& call) : call_(call), words_(call->size() / 8) { call_->begin(bytes()); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { call_->end(bytes()); }

  std::byte* bytes() { return reinterpret_cast<std::byte*>(words_.data()); }
  bool add(const Row& row) { return call_->add(bytes(), row.input(), call_.evaluator()); }
  void remove(const Row& row) { call_->remove(bytes(), row.input(), call_.evaluator()); }
  void merge(State& later) { call_->merge(bytes(), later.bytes()); }
  std::string saved() {
    std::string out;
    call_->save(bytes(), out);
    return out;
  }
  bool load(std::string_view saved) {
    call_->end(bytes());
    Unpacker from(saved);
    return call_->load(bytes(), from) && from.done();
  }
  std::string result() {
    call_.evaluator().bind({}, 0);
    const auto value = call_->result(bytes(), call_.evaluator());
    if (!call_.evaluator().error().empty()) return "! " + call_.evaluator().error();
    std::string out;
    append_json(out, value);
    return out;
  }

 private:
  Call& call_;
  std::vector<std::uint64_t> words_;
};

using Rows = std::vector<std::string>;

// Rows that are refused are left out, as the engine does.
std::string over(const std::string& text, const Rows& rows) {
  Call call(text);
  State state(call);
  for (const auto& row : rows) state.add(call.row(row));
  return state.result();
}

// Events with one field x.
Rows xs(const std::vector<std::string>& values) {
  Rows rows;
  for (const auto& value : values) rows.push_back("{\"x\":" + value + "}");
  return rows;
}

struct Case {
  std::string call;
  std::vector<std::string> values;
  std::string result;
};

void expect_all(const std::vector<Case>& cases) {
  for (const auto& c : cases)
    EXPECT_EQ(over(c.call, xs(c.values)), c.result) << c.call << " of " << testing::PrintToString(c.values);
}

TEST(Count, CountsRowsValuesOrDifferentValues) {
  expect_all({{"COUNT(*)", {"1", "null", "1"}, "3"},
              {"COUNT(x)", {"1", "null", "1"}, "2"},
              {"COUNT(x)", {}, "0"},
              {"COUNT(x)", {"{}", "\"a\"", "[]", "true"}, "4"},
              {"COUNT(DISTINCT x)", {"1", "1.0", "1.00", "true", "\"1\"", "null", "2"}, "3"},
              {"COUNT(DISTINCT x)", {"\"a\"", "\"A\"", "\"a\""}, "2"},
              {"COUNT(DISTINCT x)", {"null"}, "0"},
              {"COUNT(DISTINCT Input)", {"1", "1", "2"}, "2"},
              {"COUNT(DISTINCT *)", {"1", "1", "2"}, "2"}});
}

TEST(Sum, IsBigintOfBigintsAndFloatWithOneFloat) {
  expect_all({{"SUM(x)", {"1", "2", "null"}, "3"},
              {"SUM(x)", {"1", "2.0"}, "3.0"},
              {"SUM(x)", {"\"20\"", "1"}, "21"},
              {"SUM(x)", {"\"0.5\"", "1"}, "1.5"},
              {"SUM(x)", {"true", "true", "false"}, "2"},
              {"SUM(x)", {}, "null"},
              {"SUM(x)", {"null", "null"}, "null"},
              {"SUM(x)", {"0.1", "0.2", "0.3"}, "0.6"},
              {"SUM(x)", {"1e300", "1.0", "-1e300"}, "1.0"},
              {"SUM(x)", {"9007199254740993", "0.5", "-0.5"}, "9.007199254740992e+15"}});
}

TEST(Sum, BeyondItsTypeIsADataErrorThoughNotOnTheWay) {
  expect_all({{"SUM(x)", {"9223372036854775807", "1"}, "! bigint overflow in SUM"},
              {"SUM(x)", {"9223372036854775807", "1", "-1"}, "9223372036854775807"},
              {"SUM(x)", {"-9223372036854775808", "-1"}, "! bigint overflow in SUM"},
              {"SUM(x)", {"1.7e308", "1.7e308"}, "! the result does not fit into a float"},
              {"SUM(x)", {"1.7e308", "1.7e308", "-1.7e308"}, "1.7e+308"}});
}

TEST(Average, IsAlwaysAFloatRoundedOnce) {
  expect_all({{"AVG(x)", {"1", "2"}, "1.5"},
              {"AVG(x)", {"2", "2", "null"}, "2.0"},
              {"AVG(x)", {"1", "1", "2"}, "1.3333333333333333"},
              {"AVG(x)", {"0.1", "0.1", "0.1"}, "0.1"},  // 0.1 + 0.1 + 0.1 is more than 0.3 when rounded on the way
              {"AVG(x)", {"9223372036854775807", "9223372036854775807"}, "9.223372036854776e+18"},
              {"AVG(x)", {"1.7e308", "1.7e308"}, "1.7e+308"},
              {"AVG(x)", {"null"}, "null"},
              {"AVG(x)", {"\"1.5\"", "2.5"}, "2.0"}});
}

TEST(Extremes, AreTheValueAsItCame) {
  expect_all({{"MIN(x)", {"979.171000", "979.172"}, "979.171000"},
              {"MAX(x)", {"979.171000", "979.1720000000000000"}, "979.1720000000000000"},
              {"MAX(x)", {"1", "2", "null"}, "2"},
              {"MIN(x)", {"null"}, "null"},
              {"MIN(x)", {}, "null"},
              {"MIN(x)", {"1.5", "1", "2"}, "1"},
              {"MAX(x)", {"9007199254740993", "9007199254740992.0"}, "9007199254740993"},
              {"MAX(x)", {"false", "true"}, "true"},
              {"MAX(CAST(x AS datetime))",
               {"\"2026-01-01\"", "\"2026-01-02T00:00:00+08:00\""},
               "\"2026-01-01T16:00:00.0000000Z\""}});
}

TEST(Extremes, OfEqualValuesAreThoseOfTheEarlierRow) {
  expect_all({{"MIN(x)", {"1.0", "1", "1.00"}, "1.0"}, {"MAX(x)", {"1", "1.0"}, "1"}});
}

TEST(Extremes, ReadTextAsAFloatUnlessItIsCast) {
  expect_all({{"MIN(x)", {"\"10\"", "\"9\""}, "9.0"},
              {"MAX(x)", {"\"10\"", "\"9\""}, "10.0"},
              {"MIN(CAST(x AS nvarchar(max)))", {"\"10\"", "\"9\""}, "\"10\""},
              {"MAX(CAST(x AS nvarchar(max)))", {"\"b\"", "\"B\"", "\"a\""}, "\"b\""},
              {"MAX(UPPER(x))", {"\"b\"", "\"c\""}, "\"C\""},
              {"MAX(CAST(x AS nvarchar(max)))",
               {"\"a text longer than there is room for\"", "\"a\""},
               "\"a text longer than there is room for\""}});
}

TEST(Deviation, IsOfASampleOrOfAll) {
  const std::vector<std::string> values{"2", "4", "4", "4", "5", "5", "7", "9", "null"};
  expect_all({{"STDEVP(x)", values, "2.0"},
              {"VARP(x)", values, "4.0"},
              {"VAR(x)", values, "4.571428571428571"},
              {"STDEV(x)", values, "2.138089935299395"},
              {"VAR(x)", {"5"}, "null"},
              {"STDEV(x)", {"5", "null"}, "null"},
              {"VARP(x)", {"5"}, "0.0"},
              {"STDEVP(x)", {"null"}, "null"},
              {"VAR(x)", {"1000000000000000.125", "1000000000000000.375", "1000000000000000.625"}, "0.0625"},
              {"VARP(x)", {"1e300", "-1e300"}, "! the result does not fit into a float"}});
}

TEST(Percentile, InterpolatesOrTakesAValue) {
  const std::vector<std::string> published{".98", ".93", ".78", ".99", ".89"};
  std::vector<std::string> values;
  for (const auto& value : published) values.push_back("0" + value);
  expect_all({{"PERCENTILE_CONT(0.95) OVER (ORDER BY x)", values, "0.988"},
              {"PERCENTILE_DISC(0.95) OVER (ORDER BY x)", values, "0.99"},
              {"PERCENTILE_CONT(0.5) OVER (ORDER BY x)", {"1", "2"}, "1.5"},
              {"PERCENTILE_DISC(0.5) OVER (ORDER BY x)", {"2", "1"}, "1"},
              {"PERCENTILE_DISC(0) OVER (ORDER BY x)", {"2", "1.5"}, "1.5"},
              {"PERCENTILE_DISC(1) OVER (ORDER BY x)", {"2", "1.5"}, "2"},
              {"PERCENTILE_CONT(0) OVER (ORDER BY x)", {"2", "1"}, "1.0"},
              {"PERCENTILE_CONT(1) OVER (ORDER BY x)", {"2", "null", "1"}, "2.0"},
              {"PERCENTILE_CONT(0.25) OVER (ORDER BY x DESC)", {"1", "2", "3", "4", "5"}, "4.0"},
              {"PERCENTILE_DISC(0.25) OVER (ORDER BY x DESC)", {"1", "2", "3", "4"}, "4"},
              {"PERCENTILE_DISC(0.5) OVER (ORDER BY x)", {"null"}, "null"},
              {"PERCENTILE_CONT(0.5) OVER (ORDER BY x)", {}, "null"},
              {"PERCENTILE_CONT(0.5) OVER (ORDER BY x)", {"-1.7e308", "1.7e308"}, "0.0"}});
}

TEST(Percentile, CountsRowsInDecimalSense) {
  std::vector<std::string> values;
  for (int i = 1; i <= 100; ++i) values.push_back(std::to_string(i));
  for (const auto* part : {"0.07", "0.14", "0.28", "0.29", "0.55", "0.56", "0.57", "0.58"}) {
    const auto wanted = std::to_string(std::lround(std::stod(part) * 100));
    EXPECT_EQ(over("PERCENTILE_DISC(" + std::string(part) + ") OVER (ORDER BY x)", xs(values)), wanted);
  }
}

TEST(Top, TakesTheFirstInTheOrderAndOfEqualsTheEarlier) {
  const Rows rows{R"({"m":"a","v":2,"t":1})", R"({"m":"b","v":3.50,"t":2})", R"({"m":"c","v":3.5,"t":3})",
                  R"({"m":"d","v":null,"t":4})"};
  EXPECT_EQ(over("TopOne() OVER (ORDER BY v DESC)", rows), R"({"m":"b","v":3.50,"t":2})");
  EXPECT_EQ(over("TopOne(v) OVER (ORDER BY v DESC)", rows), "3.50");
  EXPECT_EQ(over("TopOne(m) OVER (ORDER BY v DESC, t DESC)", rows), "\"c\"");
  EXPECT_EQ(over("TopOne(m) OVER (ORDER BY v)", rows), "\"d\"");  // NULL is the smallest
  EXPECT_EQ(over("TopOne(v) OVER (ORDER BY t DESC)", rows), "null");
  EXPECT_EQ(over("TopOne() OVER (ORDER BY v)", {}), "null");
  EXPECT_EQ(over("CollectTop(2) OVER (ORDER BY v DESC)", rows),
            R"([{"rank":1,"value":{"m":"b","v":3.50,"t":2}},{"rank":2,"value":{"m":"c","v":3.5,"t":3}}])");
  EXPECT_EQ(over("CollectTop(9, m) OVER (ORDER BY v)", rows),
            R"([{"rank":1,"value":"d"},{"rank":2,"value":"a"},{"rank":3,"value":"b"},{"rank":4,"value":"c"}])");
  EXPECT_EQ(over("CollectTop(1, v) OVER (ORDER BY t DESC)", rows), R"([{"rank":1,"value":null}])");
  EXPECT_EQ(over("CollectTop(3) OVER (ORDER BY v)", {}), "[]");
}

TEST(Top, OrdersNumbersExactlyAndBeforeTimes) {
  const std::vector<std::string> ordered{"null",
                                         "-1.7e308",
                                         "-9223372036854775808",
                                         "-9223372036854775807",
                                         "-0.5",
                                         "0",
                                         "5e-324",
                                         "true",
                                         "9007199254740992.0",
                                         "9007199254740993",
                                         "9223372036854775806",
                                         "9223372036854775807",
                                         "9223372036854775808.0",
                                         "1e300"};
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      const Rows rows{R"({"v":)" + ordered[i] + R"(,"n":0})", R"({"v":)" + ordered[j] + R"(,"n":1})"};
      EXPECT_EQ(over("TopOne(n) OVER (ORDER BY v)", rows), i <= j ? "0" : "1") << rows[0] << rows[1];
      EXPECT_EQ(over("TopOne(n) OVER (ORDER BY v DESC)", rows), i >= j ? "0" : "1") << rows[0] << rows[1];
    }
  }
  const Rows times{R"({"v":"2026-01-02","n":0})", R"({"v":"2026-01-01","n":1})"};
  EXPECT_EQ(over("TopOne(n) OVER (ORDER BY CAST(v AS datetime))", times), "1");
}

TEST(Collect, IsInOrderOfRowsWithoutNulls) {
  expect_all({{"Collect(x)", {"1.50", "null", "\"a\"", "[1]", "true"}, R"([1.50,"a",[1],true])"},
              {"Collect()", {"1", "null"}, R"([{"x":1},{"x":null}])"},
              {"Collect(x)", {"null"}, "[]"},
              {"Collect(x)", {"\"\"", "\"\""}, R"(["",""])"}});
}

// Without bound a window of large events would fill the memory.
TEST(Collect, OfTooMuchIsADataErrorAndKeepsNothing) {
  Call call("Collect(x)");
  const auto row = call.row("{\"x\":\"" + std::string(1 << 20, 'a') + "\"}");
  State state(call);
  State half(call);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(state.add(row));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(half.add(row));
  EXPECT_TRUE(state.result().contains("more than 16 MiB"));
  EXPECT_EQ(call->heap_bytes(state.bytes()), 0u);
  EXPECT_GT(call->heap_bytes(half.bytes()), std::size_t{10} << 20);
  State merged(call);
  merged.merge(half);
  merged.merge(half);
  EXPECT_EQ(merged.saved(), state.saved());
  State loaded(call);
  ASSERT_TRUE(loaded.load(state.saved()));
  EXPECT_TRUE(loaded.result().contains("more than 16 MiB"));
}

TEST(Aggregates, RefuseWhatTheyCannotTakeAndStayAsTheyWere) {
  struct Bad {
    const char* call;
    const char* row;
    const char* error;
  };
  for (const auto& bad : {Bad{"SUM(x)", R"({"x":"abc"})", "'abc' is not a number"},
                          Bad{"AVG(x)", R"({"x":{}})", "a record is not a number"},
                          Bad{"VAR(x)", R"({"x":[]})", "a array is not a number"},
                          Bad{"MIN(x)", R"({"x":"abc"})", "cannot convert nvarchar(max) 'abc' to float"},
                          Bad{"MAX(x)", R"({"x":{}})", "MIN and MAX of a record"},
                          Bad{"PERCENTILE_DISC(0.5) OVER (ORDER BY x)", R"({"x":"abc"})", "'abc' is not a number"},
                          Bad{"TopOne() OVER (ORDER BY x)", R"({"x":"5"})",
                              "TopOne orders by bigint, float and datetime, not by nvarchar(max)"},
                          Bad{"CollectTop(3) OVER (ORDER BY x)", R"({"x":[]})",
                              "CollectTop orders by bigint, float and datetime, not by array"}}) {
    Call call(bad.call);
    State state(call);
    ASSERT_TRUE(state.add(call.row(R"({"x":1})")));
    const auto before = state.saved();
    const auto row = call.row(bad.row);
    EXPECT_FALSE(state.add(row)) << bad.call;
    EXPECT_EQ(call.evaluator().error(), bad.error);
    EXPECT_EQ(state.saved(), before) << bad.call;
  }
}

// A million groups in bounded memory: these sizes are what `sql explain` predicts with.
TEST(Aggregates, HaveSmallStates) {
  EXPECT_EQ(Call("COUNT(*)")->size(), 8u);
  EXPECT_EQ(Call("COUNT(DISTINCT x)")->size(), 16u);
  EXPECT_EQ(Call("SUM(x)")->size(), 40u);
  EXPECT_EQ(Call("AVG(x)")->size(), 32u);
  EXPECT_EQ(Call("MIN(x)")->size(), 24u);
  EXPECT_EQ(Call("VAR(x)")->size(), 64u);
  EXPECT_EQ(Call("TopOne() OVER (ORDER BY x)")->size(), 8u);
  EXPECT_EQ(Call("CollectTop(5) OVER (ORDER BY x)")->size(), 8u);
  EXPECT_EQ(Call("Collect()")->size(), 16u);
  EXPECT_EQ(Call("PERCENTILE_CONT(0.5) OVER (ORDER BY x)")->size(), 8u);
}

TEST(Aggregates, TakeNothingOutsideTheirStateForUsualReadings) {
  for (const auto* text : {"COUNT(*)", "SUM(x)", "AVG(x)", "STDEV(x)", "MIN(x)", "MAX(x)"}) {
    Call call(text);
    State state(call);
    for (const auto* reading : {"979.171000", "979.1713", "0.0003", "100000000", "12"})
      state.add(call.row(R"({"x":)" + std::string(reading) + "}"));
    EXPECT_EQ(call->heap_bytes(state.bytes()), 0u) << text;
  }
}

// ---- what holds for every aggregate, over random rows ----

const std::vector<std::string> kCalls{"COUNT(*)",
                                      "COUNT(x)",
                                      "COUNT(DISTINCT x)",
                                      "COUNT(DISTINCT Input)",
                                      "SUM(x)",
                                      "AVG(x)",
                                      "MIN(x)",
                                      "MAX(x)",
                                      "MIN(CAST(x AS nvarchar(max)))",
                                      "STDEV(x)",
                                      "STDEVP(x)",
                                      "VAR(x)",
                                      "VARP(x)",
                                      "TopOne() OVER (ORDER BY x DESC)",
                                      "TopOne(x) OVER (ORDER BY y, x DESC)",
                                      "CollectTop(3) OVER (ORDER BY x)",
                                      "CollectTop(4, y) OVER (ORDER BY x DESC, y)",
                                      "Collect()",
                                      "Collect(x)",
                                      "PERCENTILE_CONT(0.3) OVER (ORDER BY x)",
                                      "PERCENTILE_DISC(0.7) OVER (ORDER BY x)"};

std::string random_value(std::mt19937_64& random) {
  static const std::vector<std::string> kSpecial{"null",
                                                 "true",
                                                 "\"7\"",
                                                 "\"0.5\"",
                                                 "1.50",
                                                 "1.5",
                                                 "5e-324",
                                                 "1.7e308",
                                                 "-1.7e308",
                                                 "9223372036854775807",
                                                 "-9223372036854775808",
                                                 "0",
                                                 "-0.0",
                                                 "\"not a number\"",
                                                 "[1]",
                                                 "\"2026-01-01\""};
  switch (random() % 4) {
    case 0: return kSpecial[random() % kSpecial.size()];
    case 1: return std::to_string(random() % 10);
    case 2: return std::to_string(random() % 3) + "." + std::to_string(random() % 100'000);
    default: return std::to_string(static_cast<std::int64_t>(random()) >> (random() % 64));
  }
}

std::vector<Row> random_rows(Call& call, std::mt19937_64& random) {
  std::vector<Row> rows;
  for (auto left = random() % 40; left > 0; --left) {
    rows.push_back(call.row("{\"x\":" + random_value(random) + ",\"y\":" + std::to_string(random() % 3) + "}"));
  }
  return rows;
}

class EveryAggregate : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Calls, EveryAggregate, testing::ValuesIn(kCalls),
                         [](const auto& one) { return std::to_string(one.index); });

TEST_P(EveryAggregate, MergedFromAnyPartsIsAsAllAdded) {
  Call call(GetParam());
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    State all(call);
    State merged(call);
    auto part = std::make_unique<State>(call);
    for (const auto& row : random_rows(call, random)) {
      ASSERT_EQ(all.add(row), part->add(row));
      if (random() % 4 != 0) continue;
      const auto before = part->saved();
      merged.merge(*part);
      ASSERT_EQ(part->saved(), before);
      part = std::make_unique<State>(call);
    }
    merged.merge(*part);
    ASSERT_EQ(merged.saved(), all.saved()) << "seed " << seed;
    ASSERT_EQ(merged.result(), all.result()) << "seed " << seed;
  }
}

TEST_P(EveryAggregate, IsAsBeforeWhenRowsAreTakenBack) {
  Call call(GetParam());
  if (!call->removable()) return;  // MIN and MAX, TopOne, CollectTop, Collect
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    State state(call);
    for (const auto& row : random_rows(call, random)) state.add(row);
    const auto before = state.saved();
    const auto result = state.result();
    std::vector<Row> added;
    for (const auto& row : random_rows(call, random)) {
      if (state.add(row)) added.push_back(row);
    }
    state.result();
    std::ranges::shuffle(added, random);
    for (const auto& row : added) state.remove(row);
    ASSERT_EQ(state.saved(), before) << "seed " << seed;
    ASSERT_EQ(state.result(), result) << "seed " << seed;
  }
}

TEST_P(EveryAggregate, GoesOnFromItsSavedState) {
  Call call(GetParam());
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    State state(call);
    for (const auto& row : random_rows(call, random)) state.add(row);
    State loaded(call);
    ASSERT_TRUE(loaded.load(state.saved()));
    ASSERT_EQ(loaded.saved(), state.saved());
    ASSERT_EQ(loaded.result(), state.result());
    for (const auto& row : random_rows(call, random)) ASSERT_EQ(loaded.add(row), state.add(row));
    ASSERT_EQ(loaded.saved(), state.saved());
    ASSERT_EQ(loaded.result(), state.result());
  }
}

TEST_P(EveryAggregate, MayBeMovedAsBytes) {
  Call call(GetParam());
  std::mt19937_64 random(5);
  const auto rows = random_rows(call, random);
  State state(call);
  State other(call);
  call->end(other.bytes());
  for (const auto& row : rows) state.add(row);
  const auto before = state.saved();
  std::memcpy(other.bytes(), state.bytes(), call->size());
  std::memset(state.bytes(), 0xAA, call->size());
  EXPECT_EQ(other.saved(), before);
  for (const auto& row : rows) other.add(row);
  call->begin(state.bytes());
  for (int twice = 0; twice < 2; ++twice) {
    for (const auto& row : rows) state.add(row);
  }
  EXPECT_EQ(other.saved(), state.saved());
}

TEST_P(EveryAggregate, IsEmptyAfterBytesThatAreNotItsOwn) {
  Call call(GetParam());
  State empty(call);
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    State state(call);
    for (const auto& row : random_rows(call, random)) state.add(row);
    const auto saved = state.saved();
    for (std::size_t size = 0; size < saved.size(); ++size) {
      Unpacker from(std::string_view(saved).substr(0, size));
      call->end(state.bytes());
      const bool good = call->load(state.bytes(), from);
      ASSERT_FALSE(good) << size << " of " << saved.size();
      ASSERT_EQ(state.saved(), empty.saved());
    }
    auto damaged = saved;
    for (auto& byte : damaged) byte = random() % 8 == 0 ? static_cast<char>(random()) : byte;
    if (state.load(damaged)) state.result();
    for (const auto& row : random_rows(call, random)) state.add(row);
    state.result();
    empty.merge(state);
    State fresh(call);
    if (empty.load(fresh.saved())) continue;
    FAIL();
  }
}

}  // namespace
}  // namespace meterhub::engine
