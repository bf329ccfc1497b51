// meterhub sql test: a query over files of JSON lines, results on stdout (stream-sql 12).
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/base/settings.h>
#include <meterhub/engine/bounded.h>
#include <meterhub/engine/pipeline.h>

#include "commands.h"
#include "reference_file.h"
#include "sql_query.h"

namespace meterhub::app {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongQuery = 2;
constexpr int kRunTimeFailure = 3;

struct TestArguments {
  std::string query;
  std::vector<std::string> inputs;
  std::vector<std::string> references;
  std::string late;
  std::string out_of_order;
  std::string on_disorder;
  std::string on_error = "fail";
  bool strict_aliases = false;

  bool by_arrival() const { return !late.empty() || !out_of_order.empty() || !on_disorder.empty(); }
};

struct InputFile {
  std::string name;  // empty: the query's only input
  std::string path;
};

InputFile input_file(const std::string& argument) {
  const auto equals = argument.find('=');
  if (equals == std::string::npos) return {{}, argument};
  return {argument.substr(0, equals), argument.substr(equals + 1)};
}

base::Result<std::vector<InputFile>> input_files(const TestArguments& arguments) {
  std::vector<InputFile> files;
  files.reserve(arguments.inputs.size());
  for (const auto& argument : arguments.inputs) files.push_back(input_file(argument));
  for (const auto& file : files) {
    if (file.name.empty() && files.size() > 1) {
      return base::fail(base::Errc::kInvalidArgument,
                        "with several --input each is written NAME=FILE: '" + file.path + "' has no name");
    }
  }
  return files;
}

base::Result<sql::Ticks> ticks_of(const std::string& text, sql::Ticks otherwise) {
  if (text.empty()) return otherwise;
  const auto duration = MH_TRY(base::parse_duration(text));
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count() * 10;
}

base::Result<sql::CompileOptions> compile_options(const TestArguments& arguments, const std::vector<InputFile>& files) {
  sql::CompileOptions options;
  for (const auto& file : files) {
    if (!file.name.empty())
      options.inputs.push_back({file.name, sql::InputKind::kStream, {}, sql::InputMetadata::kEventHub, false});
  }
  options.infer_inputs = options.inputs.empty();
  for (const auto& argument : arguments.references) {
    const auto file = input_file(argument);
    if (file.name.empty())
      return base::fail(base::Errc::kInvalidArgument,
                        "--reference is written NAME=FILE: '" + file.path + "' has no name");
    options.inputs.push_back({file.name, sql::InputKind::kReference, {}, sql::InputMetadata::kNone, false});
  }
  options.inferred_metadata = sql::InputMetadata::kEventHub;
  if (arguments.strict_aliases) options.alias_scope = sql::AliasScope::kStrict;
  options.policy.late_arrival = MH_TRY(ticks_of(arguments.late, options.policy.late_arrival));
  options.policy.out_of_order = MH_TRY(ticks_of(arguments.out_of_order, options.policy.out_of_order));
  if (arguments.on_disorder == "drop") options.policy.action = sql::DisorderAction::kDrop;
  return options;
}

// The input that a file without a name belongs to.
base::Result<std::string> only_input(const sql::Plan& plan) {
  std::set<std::string> names;
  for (const auto& reader : plan.readers) names.insert(reader.input);
  if (names.size() == 1) return *names.begin();
  std::string text = "the query reads";
  for (const auto& name : names) text += " " + name;
  return base::fail(base::Errc::kInvalidArgument, text + ": say which file is which with --input NAME=FILE");
}

base::Result<std::string> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) text.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || file.bad())
    return base::fail(base::Errc::kNotFound, "cannot read the input '" + path + "': " + std::strerror(errno));
  return text;
}

base::Result<engine::BoundedInputs> read_inputs(std::vector<InputFile> files, const sql::Plan& plan) {
  engine::BoundedInputs inputs;
  for (auto& file : files) {
    if (file.name.empty()) file.name = MH_TRY(only_input(plan));
    inputs.add(file.name, MH_TRY(read_all(file.path)));
  }
  return inputs;
}

engine::PipelineOptions run_options(const TestArguments& arguments) {
  engine::PipelineOptions options;
  options.policies = arguments.by_arrival();
  options.sorted = true;
  options.start = base::SystemClock().now();
  options.on_runtime_error = engine::OnRuntimeError::kFail;
  if (arguments.on_error == "drop") options.on_runtime_error = engine::OnRuntimeError::kDropEvent;
  if (arguments.on_error == "null") options.on_runtime_error = engine::OnRuntimeError::kNull;
  return options;
}

// Rows on stdout, events left out on stderr.
class Printer final : public engine::RowSink {
 public:
  explicit Printer(const sql::Plan& plan) : plan_(plan) {}

  // Lines of each input, by the number of the event: what errors name.
  void at(const engine::OrderedEvent& event) {
    auto& lines = lines_[std::string(event.input)];
    lines.resize(std::max<std::size_t>(lines.size(), event.event.offset.value + 1));
    lines[event.event.offset.value] = event.line;
  }

  void row(const engine::OutputRow& row) override {
    text_ = "{\"output\":";
    engine::append_json_string(text_, plan_.outputs[row.output]);
    text_ += ",\"event\":";
    engine::append_json(text_, row);
    text_ += "}\n";
    std::cout << text_;
  }

  void dropped(const engine::Dropped& dropped) override {
    const auto reason = engine::drop_reason_name(dropped.reason);
    const std::string input(dropped.input.empty() ? "a window" : dropped.input);
    std::cerr << input << line_of(dropped.input, dropped.offset) << ": " << reason << ": " << dropped.text << '\n';
    ++counts_[input + ": " + std::string(reason)];
  }

  void summary() const {
    for (const auto& [what, count] : counts_) std::cerr << "left out of " << what << ' ' << count << '\n';
  }

  // " line 3"; empty for what is no event of a file.
  std::string line_of(std::string_view input, base::Offset offset) const {
    const auto lines = lines_.find(std::string(input));
    if (lines == lines_.end() || offset.value >= lines->second.size()) return {};
    return " line " + std::to_string(lines->second[offset.value]);
  }

 private:
  const sql::Plan& plan_;
  std::map<std::string, std::vector<std::size_t>> lines_;
  std::string text_;
  std::map<std::string, std::uint64_t> counts_;
};

base::Result<void> run_events(engine::Pipeline& pipeline, const std::vector<engine::OrderedEvent>& events) {
  Printer printer(pipeline.plan());
  base::Result<void> done;
  for (const auto& reader : pipeline.plan().readers) pipeline.open(reader.input, base::PartitionId(0));
  for (const auto& ordered : events) {
    printer.at(ordered);
    done = pipeline.run(ordered.input, std::span(&ordered.event, 1), printer);
    if (!done) break;
  }
  if (done) done = pipeline.finish(printer);
  const auto& stopped = pipeline.stopped_at();
  if (!done && !stopped.input.empty())
    done.error().text = stopped.input + printer.line_of(stopped.input, stopped.offset) + ": " + done.error().text;
  printer.summary();
  return done;
}

int failed(const base::Error& error, int code) {
  std::cerr << "meterhub: " << error.text << '\n';
  return code;
}

int run_test(const TestArguments& arguments) {
  auto files = input_files(arguments);
  if (!files) return failed(files.error(), kWrongQuery);
  const auto options = compile_options(arguments, *files);
  if (!options) return failed(options.error(), kWrongQuery);
  auto compiled = compile_query(arguments.query, *options);
  if (!compiled) return failed(compiled.error(), kWrongQuery);
  if (!compiled->ok()) return kWrongQuery;
  auto pipeline = engine::Pipeline::create(std::move(compiled->plan), run_options(arguments));
  if (!pipeline) return failed(pipeline.error(), kWrongQuery);
  for (const auto& argument : arguments.references) {
    const auto file = input_file(argument);
    auto table = read_reference(file.path);
    if (!table) return failed(table.error(), kFailed);
    (*pipeline)->set_reference(file.name, 0, std::move(*table));
  }
  const auto inputs = read_inputs(std::move(*files), (*pipeline)->plan());
  if (!inputs) return failed(inputs.error(), kFailed);
  const auto done = run_events(**pipeline, arguments.by_arrival() ? inputs->by_arrival() : inputs->by_time(**pipeline));
  return done ? 0 : failed(done.error(), kRunTimeFailure);
}

}  // namespace

void add_sql_test(CLI::App& sql, Exit& exit) {
  const auto arguments = std::make_shared<TestArguments>();
  CLI::App* test = sql.add_subcommand(
      "test",
      "Run a query over files: one JSON object a result row; exit code 2 for a wrong query, 3 for a run-time failure");
  test->add_option("--query", arguments->query, "File with the query")->required();
  test->add_option("--input", arguments->inputs,
                   "NAME=FILE of JSON lines in order of arrival; NAME= may be left out for the only input")
      ->required();
  test->add_option(
      "--reference", arguments->references,
      "NAME=FILE of reference data: CSV with a header line (all values text), or JSON lines in a file that ends with .jsonl");
  test->add_option("--late", arguments->late, "Late arrival tolerance, as 5s (then events run in order of arrival)");
  test->add_option("--out-of-order", arguments->out_of_order,
                   "Out-of-order tolerance, as 0s (then events run in order of arrival)");
  test->add_option("--on-disorder", arguments->on_disorder, "adjust or drop events beyond the tolerances")
      ->check(CLI::IsMember({"adjust", "drop"}));
  test->add_option("--on-error", arguments->on_error,
                   "When a row's value cannot be computed: fail, drop the row, or null")
      ->check(CLI::IsMember({"drop", "null", "fail"}));
  test->add_flag("--strict-aliases", arguments->strict_aliases,
                 "WHERE, GROUP BY and HAVING do not see the aliases of SELECT");
  test->callback([arguments, &exit] { exit.code = run_test(*arguments); });
}

}  // namespace meterhub::app
