// Random queries through the engine and the oracle: both must give the same rows. What the engine
// cannot run yet only has to compile and run through the oracle. METERHUB_SEED runs one seed,
// METERHUB_SEEDS that many; a failure prints the case as a golden file, with few events.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
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
  explicit Rows(const sql::Plan& plan) : outputs_(plan.outputs) {}
  void row(const OutputRow& row) override {
    std::string json;
    append_json(json, row);
    rows_.push_back({outputs_[row.output], row.time, std::move(json)});
  }
  void dropped(const Dropped&) override {}
  std::vector<ResultRow> take() { return std::move(rows_); }

 private:
  const std::vector<std::string> outputs_;
  std::vector<ResultRow> rows_;
};

bool engine_runs(const sql::Plan& plan) { return sql::unsupported(plan, engine::capabilities()).empty(); }

// A case through the engine.
class EngineRun {
 public:
  EngineRun(const RandomCase& random, const GoldenFile& golden) : golden_(golden), options_(run_options(golden)) {
    for (const auto& [name, lines] : random.inputs) {
      std::string text;
      for (const auto& line : lines) text += line + '\n';
      inputs_.add(name, std::move(text));
    }
    const auto pipeline = make();
    events_ = options_.policies ? inputs_.by_arrival() : inputs_.by_time(*pipeline);
    for (auto& event : events_) {
      const auto input = std::ranges::find(golden.inputs, std::string(event.input), &InputEvents::name);
      const auto& known = input->events[event.event.offset.value];
      event.event.late = known.late;
      event.event.partition = base::PartitionId(known.partition);
    }
  }

  // With every partition open that has events. `sorted`: what has state does not wait for the end.
  std::unique_ptr<Pipeline> make(bool sorted = false) const {
    auto pipeline = Pipeline::create(compiled(golden_).plan, {options_.on_error, options_.policies, sorted, to_timestamp(options_.start)}).value();
    for (const auto& table : golden_.references) {
      for (const auto& version : table.versions) {
        auto rows = std::make_shared<engine::ReferenceTable>();
        rows->rows = version.rows;
        pipeline->set_reference(table.name, version.start, std::move(rows));
      }
    }
    for (const auto& event : events_) pipeline->open(event.input, event.event.partition);
    return pipeline;
  }

  std::size_t size() const { return events_.size(); }
  bool one_partition() const {
    return std::ranges::all_of(events_, [](const OrderedEvent& event) { return event.event.partition.value == 0; });
  }

  // Events [from, to), `batch` of an input at a time.
  void run(Pipeline& pipeline, std::size_t from, std::size_t to, std::size_t batch, RowSink& rows) const {
    std::vector<Event> together;
    for (auto i = from; i < to; ++i) {
      together.push_back(events_[i].event);
      const bool goes_on = i + 1 < to && events_[i + 1].input == events_[i].input && together.size() < batch;
      if (goes_on) continue;
      EXPECT_TRUE(pipeline.run(events_[i].input, together, rows));
      together.clear();
    }
  }

 private:
  const GoldenFile& golden_;
  const Options options_;
  BoundedInputs inputs_;
  std::vector<OrderedEvent> events_;
};

// The engine's rows, `batch` events at a time.
std::vector<ResultRow> engine_rows(const RandomCase& random, const GoldenFile& golden, std::size_t batch) {
  const EngineRun run(random, golden);
  const auto pipeline = run.make();
  Rows rows(pipeline->plan());
  run.run(*pipeline, 0, run.size(), batch, rows);
  EXPECT_TRUE(pipeline->finish(rows));
  return rows.take();
}

// The rows of a run that dies after a checkpoint, and goes on from it: those before its barrier, then
// those of another pipeline. The checkpoint is taken in pieces while more events come.
std::vector<ResultRow> rows_over_a_restart(const RandomCase& random, const GoldenFile& golden, std::mt19937_64& dice) {
  const EngineRun run(random, golden);
  const bool sorted = run.one_partition();
  auto pipeline = run.make(sorted);
  Rows rows(pipeline->plan());
  const auto barrier = dice() % (run.size() + 1);
  run.run(*pipeline, 0, barrier, 3, rows);
  pipeline->begin_checkpoint();
  Rows lost(pipeline->plan());
  std::vector<CheckpointPiece> pieces;
  for (auto i = barrier; i < run.size() && dice() % 8 != 0; ++i) {
    run.run(*pipeline, i, i + 1, 1, lost);
    auto piece = dice() % 3 == 0 ? pipeline->next_piece() : std::nullopt;
    if (piece) pieces.push_back(std::move(*piece));
  }
  while (auto piece = pipeline->next_piece()) pieces.push_back(std::move(*piece));
  std::ranges::shuffle(pieces, dice);
  pipeline = run.make(sorted);
  for (const auto& piece : pieces) EXPECT_TRUE(pipeline->restore_piece(piece));
  EXPECT_TRUE(pipeline->restored());
  run.run(*pipeline, barrier, run.size(), 3, rows);
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

TEST(Differential, ARestartFromACheckpointDoesNotShow) {
  std::size_t kept = 0;
  for (const auto seed : seeds()) {
    const auto random = random_case(seed);
    const auto golden = golden_of(random);
    std::mt19937_64 dice(seed);
    const auto expected = evaluate(compiled(golden).plan, golden.inputs, golden.references, run_options(golden));
    for (int i = 0; i < 3; ++i) {
      auto actual = rows_over_a_restart(random, golden, dice);
      put_in_order(actual);
      const auto wrong = difference(expected.rows, actual, random.rounded);
      ASSERT_EQ(wrong, "") << "seed " << seed << ", restart " << i << '\n' << golden_text(random);
    }
    ++kept;
  }
  EXPECT_GT(kept, 0U);
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
    const bool stateful =
        function.kind == sql::FunctionKind::kAggregate || function.kind == sql::FunctionKind::kAnalytic;
    if (stateful) missing.insert(std::string("function ") + std::string(function.name));
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
