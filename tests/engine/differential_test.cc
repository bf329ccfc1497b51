// Random queries through the engine and the oracle: both must give the same rows. What the engine
// cannot run yet only has to compile and run through the oracle. METERHUB_SEED runs one seed,
// METERHUB_SEEDS that many; a failure prints the case as a golden file, with few events.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include <meterhub/engine/bounded.h>

#include "oracle/compare.h"
#include "oracle/random_query.h"

namespace meterhub::engine::oracle {
namespace {

constexpr std::uint64_t kSeeds = 400;

std::vector<std::uint64_t> seeds() {
  if (const char* const one = std::getenv("METERHUB_SEED")) return {std::strtoull(one, nullptr, 10)};
  const char* const count = std::getenv("METERHUB_SEEDS");
  std::vector<std::uint64_t> all(count == nullptr ? kSeeds : std::strtoull(count, nullptr, 10));
  for (std::uint64_t i = 0; i < all.size(); ++i) all[i] = i + 1;
  return all;
}

sql::Compiled compiled(const GoldenFile& golden) { return sql::compile(golden.query, compile_options(golden)); }

// Rows that are not results of their own events come when time has gone on.
class Rows final : public RowSink {
 public:
  explicit Rows(const sql::Plan& plan) : plan_(plan) {}
  void row(const OutputRow& row) override {
    std::string json;
    append_json(json, row);
    rows_.push_back({plan_.outputs[row.output], row.time, std::move(json)});
  }
  void dropped(const Dropped&) override {}
  std::vector<ResultRow> take() { return std::move(rows_); }

 private:
  const sql::Plan& plan_;
  std::vector<ResultRow> rows_;
};

bool engine_runs(const sql::Plan& plan) { return sql::unsupported(plan, engine::capabilities()).empty(); }

// The engine's rows, `batch` events at a time.
std::vector<ResultRow> engine_rows(const RandomCase& random, const GoldenFile& golden, std::size_t batch) {
  const auto options = run_options(golden);
  auto pipeline =
      Pipeline::create(compiled(golden).plan, {options.on_error, options.policies, false, to_timestamp(options.start)})
          .value();
  for (const auto& table : golden.references) {
    for (const auto& version : table.versions) {
      auto rows_of = std::make_shared<engine::ReferenceTable>();
      rows_of->rows = version.rows;
      pipeline->set_reference(table.name, version.start, std::move(rows_of));
    }
  }
  BoundedInputs inputs;
  for (const auto& [name, lines] : random.inputs) {
    pipeline->open(name, base::PartitionId(0));
    std::string text;
    for (const auto& line : lines) text += line + '\n';
    inputs.add(name, std::move(text));
  }
  const auto known = [&](const OrderedEvent& event) -> const InputEvent& {
    const auto input = std::ranges::find(golden.inputs, std::string(event.input), &InputEvents::name);
    return input->events[event.event.offset.value];
  };
  Rows rows(pipeline->plan());
  std::vector<Event> together;
  const auto events = options.policies ? inputs.by_arrival() : inputs.by_time(*pipeline);
  for (std::size_t i = 0; i < events.size(); ++i) {
    together.push_back(events[i].event);
    together.back().late = known(events[i]).late;
    together.back().partition = base::PartitionId(known(events[i]).partition);
    const bool goes_on = i + 1 < events.size() && events[i + 1].input == events[i].input && together.size() < batch;
    if (goes_on) continue;
    EXPECT_TRUE(pipeline->run(events[i].input, together, rows));
    together.clear();
  }
  EXPECT_TRUE(pipeline->finish(rows));
  return rows.take();
}

// The order of events' own rows within an output is that of arrival when policies apply.
void put_in_order(std::vector<ResultRow>& rows) { std::ranges::stable_sort(rows, {}, &ResultRow::time); }

GoldenFile golden_of(const RandomCase& random) { return parse_golden(golden_text(random)); }

// Empty: the engine gives what the oracle gives.
std::string engine_difference(const RandomCase& random, std::size_t batch) {
  const auto golden = golden_of(random);
  const auto expected = evaluate(compiled(golden).plan, golden.inputs, golden.references, run_options(golden));
  auto actual = engine_rows(random, golden, batch);
  if (run_options(golden).policies) put_in_order(actual);
  return difference(expected.rows, actual, random.rounded);
}

TEST(Differential, RandomQueriesCompileAndRunThroughTheOracle) {
  std::size_t rows = 0;
  std::size_t empty = 0;
  for (const auto seed : seeds()) {
    const auto random = random_case(seed);
    const auto golden = golden_of(random);
    const auto plan = compiled(golden);
    for (const auto& one : plan.diagnostics) {
      ASSERT_NE(one.severity, sql::Severity::kError) << one.code << ": " << one.message << '\n' << golden_text(random);
    }
    ASSERT_TRUE(sql::unsupported(plan.plan, capabilities()).empty()) << golden_text(random);
    const auto results = evaluate(plan.plan, golden.inputs, golden.references, run_options(golden));
    rows += results.rows.size();
    empty += results.rows.empty() ? 1 : 0;
  }
  RecordProperty("rows", std::to_string(rows));
  EXPECT_LT(empty, std::max<std::size_t>(1, seeds().size() / 10)) << "too many queries give nothing";
}

TEST(Differential, TheEngineGivesWhatTheOracleGives) {
  std::size_t compared = 0;
  for (const auto seed : seeds()) {
    const auto random = random_case(seed);
    if (!engine_runs(compiled(golden_of(random)).plan)) continue;
    ++compared;
    for (const std::size_t batch : {1U, 7U, 1000U}) {
      const auto wrong = engine_difference(random, batch);
      if (wrong.empty()) continue;
      const auto small =
          shrunk(random, [&](const RandomCase& less) { return !engine_difference(less, batch).empty(); });
      FAIL() << "seed " << seed << ", batches of " << batch << ": " << engine_difference(small, batch) << '\n'
             << golden_text(small);
    }
  }
  RecordProperty("compared", std::to_string(compared));
  const bool one_alone = std::getenv("METERHUB_SEED") != nullptr;
  EXPECT_TRUE(compared > 0 || one_alone);
}

// What no random query asks for is not checked: every feature, every aggregate and analytic
// function must turn up.
TEST(Differential, RandomQueriesCoverTheStatefulLanguage) {
  if (std::getenv("METERHUB_SEED") != nullptr) GTEST_SKIP() << "one seed alone";
  std::set<std::string> missing;
  const auto everything = sql::everything();
  for (const auto feature : everything.features) {
    if (feature != sql::Feature::kSubstream) missing.insert(std::string(sql::feature_name(feature)));
  }
  for (const auto& function : sql::functions()) {
    const bool anomaly = function.id == sql::FunctionId::kSpikeAndDip || function.id == sql::FunctionId::kChangePoint;
    const bool stateful =
        function.kind == sql::FunctionKind::kAggregate || function.kind == sql::FunctionKind::kAnalytic;
    if (stateful && !anomaly) missing.insert(std::string("function ") + std::string(function.name));
  }
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    for (const auto& one : sql::unsupported(compiled(golden_of(random_case(seed))).plan, {})) missing.erase(one.what);
  }
  EXPECT_TRUE(missing.empty()) << testing::PrintToString(missing);
}

TEST(Differential, ShrinkingKeepsWhatFails) {
  RandomCase random;
  random.inputs = {{"A", {"1", "2", "3", "4", "5", "6", "7"}}};
  const auto holds = [](const RandomCase& one, const char* line) {
    return std::ranges::find(one.inputs[0].second, line) != one.inputs[0].second.end();
  };
  const auto small = shrunk(random, [&](const RandomCase& less) { return holds(less, "2") && holds(less, "6"); });
  EXPECT_EQ(small.inputs[0].second, (std::vector<std::string>{"2", "6"}));
}

TEST(Compare, FindsRowsThatDiffer) {
  const std::vector<ResultRow> rows{{"a", 1, "{\"x\":1.5,\"s\":\"1.5\"}"}, {"a", 1, "{\"x\":2}"}, {"b", 0, "{}"}};
  EXPECT_EQ(difference(rows, {rows[1], rows[2], rows[0]}, false), "");
  EXPECT_NE(difference(rows, {rows[0], rows[2]}, false), "");
  EXPECT_NE(difference(rows, {rows[0], rows[1], rows[1], rows[2]}, false), "");
  EXPECT_NE(difference({{"a", 1, "{}"}, {"a", 2, "{}"}}, {{"a", 2, "{}"}, {"a", 1, "{}"}}, false), "");
}

TEST(Compare, LetsFloatsDifferInTheirLastDigitsWhereTold) {
  EXPECT_TRUE(same_json("{\"x\":0.30000000000000004}", "{\"x\":0.3}", true));
  EXPECT_FALSE(same_json("{\"x\":0.30000000000000004}", "{\"x\":0.3}", false));
  EXPECT_FALSE(same_json("{\"x\":0.31}", "{\"x\":0.3}", true));
  EXPECT_FALSE(same_json("{\"x\":3}", "{\"x\":3.0}", true));
  EXPECT_FALSE(same_json("{\"x\":\"0.30000000000000004\"}", "{\"x\":\"0.3\"}", true));
  EXPECT_FALSE(same_json("{\"x\":\"a\\\"\"}", "{\"x\":\"a\\\"\",\"y\":1}", true));
}

}  // namespace
}  // namespace meterhub::engine::oracle
