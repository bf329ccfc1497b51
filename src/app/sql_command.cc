// meterhub sql check | explain | test | functions (stream-sql 12).
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/engine/pipeline.h>
#include <meterhub/sql/compile.h>

#include "commands.h"
#include "sql_forecast.h"
#include "sql_query.h"

namespace meterhub::app {
namespace {

constexpr int kCompileError = 2;

struct SqlArguments {
  std::string query;
  std::vector<std::string> inputs;
  std::vector<std::string> references;
  std::vector<std::string> outputs;
  bool strict_aliases = false;
  std::uint64_t keys = 0;  // explain
  std::uint32_t every = 30;
};

base::Result<std::string> read_query(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::fail(base::Errc::kNotFound, "cannot read the query '" + path + "': " + std::strerror(errno));
  // One byte more than allowed is enough for the compiler to refuse the text.
  std::string text(sql::kQueryBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.gcount() == 0 && !file.eof())) {
    return base::fail(base::Errc::kIo, "cannot read the query '" + path + "': " + std::strerror(errno));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

sql::CompileOptions compile_options(const SqlArguments& arguments) {
  sql::CompileOptions options;
  for (const std::string& name : arguments.inputs) options.inputs.push_back({name, sql::InputKind::kStream, {}, sql::InputMetadata::kEventHub});
  for (const std::string& name : arguments.references) options.inputs.push_back({name, sql::InputKind::kReference, {}, sql::InputMetadata::kNone});
  options.infer_inputs = arguments.inputs.empty();
  options.outputs = arguments.outputs;
  options.any_output = arguments.outputs.empty();
  if (arguments.strict_aliases) options.alias_scope = sql::AliasScope::kStrict;
  return options;
}

void check(const SqlArguments& arguments, Exit& exit) {
  const auto compiled = compile_query(arguments.query, compile_options(arguments));
  if (!compiled) {
    std::cerr << "meterhub: " << compiled.error().text << '\n';
    exit.code = kCompileError;
    return;
  }
  std::cout << sql::diagnostics_json(compiled->diagnostics, arguments.query) << '\n';
  if (!compiled->ok()) exit.code = kCompileError;
}

void explain_memory(const SqlArguments& arguments, Exit& exit) {
  const auto text = read_query(arguments.query);
  const auto forecast = text ? forecast_memory(*text, arguments.keys, std::chrono::seconds(arguments.every))
                             : base::Result<MemoryForecast>(std::unexpected(text.error()));
  if (forecast) {
    std::cout << forecast->text();
    return;
  }
  std::cerr << "meterhub: no forecast of memory: " << forecast.error().text << '\n';
  exit.code = 1;
}

void explain(const SqlArguments& arguments, Exit& exit) {
  const auto compiled = compile_query(arguments.query, compile_options(arguments));
  if (!compiled) std::cerr << "meterhub: " << compiled.error().text << '\n';
  if (!compiled || !compiled->ok()) {
    exit.code = kCompileError;
    return;
  }
  std::cout << sql::plan_text(compiled->plan, engine::capabilities()) << std::flush;
  if (arguments.keys > 0) explain_memory(arguments, exit);
}

void add_query_options(CLI::App& command, SqlArguments& arguments) {
  command.add_option("--query", arguments.query, "File with the query")->required();
  command.add_option("--input", arguments.inputs, "A stream the query may read; without any, names in FROM are streams");
  command.add_option("--reference", arguments.references, "Reference data the query may join");
  command.add_option("--output", arguments.outputs, "An output the query may write; without any, every name is one");
  command.add_flag("--strict-aliases", arguments.strict_aliases, "WHERE, GROUP BY and HAVING do not see the aliases of SELECT");
}

}  // namespace

base::Result<sql::Compiled> compile_query(const std::string& path, const sql::CompileOptions& options) {
  const std::string text = MH_TRY(read_query(path));
  sql::Compiled compiled = sql::compile(text, options);
  for (const sql::Diagnostic& diagnostic : compiled.diagnostics) std::cerr << sql::caret_text(text, diagnostic, path);
  return compiled;
}

void add_sql(CLI::App& program, Exit& exit) {
  CLI::App* sql = program.add_subcommand("sql", "Check, explain and try queries of the stream language");
  sql->require_subcommand(1);
  const auto arguments = std::make_shared<SqlArguments>();
  CLI::App* check_command = sql->add_subcommand("check", "Say what is wrong with a query: JSON on stdout, exit code 2 on errors");
  add_query_options(*check_command, *arguments);
  check_command->callback([arguments, &exit] { check(*arguments, exit); });
  CLI::App* explain_command = sql->add_subcommand("explain", "Show how a query runs: inputs, operators, state, outputs");
  add_query_options(*explain_command, *arguments);
  explain_command->add_option("--keys", arguments->keys, "Forecast the memory for so many meters, by running the query some ten seconds")
      ->check(CLI::Range(1U, 20'000'000U));
  explain_command->add_option("--every", arguments->every, "Seconds between two packets of a meter, for --keys")
      ->check(CLI::Range(1U, 86'400U))
      ->capture_default_str();
  explain_command->callback([arguments, &exit] { explain(*arguments, exit); });
  add_sql_test(*sql, exit);
  sql->add_subcommand("functions", "Print the reference of functions as Markdown")->callback([] { std::cout << sql::reference_markdown(); });
}

}  // namespace meterhub::app
