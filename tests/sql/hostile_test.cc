// Text from anybody: the compiler answers every one, in bounded time and stack.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <gtest/gtest.h>
#include <meterhub/sql/compile.h>

namespace meterhub::sql {
namespace {

CompileOptions inferring() {
  CompileOptions options;
  options.infer_inputs = true;
  return options;
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

bool refused_as(const std::string& query, std::string_view code) {
  const Compiled compiled = compile(query, inferring());
  for (const Diagnostic& diagnostic : compiled.diagnostics) {
    if (diagnostic.code == code) return true;
  }
  ADD_FAILURE() << diagnostics_json(compiled.diagnostics, "");
  return false;
}

TEST(HostileText, NestedTooDeeplyIsRefused) {
  EXPECT_TRUE(refused_as("SELECT " + repeated("(", 30'000), "nested_too_deeply"));
  EXPECT_TRUE(refused_as("SELECT " + repeated("(", 250) + "1" + repeated(")", 250) + " FROM i", "nested_too_deeply"));
  EXPECT_TRUE(refused_as("SELECT x" + repeated("+1", 25'000) + " FROM i", "nested_too_deeply"));
  EXPECT_TRUE(refused_as("SELECT " + repeated("- ", 25'000) + "x FROM i", "nested_too_deeply"));
  EXPECT_TRUE(refused_as("SELECT a FROM i WHERE " + repeated("NOT ", 15'000) + "x", "nested_too_deeply"));
  EXPECT_TRUE(refused_as(repeated("(", 60'000), "nested_too_deeply"));
  EXPECT_TRUE(refused_as("SELECT " + repeated("ABS(", 10'000), "nested_too_deeply"));
}

TEST(HostileText, LongListsOfConditionsAreFine) {
  EXPECT_TRUE(compile("SELECT a FROM i WHERE x=1" + repeated(" OR x=2", 5'000), inferring()).ok());
}

TEST(HostileText, OverTheSizeLimitIsRefused) { EXPECT_TRUE(refused_as(std::string(kQueryBytesMax + 1, ' '), "query_too_large")); }

TEST(HostileText, AliasesThatMultiplyAreRefused) {
  const std::string wide = "(a=1" + repeated(" OR a=1", 2'000) + ")";
  EXPECT_TRUE(refused_as("SELECT " + wide + " AS x FROM i WHERE x=1" + repeated(" OR x=1", 2'000), "query_too_large"));
}

TEST(HostileText, ManyErrorsAreCountedNotKept) {
  const Compiled compiled = compile("SELECT " + repeated("f(1),", 5'000) + "1 FROM i", inferring());
  EXPECT_EQ(compiled.diagnostics.size(), kDiagnosticsMax + 1);
  EXPECT_EQ(compiled.diagnostics.back().code, "too_many_errors");
}

std::vector<std::string> queries() {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(METERHUB_SOURCE_DIR "/queries")) {
    if (entry.path().extension() != ".sql") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    result.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return result;
}

void damage(std::string& text, std::mt19937& random) {
  constexpr std::string_view kPieces[] = {"(", ")", "'", "[", "\"", ",", ".", " SELECT ", " WITH ", " FROM ", " GROUP BY ", " OVER (", "/*", "--", "\xff", "\xe4\xbd", "*", " CASE "};
  const std::size_t at = random() % (text.size() + 1);
  switch (random() % 4) {
    case 0: text.insert(at, 1, static_cast<char>(random() % 256)); break;
    case 1: text.insert(at, kPieces[random() % std::size(kPieces)]); break;
    case 2: text.erase(at, random() % 20); break;
    default: text.insert(at, text.substr(random() % text.size(), random() % 60));
  }
}

TEST(HostileText, DamagedQueriesAreAnsweredWithPlacesInsideTheText) {
  const unsigned seed = 20161117;
  std::mt19937 random(seed);
  const std::vector<std::string> originals = queries();
  ASSERT_FALSE(originals.empty());
  for (int round = 0; round < 1'000; ++round) {
    std::string text = originals[random() % originals.size()];
    for (auto edits = 1 + random() % 6; edits > 0 && !text.empty(); --edits) damage(text, random);
    const Compiled compiled = compile(text, inferring());
    for (const Diagnostic& diagnostic : compiled.diagnostics) {
      ASSERT_LE(diagnostic.span.end, text.size()) << "seed " << seed << " round " << round;
      ASSERT_FALSE(caret_text(text, diagnostic, "q").empty());
    }
    ASSERT_FALSE(diagnostics_json(compiled.diagnostics, "q").empty());
    ASSERT_TRUE(!compiled.ok() || !plan_text(compiled.plan, everything()).empty());
  }
}

}  // namespace
}  // namespace meterhub::sql
