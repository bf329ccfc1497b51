#include "json_reader.h"

#include <gtest/gtest.h>

namespace meterhub::engine {
namespace {

TEST(JsonReader, RefusesAWordThatBeginsLikeNull) {
  JsonReader reader;
  sql::NeededPath path;
  path.path = {"a"};
  std::vector<Value> values(1);
  for (const std::string word : {"n2", "nul", "nulll", "n"}) {
    const std::string json = "{\"a\":" + word + ",\"b\":1}";
    EXPECT_FALSE(reader.read(json, PathTree(std::span(&path, 1)), values)) << word;
    EXPECT_FALSE(reader.fields(json)) << word;
    EXPECT_FALSE(reader.elements("[" + word + "]")) << word;
  }
}

}  // namespace
}  // namespace meterhub::engine
