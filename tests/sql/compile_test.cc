// What names, windows, joins and functions come to mean (stream-sql 2 to 8).
#include <gtest/gtest.h>
#include <meterhub/sql/compile.h>

namespace meterhub::sql {
namespace {

Compiled run(std::string_view text, AliasScope aliases = AliasScope::kOpen) {
  CompileOptions options;
  options.inputs = {{"Input", InputKind::kStream, {}, InputMetadata::kNone},
                    {"Hub", InputKind::kStream, {}, InputMetadata::kEventHub},
                    {"Known", InputKind::kStream, {{"Meter", Type::kText}, {"Used", Type::kFloat}}, InputMetadata::kNone},
                    {"Meters", InputKind::kReference, {}, InputMetadata::kNone}};
  options.alias_scope = aliases;
  Compiled result = compile(text, options);
  EXPECT_TRUE(result.ok()) << text << diagnostics_json(result.diagnostics, "");
  return result;
}

const Select& last(const Compiled& compiled) { return compiled.plan.steps.back().branches.front(); }

std::string where(std::string_view text, AliasScope aliases = AliasScope::kOpen) {
  const Compiled compiled = run(text, aliases);
  const Select& select = last(compiled);
  return select.where ? expression_text(*select.where, select) : "";
}

std::string value(std::string_view expression) {
  const Compiled compiled = run("SELECT " + std::string(expression) + " AS v FROM Input i");
  return expression_text(*last(compiled).items[0].expr, last(compiled));
}

TEST(Expressions, BindByPrecedence) {
  EXPECT_EQ(value("a + b * c"), "(i.a + (i.b * i.c))");
  EXPECT_EQ(value("a - b - c"), "((i.a - i.b) - i.c)");
  EXPECT_EQ(value("a & b + c"), "(i.a & (i.b + i.c))");
  EXPECT_EQ(value("a & b = c"), "((i.a & i.b) = i.c)");
  EXPECT_EQ(value("a > 1 OR b = 2 AND NOT c = 3"), "((i.a > 1) OR ((i.b = 2) AND NOT (i.c = 3)))");
  EXPECT_EQ(value("a NOT BETWEEN 1 AND 2 AND b !< 3"), "(NOT (i.a BETWEEN 1 AND 2) AND (i.b >= 3))");
  EXPECT_EQ(value("-a % ~b"), "(-i.a % ~i.b)");
  EXPECT_EQ(value("a LIKE 'x!%' ESCAPE '!'"), "(i.a LIKE 'x!%' ESCAPE '!')");
  EXPECT_EQ(value("a IS NOT NULL"), "NOT (i.a IS NULL)");
  EXPECT_EQ(value("a NOT IN (1, 'two', NULL)"), "NOT (i.a IN (1, 'two', NULL))");
}

TEST(Expressions, FoldConstantsOnlyWhereNothingCanFail) {
  EXPECT_EQ(value("2 * 3 + 4"), "10");
  EXPECT_EQ(value("-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(value("9223372036854775807 + 1"), "(9223372036854775807 + 1)");
  EXPECT_EQ(value("1 / 0"), "(1 / 0)");
  EXPECT_EQ(value("a - 1"), "(i.a - 1)");
}

TEST(Expressions, ReadCaseInBothForms) {
  EXPECT_EQ(value("CASE a WHEN 1 THEN 'x' ELSE 'y' END"), "CASE WHEN (i.a = 1) THEN 'x' ELSE 'y' END");
  EXPECT_EQ(value("CASE WHEN a > 1 THEN b END"), "CASE WHEN (i.a > 1) THEN i.b ELSE NULL END");
}

TEST(Lexer, ReadsNamesTextsNumbersAndComments) {
  EXPECT_EQ(value("[a ]] b].\"c\"\"d\".left /* -- */ -- rest\n"), "i.[a ]] b].[c\"d].[left]");
  EXPECT_EQ(value("'it''s'"), "'it''s'");
  EXPECT_EQ(value(".5 + 1e3"), "(0.5 + 1000)");
  EXPECT_EQ(value("\xe7\x94\xa8\xe9\x87\x8f"), "i.[\xe7\x94\xa8\xe9\x87\x8f]");
}

TEST(Aliases, AreSeenInWhereUnlessTheSourceHasTheColumn) {
  EXPECT_EQ(where("SELECT a.b AS x FROM Input WHERE x < 5"), "(Input.a.b < 5)");
  EXPECT_EQ(where("SELECT CAST(t AS float) AS t FROM Input WHERE t > 5"), "(CAST(Input.t AS float) > 5)");
  EXPECT_EQ(where("SELECT Meter AS Used FROM Known WHERE Used > 5"), "(Known.Used > 5)");
  EXPECT_EQ(where("SELECT a AS x FROM Input WHERE x < 5", AliasScope::kStrict), "(Input.x < 5)");
  EXPECT_EQ(where("SELECT a AS x FROM Input WHERE x.y < 5"), "(Input.x.y < 5)");
}

TEST(Aliases, ComeFirstInHavingAndAreLogged) {
  const Compiled compiled = run("SELECT COUNT(*) AS Used FROM Known GROUP BY TumblingWindow(minute, 1) HAVING Used > 5");
  EXPECT_EQ(expression_text(*last(compiled).having, last(compiled)), "(COUNT(*) > 5)");
  ASSERT_EQ(compiled.plan.alias_bindings.size(), 1u);
  EXPECT_EQ(compiled.plan.alias_bindings[0].clause, "HAVING");
  EXPECT_EQ(last(compiled).grouping->aggregates.size(), 1u);
}

TEST(Columns, WithoutANameGetOne) {
  const Compiled compiled = run("SELECT a.[left], COUNT(*), a.[left] + 1 FROM Input GROUP BY a.[left], SlidingWindow(s, 5)");
  EXPECT_EQ(last(compiled).items[0].name, "left");
  EXPECT_EQ(last(compiled).items[1].name, "count");
  EXPECT_EQ(last(compiled).items[2].name, "column3");
}

TEST(Columns, OfAStarAreExpandedWhereKnownAndGiveWayToExplicitOnes) {
  const Compiled compiled = run("SELECT *, 1 AS used FROM Known");
  ASSERT_EQ(last(compiled).items.size(), 2u);
  EXPECT_EQ(last(compiled).items[0].name, "Meter");
  EXPECT_EQ(last(compiled).items[1].name, "used");
  EXPECT_FALSE(compiled.plan.readers[0].whole_event);
}

TEST(Columns, BehindAnOpenStarAreFetchedByPathAlone) {
  const Compiled compiled = run("WITH s AS (SELECT * FROM Input) SELECT a.b FROM s WHERE c > 1");
  EXPECT_FALSE(compiled.plan.readers[0].whole_event);
  ASSERT_EQ(compiled.plan.readers[0].paths.size(), 2u);
  const Compiled whole = run("WITH s AS (SELECT * FROM Input) SELECT * FROM s");
  EXPECT_TRUE(whole.plan.readers[0].whole_event);
}

TEST(Columns, OfTheHubAreMetadata) {
  const Compiled compiled = run("SELECT EventEnqueuedUtcTime, x FROM Hub");
  EXPECT_TRUE(compiled.plan.readers[0].paths[0].metadata);
  EXPECT_FALSE(compiled.plan.readers[0].paths[1].metadata);
}

TEST(Readers, AreSharedByStatementsThatAgreeOnTime) {
  const Compiled compiled = run("SELECT a FROM Input TIMESTAMP BY t SELECT b FROM Input i TIMESTAMP BY i.T SELECT c FROM Input");
  EXPECT_EQ(compiled.plan.readers.size(), 2u);
}

TEST(Windows, AreCountedInTicks) {
  const auto window = [](std::string_view text) {
    return run("SELECT COUNT(*) FROM Input GROUP BY " + std::string(text)).plan.steps[0].branches[0].grouping->windows[0];
  };
  EXPECT_EQ(window("TumblingWindow(minute, 5)").size, 5 * 60 * kTicksPerSecond);
  EXPECT_EQ(window("Tumbling(Duration(day, 1), Offset(hour, -8))").offset, -8 * 3600 * kTicksPerSecond);
  EXPECT_EQ(window("HoppingWindow(second, 10, 5)").hop, 5 * kTicksPerSecond);
  EXPECT_EQ(window("Hopping(Duration(hour, 1), Hop(mi, 5), Offset(ms, -1))").offset, -kTicksPerMillisecond);
  EXPECT_EQ(window("SlidingWindow(Duration(mcs, 3))").size, 30);
  EXPECT_EQ(window("SessionWindow(minute, 5, 10) OVER (PARTITION BY k)").partition.size(), 1u);
  EXPECT_EQ(window("Session(Timeout(minute, 5), MaxDuration(hour, 1))").maximum, 3600 * kTicksPerSecond);
  EXPECT_EQ(window("System.Timestamp()").kind, WindowKind::kSnapshot);
}

TEST(Windows, BesideSystemTimestampMakeItAKey) {
  const Compiled compiled = run("SELECT COUNT(*) FROM Input GROUP BY TumblingWindow(hour, 1), System.Timestamp()");
  EXPECT_EQ(last(compiled).grouping->windows.size(), 1u);
  EXPECT_EQ(last(compiled).grouping->keys.size(), 1u);
}

TEST(Joins, OfStreamsTakeTheirBoundFromDatediff) {
  const auto bound = [](std::string_view on) {
    const Compiled compiled = run("SELECT a.x FROM Input a JOIN Hub b ON a.k = b.k AND " + std::string(on));
    return *last(compiled).sources[1].join->bound;
  };
  EXPECT_EQ(bound("DATEDIFF(minute, a, b) BETWEEN -2 AND 10").lower, -2);
  EXPECT_EQ(bound("DATEDIFF(minute, a, b) BETWEEN -2 AND 10").upper, 10);
  EXPECT_EQ(bound("DATEDIFF(minute, b, a) BETWEEN -2 AND 10").upper, 2);
  EXPECT_EQ(bound("DATEDIFF(second, a, b) > 0 AND 5 > DATEDIFF(second, a, b)").lower, 1);
  EXPECT_EQ(bound("DATEDIFF(second, a, b) > 0 AND 5 > DATEDIFF(second, a, b)").upper, 4);
}

TEST(Joins, OfAChainAddTheirDifferences) {
  const Compiled compiled = run(
      "SELECT a.x FROM Input a JOIN Input b ON DATEDIFF(s, a, b) BETWEEN 0 AND 5 "
      "JOIN Input c ON DATEDIFF(s, a, b) + DATEDIFF(s, b, c) BETWEEN 1 AND 9");
  EXPECT_EQ(last(compiled).sources[2].join->bound->left, 0u);
  EXPECT_EQ(last(compiled).sources[2].join->bound->upper, 9);
}

TEST(Joins, WithReferenceDataNeedNoBound) {
  const Compiled compiled = run("SELECT a.x, m.y FROM Input a LEFT JOIN Meters m ON a.k = m.k AND m.z > a.z");
  const Join& join = *last(compiled).sources[1].join;
  EXPECT_TRUE(join.reference);
  EXPECT_TRUE(join.left_outer);
  EXPECT_EQ(join.keys.size(), 1u);
  EXPECT_NE(join.residual, nullptr);
  EXPECT_FALSE(last(compiled).stateful);
}

TEST(Analytic, CallsThatAreEqualAreComputedOnce) {
  const Compiled compiled = run("SELECT LAG(x) OVER (LIMIT DURATION(hour, 1)) AS a, LAG(X) OVER (LIMIT DURATION(minute, 60)) + 1 AS b FROM Input");
  EXPECT_EQ(last(compiled).analytics.size(), 1u);
  EXPECT_TRUE(last(compiled).stateful);
}

TEST(Inference, TakesUnboundedJoinsAsReferenceData) {
  CompileOptions options;
  options.infer_inputs = true;
  const Compiled good = compile("SELECT A.x FROM A JOIN M ON A.k = M.k", options);
  ASSERT_EQ(good.plan.references.size(), 1u);
  EXPECT_EQ(good.plan.references[0].input, "M");
  const Compiled stream = compile("SELECT A.x FROM A JOIN M TIMESTAMP BY t ON A.k = M.k", options);
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.diagnostics[0].code, "missing_time_bound");
}

TEST(Places, CountCharactersNotBytes) {
  const std::string text = "SELECT '\xe7\x87\x83\xe6\xb0\x94',\n  '\xe6\xb0\x94', nope(1) FROM Input";
  CompileOptions options;
  options.inputs = {{"Input", InputKind::kStream, {}, InputMetadata::kNone}};
  const Compiled compiled = compile(text, options);
  ASSERT_FALSE(compiled.diagnostics.empty());
  EXPECT_EQ(compiled.diagnostics[0].place, (Place{2, 8, 4}));
}

TEST(MatchRecognize, BecomesAStepThatTheSelectReads) {
  const Compiled compiled = run(
      "SELECT m.a FROM Input i TIMESTAMP BY t MATCH_RECOGNIZE (LIMIT DURATION(minute, 5) PARTITION BY k "
      "MEASURES A.x AS a, Last(y) + 1 AS b, Classifier() AS c AFTER MATCH SKIP TO NEXT ROW "
      "PATTERN (A+ (B | . C){2,} D? E{1,3}) "
      "DEFINE A AS A.x > 1, B AS B.x > Last(A.x) AND z = 2, C AS System.Timestamp() > A.t, D AS D.x = 1, E AS E.x = 1) AS m");
  EXPECT_TRUE(compiled.diagnostics.empty());
  const std::string text = plan_text(compiled.plan, everything());
  EXPECT_NE(text.find(R"(step m of statement 1
  from Input as i
  match recognize (A+ (B | (. C)){2,} D? E{1,3})
    per i.k
    A is (i.x > 1)
    B is ((i.x > Last(A.x)) AND (i.z = 2))
    C is (System.Timestamp() > Last(A.t))
    D is (i.x = 1)
    E is (i.x = 1)
    state: the ways in which the last 5 min may become a match, per key
  columns
    a = Last(A.x)
    b = (Last(i.y) + 1)
    c = Classifier() (array)
statement 1 into output
  from m of statement 1 as m
  columns
    a = m.a
)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("path x as raw, number, value"), std::string::npos) << text;
}

TEST(MatchRecognize, TakesItsClausesInAnyOrderAndWithoutAnAlias) {
  const Compiled compiled = run(
      "SELECT * FROM Input MATCH_RECOGNIZE (DEFINE A AS A.x = 1 PATTERN (A) ONE ROW PER MATCH "
      "MEASURES First(A.x) AS [order] PARTITION BY k LIMIT DURATION(s, 5)) WHERE [order] > 1");
  EXPECT_EQ(expression_text(*last(compiled).where, last(compiled)), "(match.[order] > 1)");
}

TEST(MatchRecognize, WarnsOfVariablesThatAreNone) {
  const Compiled compiled = run(
      "SELECT * FROM Input MATCH_RECOGNIZE (LIMIT DURATION(s, 5) MEASURES Last(Success.x) AS x "
      "PATTERN (Success Any) DEFINE Success AS Succes.x = 1) AS m");
  ASSERT_EQ(compiled.diagnostics.size(), 2U);
  EXPECT_EQ(compiled.diagnostics[0].code, "no_definition");
  EXPECT_EQ(compiled.diagnostics[1].code, "no_variable");
  EXPECT_EQ(compiled.diagnostics[1].suggestion, "Success");
}

TEST(Capabilities, NameWhatAnEngineCannotRun) {
  Capabilities few;
  few.features = {Feature::kProject};
  const Compiled compiled = run("SELECT UPPER(a) AS u FROM Input WHERE b = 1");
  const auto missing = unsupported(compiled.plan, few);
  ASSERT_EQ(missing.size(), 2u);
  EXPECT_EQ(missing[0].what, "filter");
  EXPECT_EQ(missing[1].what, "function UPPER");
  EXPECT_TRUE(unsupported(compiled.plan, everything()).empty());
}

}  // namespace
}  // namespace meterhub::sql
