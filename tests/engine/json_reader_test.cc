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

// A member that nobody reads and that is not plain sends the same object through the parser.
TEST(JsonReader, ReadsPlainJsonAsTheParserDoes) {
  JsonReader reader;
  std::vector<sql::NeededPath> paths(5);
  paths[0].path = {"a"};
  paths[1].path = {"A", "Left"};
  paths[2].path = {"list"};
  paths[3].path = {"only", "left"};
  paths[4].path = {"last"};
  const PathTree tree(paths);
  const auto text_of = [&](std::string_view members) {
    std::vector<Value> values(paths.size());
    const std::string json = "{" + std::string(members) + "}";
    std::string out;
    if (!reader.read(json, tree, values)) return std::string("refused");
    for (const auto& value : values) out += std::string(kind_name(value.kind)) + ' ', append_json(out, value), out += '\n';
    return out;
  };
  for (const std::string members :
       {R"("a":{"left":1.50,"x":[1]},"list":[1, {"b":-2.0}] ,"only":{"LEFT":"t"},"last":true)", R"("a":1,"A":-0.0,"list":{},"only":null,"last":-0)",
        R"("only":{"left":1},"ONLY":{"right":2},"last":"")", R"("only":{"left":1},"only":7,"last":123456789012345678)",
        R"("only":{"left":9007199254740993.0},"list":[],"unread":{"deep":[{"x":"y"}]})", R"("last":{"left":1},"only":[1,2])", R"("last":01)",
        R"("last":nul)", R"("only":{"left":1)", R"("last":1}{)"}) {
    EXPECT_EQ(text_of(members), text_of(members + R"(,"\u0078":0)")) << members;
  }
}

}  // namespace
}  // namespace meterhub::engine
