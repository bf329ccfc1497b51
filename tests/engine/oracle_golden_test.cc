// Every golden file of tests/sql/run through the oracle: the written results are what the words
// of the specification give, worked out without the engine. METERHUB_ORACLE_GOLDEN=1 writes
// what the oracle gives into files whose results are empty: read them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>

#include "oracle/golden_file.h"

namespace meterhub::engine::oracle {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(METERHUB_SOURCE_DIR) / "tests/sql/run";

// Limits of the engine, not rules of the language.
const std::set<std::string> kNotTheOraclesConcern = {"apply-too-many"};

// "! INPUT NUMBER reason" without the text, which is the engine's own.
std::string without_text(const std::string& line) {
  return line.starts_with("! ") ? line.substr(0, line.find(':')) : line;
}

std::vector<std::string> lines_of(const Results& results) {
  std::vector<std::string> lines;
  for (const auto& row : results.rows) lines.push_back(row.output + ' ' + row.json);
  for (const auto& one : results.dropped) lines.push_back("! " + one);
  if (results.failure) lines.push_back("!! " + *results.failure);
  return lines;
}

std::vector<std::string> sorted(std::vector<std::string> lines) {
  for (auto& line : lines) line = without_text(line);
  std::ranges::sort(lines);
  return lines;
}

// The written rows of each output, in their order, with the oracle's times: they must not go back.
std::string goes_back(const std::vector<std::string>& written, const Results& results) {
  std::map<std::string, std::multiset<Ticks>> times;
  for (const auto& row : results.rows) times[row.output + ' ' + row.json].insert(row.time);
  std::map<std::string, Ticks> newest;
  for (const auto& line : written) {
    const auto known = times.find(line);
    if (known == times.end() || known->second.empty()) continue;
    Ticks& before = newest[line.substr(0, line.find(' '))];
    const Ticks time = *known->second.begin();
    known->second.erase(known->second.begin());
    if (time < before) return line;
    before = time;
  }
  return {};
}

void update(const fs::path& path, const GoldenFile& golden, const Results& results) {
  std::ofstream file(path, std::ios::binary);
  file << golden.head;
  for (const auto& line : lines_of(results)) file << line << '\n';
}

class OracleGolden : public testing::TestWithParam<fs::path> {};

TEST_P(OracleGolden, GivesTheWrittenResults) {
  const auto golden = read_golden(GetParam());
  const auto compiled = sql::compile(golden.query, compile_options(golden));
  if (!golden.results.empty() && golden.results.front().starts_with("? ")) {
    EXPECT_FALSE(compiled.ok()) << GetParam();
    return;
  }
  for (const auto& one : compiled.diagnostics) {
    ASSERT_NE(one.severity, sql::Severity::kError) << GetParam() << ": " << one.code << ": " << one.message;
  }
  const auto lacking = sql::unsupported(compiled.plan, capabilities());
  ASSERT_TRUE(lacking.empty()) << lacking.front().what;
  const auto results = evaluate(compiled.plan, golden.inputs, golden.references, run_options(golden));
  const bool wished = std::getenv("METERHUB_ORACLE_GOLDEN") != nullptr;
  if (golden.results.empty() && wished) return update(GetParam(), golden, results);
  EXPECT_EQ(sorted(lines_of(results)), sorted(golden.results)) << GetParam();
  if (run_options(golden).policies) return;  // events' own rows are given out as they arrive
  EXPECT_EQ(goes_back(golden.results, results), "") << GetParam();
}

std::vector<fs::path> goldens() {
  std::set<fs::path> found;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".txt" || kNotTheOraclesConcern.contains(entry.path().stem())) continue;
    found.insert(entry.path());
  }
  return {found.begin(), found.end()};
}

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name;
  for (const char c : info.param.stem().string()) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, OracleGolden, testing::ValuesIn(goldens()), test_name);

}  // namespace
}  // namespace meterhub::engine::oracle
