// Every input of fuzz/corpus through its fuzzer, built as the tests are: what was once
// found stays fixed also where no fuzzer runs.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "input.h"

namespace meterhub::fuzz {
namespace {

namespace fs = std::filesystem;
const fs::path kCorpus = fs::path(METERHUB_SOURCE_DIR) / "fuzz/corpus";

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, Holds) {
  int inputs = 0;
  for (const auto& file : fs::directory_iterator(kCorpus / GetParam().name)) {
    SCOPED_TRACE(file.path());
    std::fprintf(stderr, "%s\n", file.path().filename().c_str());  // the last one named is the one that ends the process
    const auto content = read(file.path());
    GetParam().run(Input(base::as_bytes(content)));
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
  GetParam().run(Input({}));
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(targets()), [](const auto& target) { return target.param.name; });

TEST(CorpusFolders, EachHasItsFuzzer) {
  std::set<std::string> folders, fuzzers;
  for (const auto& folder : fs::directory_iterator(kCorpus)) folders.insert(folder.path().filename());
  for (const auto& target : targets()) fuzzers.insert(target.name);
  EXPECT_EQ(folders, fuzzers);
}

}  // namespace
}  // namespace meterhub::fuzz
