#include "functions.h"

#include <gtest/gtest.h>

#include <set>

#include <meterhub/engine/pipeline.h>
#include <meterhub/sql/compile.h>

namespace meterhub::engine {
namespace {

// The two tables cover each other: what the language says exists runs, and nothing else.
TEST(FunctionTable, IsTheLanguagesScalarFunctionsOfTiersMustAndShould) {
  std::set<std::string_view> promised;
  for (const auto& function : sql::functions()) {
    const bool scalar = function.kind == sql::FunctionKind::kScalar && function.tier != sql::Tier::kLater;
    if (scalar) promised.insert(function.name);
  }
  std::set<std::string_view> run;
  for (const auto id : kernel_functions()) run.insert(sql::function_info(id).name);
  EXPECT_EQ(run, promised);
}

TEST(FunctionTable, TellsWhatThisEngineDoesNotRun) {
  sql::CompileOptions options;
  options.infer_inputs = true;
  auto compiled = sql::compile("SELECT udf.ours(x) FROM Input", options);
  ASSERT_TRUE(compiled.ok());
  const auto pipeline = Pipeline::create(std::move(compiled.plan), {});
  ASSERT_FALSE(pipeline);
  EXPECT_EQ(pipeline.error().code, base::Errc::kNotImplemented);
  EXPECT_NE(pipeline.error().text.find("udf"), std::string::npos) << pipeline.error().text;
}

}  // namespace
}  // namespace meterhub::engine
