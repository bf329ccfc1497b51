// Readable expectations in files. METERHUB_UPDATE_GOLDEN=1 writes them anew: read the difference.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <gtest/gtest.h>
#include <meterhub/sql/compile.h>

namespace meterhub::sql {
namespace {

namespace fs = std::filesystem;
const fs::path kSource = METERHUB_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool updating() { return std::getenv("METERHUB_UPDATE_GOLDEN") != nullptr; }

void expect_file(const fs::path& path, const std::string& content) {
  if (updating()) std::ofstream(path, std::ios::binary) << content;
  EXPECT_EQ(read(path), content) << path;
}

std::set<fs::path> files(const fs::path& folder, std::string_view extension) {
  std::set<fs::path> result;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) result.insert(entry.path());
  }
  return result;
}

CompileOptions inferring() {
  CompileOptions options;
  options.infer_inputs = true;
  return options;
}

TEST(QueryPack, CompilesUnchangedAndExplainsAsWritten) {
  const auto queries = files(kSource / "queries", ".sql");
  ASSERT_EQ(queries.size(), 13u);
  for (const fs::path& query : queries) {
    const Compiled compiled = compile(read(query), inferring());
    ASSERT_TRUE(compiled.ok()) << query << diagnostics_json(compiled.diagnostics, "");
    EXPECT_TRUE(compiled.diagnostics.empty()) << query;
    expect_file(kSource / "tests/sql/explain" / query.stem().concat(".txt"), plan_text(compiled.plan, everything()));
  }
}

// Each file: the query, a line "----", the diagnostics as a terminal shows them.
TEST(Errors, AreShownWithPlaceCaretAndHelp) {
  CompileOptions options;
  options.inputs = {{"Input", InputKind::kStream, {}, InputMetadata::kNone},
                    {"Other", InputKind::kStream, {}, InputMetadata::kNone},
                    {"Known", InputKind::kStream, {{"Meter", Type::kText}, {"Used", Type::kFloat}}, InputMetadata::kNone},
                    {"Meters", InputKind::kReference, {}, InputMetadata::kNone}};
  options.outputs = {"Alerts", "output"};
  options.any_output = false;
  const auto cases = files(kSource / "tests/sql/errors", ".txt");
  ASSERT_GE(cases.size(), 30u);
  for (const fs::path& file : cases) {
    const std::string content = read(file);
    const std::size_t border = content.find("\n----\n");
    ASSERT_NE(border, std::string::npos) << file;
    const std::string query = content.substr(0, border);
    const Compiled compiled = compile(query, options);
    EXPECT_FALSE(compiled.ok()) << file;
    std::string shown;
    for (const Diagnostic& diagnostic : compiled.diagnostics) shown += caret_text(query, diagnostic, "query");
    expect_file(file, query + "\n----\n" + shown);
  }
}

TEST(Reference, PageIsWrittenFromTheTable) { expect_file(kSource / "docs/reference/sql.md", reference_markdown()); }

}  // namespace
}  // namespace meterhub::sql
