// The case study's statements over its document: our evaluator, and DuckDB's kernel on the same
// events (docs/decisions/0002-scalar-expressions.md). One thread; events a second of one core.
//   build/release/bench/engine/engine_bench
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <meterhub/duck/database.h>
#include <meterhub/engine/pipeline.h>

#include "json_reader.h"

namespace meterhub::engine {
namespace {

constexpr std::size_t kRows = 2048;
constexpr std::size_t kAlertEvery = 20;  // one meter in twenty is low

std::string document(std::size_t meter) {
  const bool low = meter % kAlertEvery == 0;
  const std::string left = low ? "3.584" : "979.171";
  const std::string eui = "ffffffffff" + std::to_string(100'000 + meter % 100'000);
  return R"({"originData":{"gw":null,"mote":null,"app":{"moteeui":")" + eui +
         R"(","dir":"up","userdata":{"seqno":0,"port":1,"payload":"AgEAD0JAAA7w4wAAUV0ABHYxLjA"},"motetx":{"freq":481.5,"mode":null,)"
         R"("datr":"SF12BW125","codr":"4/5","adr":false},"gwrx":[{"eui":"fffe020100000011","time":"2016-12-21T03:24:34Z",)"
         R"("timefromgateway":false,"chan":4,"rfch":0,"rssi":-13,"lsnr":9}]}},"userData":{"type":2,"code":1,"bought":1000.0,"left":)" +
         left + R"(,"used":20.829,"status":4,"version":"v1.0","time":"2016-12-21T03:24:34Z"}})";
}

// Documents and the events that look at them.
struct Batch {
  std::vector<std::string> bodies;
  std::vector<Event> events;

  Batch() {
    for (std::size_t i = 0; i < kRows; ++i) bodies.push_back(document(i));
    for (std::size_t i = 0; i < kRows; ++i) {
      Event event;
      event.body = bodies[i];
      event.arrival = base::Timestamp(std::chrono::seconds(1'482'290'674));
      event.offset = base::Offset(i);
      events.push_back(event);
    }
  }
};

const Batch& batch() {
  static const Batch made;
  return made;
}

sql::Plan plan_of(const std::vector<std::string>& queries) {
  std::string text;
  for (const auto& query : queries) {
    std::ifstream file(std::string(METERHUB_SOURCE_DIR) + "/queries/" + query);
    text += std::string(std::istreambuf_iterator<char>(file), {}) + "\n";
  }
  sql::CompileOptions options;
  options.infer_inputs = true;
  auto compiled = sql::compile(text, options);
  if (!compiled.ok()) std::abort();
  return std::move(compiled.plan);
}

class CountingSink final : public RowSink {
 public:
  void row(const OutputRow& row) override { columns += row.columns.size(); }
  void dropped(const Dropped&) override { std::abort(); }
  std::size_t columns = 0;
};

// A JSON object a line, as job 01's files have them.
class LinesSink final : public RowSink {
 public:
  void row(const OutputRow& row) override {
    for (const auto& column : row.columns) {
      text_ += columns == 0 ? '{' : ',';
      append_json_string(text_, column.name);
      text_ += ':';
      append_json(text_, column.value);
      ++columns;
    }
    text_ += "}\n";
    if (text_.size() > 1'000'000) text_.clear();
  }
  void dropped(const Dropped&) override { std::abort(); }
  std::size_t columns = 0;

 private:
  std::string text_;
};

template <class Sink>
void run_pipeline(benchmark::State& state, const std::vector<std::string>& queries) {
  auto pipeline = Pipeline::create(plan_of(queries), {});
  if (!pipeline) std::abort();
  Sink sink;
  for (auto _ : state) {
    if (!(*pipeline)->run("EventHubInput", batch().events, sink)) std::abort();
  }
  benchmark::DoNotOptimize(sink.columns);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows));
  state.SetLabel(std::to_string(batch().bodies.front().size()) + " bytes an event");
}

void archive(benchmark::State& state) { run_pipeline<CountingSink>(state, {"01-raw-archive.sql"}); }
void archive_lines(benchmark::State& state) { run_pipeline<LinesSink>(state, {"01-raw-archive.sql"}); }
void alert(benchmark::State& state) { run_pipeline<CountingSink>(state, {"02-low-balance-alert.sql"}); }
void both(benchmark::State& state) { run_pipeline<CountingSink>(state, {"01-raw-archive.sql", "02-low-balance-alert.sql"}); }

// What every way of running a query pays first: the nine paths out of the document.
void decode_only(benchmark::State& state) {
  const auto plan = plan_of({"01-raw-archive.sql"});
  const PathTree tree(plan.readers[0].paths);
  JsonReader reader;
  std::vector<Value> values;
  for (auto _ : state) {
    for (const auto& body : batch().bodies) {
      values.assign(plan.readers[0].paths.size(), Value::null());
      if (!reader.read(body, tree, values)) std::abort();
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows));
}

const std::vector<duck::Column> kColumns{{"eui", duck::Type::kVarchar},    {"time", duck::Type::kVarchar},   {"type", duck::Type::kBigint},
                                         {"code", duck::Type::kBigint},    {"bought", duck::Type::kDouble},  {"left_", duck::Type::kDouble},
                                         {"used", duck::Type::kDouble},    {"status", duck::Type::kBigint},  {"version", duck::Type::kVarchar}};

void append(duck::Batch& to, std::size_t column, const Value& value) {
  switch (value.kind) {
    case Kind::kBigint: to.append(column, value.integer); break;
    case Kind::kFloat: to.append(column, value.number); break;
    case Kind::kText: to.append_copy(column, value.text); break;
    default: to.append_null(column); break;
  }
}

void fill(duck::Batch& to, JsonReader& reader, const PathTree& tree, std::vector<Value>& values) {
  to.clear();
  for (const auto& body : batch().bodies) {
    values.assign(kColumns.size(), Value::null());
    if (!reader.read(body, tree, values)) std::abort();
    for (std::size_t column = 0; column < kColumns.size(); ++column) append(to, column, values[column]);
  }
}

// Takes every value of the result as a writer of rows would.
std::size_t read_out(duck::Rows& rows) {
  std::size_t seen = 0;
  while (const auto chunk = rows.next()) {
    for (std::size_t row = 0; row < chunk->rows(); ++row) {
      for (std::size_t column = 0; column < rows.columns().size(); ++column) {
        if (chunk->is_null(column, row)) continue;
        if (rows.columns()[column].type == duck::Type::kVarchar) seen += chunk->text(column, row).size();
        else ++seen;
      }
    }
  }
  return seen;
}

// The same nine columns, decoded by us, bound as a table, projected and filtered by DuckDB.
void duckdb(benchmark::State& state, const char* where, bool with_decode) {
  auto database = duck::Database::open({});
  auto connection = database->connect();
  auto source = connection->register_batch_source("events", kColumns);
  auto statement = connection->prepare(std::string("SELECT eui, time, type, code, bought, left_, used, status, version FROM events()") + where);
  if (!source || !statement) std::abort();
  const auto plan = plan_of({"01-raw-archive.sql"});
  const PathTree tree(plan.readers[0].paths);
  JsonReader reader;
  std::vector<Value> values;
  duck::Batch columns(kColumns);
  fill(columns, reader, tree, values);
  for (auto _ : state) {
    if (with_decode) fill(columns, reader, tree, values);
    source->bind(columns.view());
    auto rows = statement->execute();
    if (!rows) std::abort();
    benchmark::DoNotOptimize(read_out(*rows));
    source->clear();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows));
}

void duckdb_archive(benchmark::State& state) { duckdb(state, "", true); }
void duckdb_alert(benchmark::State& state) { duckdb(state, " WHERE left_ < 5.0", true); }
void duckdb_archive_kernel(benchmark::State& state) { duckdb(state, "", false); }
void duckdb_alert_kernel(benchmark::State& state) { duckdb(state, " WHERE left_ < 5.0", false); }

BENCHMARK(decode_only)->Unit(benchmark::kMicrosecond);
BENCHMARK(archive)->Unit(benchmark::kMicrosecond);
BENCHMARK(archive_lines)->Unit(benchmark::kMicrosecond);
BENCHMARK(alert)->Unit(benchmark::kMicrosecond);
BENCHMARK(both)->Unit(benchmark::kMicrosecond);
BENCHMARK(duckdb_archive)->Unit(benchmark::kMicrosecond);
BENCHMARK(duckdb_alert)->Unit(benchmark::kMicrosecond);
BENCHMARK(duckdb_archive_kernel)->Unit(benchmark::kMicrosecond);
BENCHMARK(duckdb_alert_kernel)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace meterhub::engine
