// The operator of MATCH_RECOGNIZE by itself: its bounds, what it forgets, and foreign checkpoints. What
// it gives is in tests/sql/run/match-*.txt and in random queries.
#include "pattern_matcher.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include <meterhub/sql/compile.h>
#include <meterhub/sql/limits.h>

#include "pattern_program.h"

namespace meterhub::engine {
namespace {

constexpr Ticks kSecond = sql::kTicksPerSecond;

// FROM input MATCH_RECOGNIZE (...): the step that finds the matches.
class Plan {
 public:
  explicit Plan(const std::string& body) {
    sql::CompileOptions options;
    options.infer_inputs = true;
    compiled_ = sql::compile("SELECT * FROM input MATCH_RECOGNIZE (" + body + ") AS m", options);
    EXPECT_TRUE(compiled_.ok()) << body;
  }
  const sql::MatchRecognize& match() const { return *compiled_.plan.steps.front().branches.front().match; }
  // Where a column stands among the values of a row.
  std::size_t place(const std::string& column) const {
    const auto& paths = compiled_.plan.readers.front().paths;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (paths[i].path.front() == column) return i;
    }
    return paths.size();
  }
  std::size_t columns() const { return compiled_.plan.readers.front().paths.size(); }

 private:
  sql::Compiled compiled_;
};

class Matcher {
 public:
  explicit Matcher(const Plan& plan) : plan_(plan), matcher_(plan.match(), false), evaluator_(arena_, false) {}

  // Number of matches that the event decides.
  std::size_t add(Ticks time, const std::map<std::string, Value>& event) {
    std::vector<Value> values(plan_.columns());
    for (const auto& [column, value] : event) {
      if (plan_.place(column) < values.size()) values[plan_.place(column)] = value;
    }
    const SourceRow row{values, {}, time};
    matcher_.add(evaluator_, std::span(&row, 1));
    return matcher_.found().size();
  }
  PatternMatcher& operator*() { return matcher_; }
  PatternMatcher* operator->() { return &matcher_; }

 private:
  const Plan& plan_;
  PatternMatcher matcher_;
  Arena arena_;
  Evaluator evaluator_;
};

std::map<std::uint32_t, std::string> saved(PatternMatcher& matcher) {
  std::map<std::uint32_t, std::string> parts;
  matcher.begin_save([&](std::uint32_t part, std::string bytes) {
    if (!bytes.empty()) parts.emplace(part, std::move(bytes));
  });
  while (matcher.save_next()) {
  }
  return parts;
}

TEST(PatternProgram, HasNoMorePlacesThanTheCompilerCounted) {
  for (const auto* pattern :
       {"A", "A+", "A*", "A?", "(A* B)+", "A{3}", "A{2,}", "(A?){2,}", "A{2,5}", "(A | B{3})+ A", "((A+)+)+"}) {
    const Plan plan("LIMIT DURATION(s, 5) MEASURES Last(A.x) AS x PATTERN (" + std::string(pattern) +
                    ") DEFINE A AS A.x = 1");
    EXPECT_EQ(PatternProgram(plan.match().pattern).places(), sql::pattern_positions(plan.match().pattern)) << pattern;
  }
}

TEST(PatternMatcher, GivesUpTheNewestBeginningsWhenAKeyHasTooManyWays) {
  const Plan plan("LIMIT DURATION(day, 1) MEASURES Last(B.x) AS x PATTERN (A+ B) DEFINE A AS A.x = 1, B AS B.x = 2");
  Matcher matcher(plan);
  std::size_t refused = 0;
  // A beginning waits at A and at B.
  for (int i = 0; i < 800; ++i) {
    matcher.add(i * kSecond, {{"x", Value::bigint(1)}});
    refused += matcher->error().empty() ? 0 : 1;
  }
  EXPECT_EQ(refused, 800 - kMatchWaysMax / 2);
  EXPECT_EQ(matcher.add(800 * kSecond, {{"x", Value::bigint(2)}}), kMatchWaysMax / 2);
  EXPECT_EQ(matcher->keys(), 0U);
}

TEST(PatternMatcher, KeepsNoMoreBytesOfAKeyThanItMay) {
  const Plan plan(
      "LIMIT DURATION(day, 1) MEASURES Last(A.x) AS x PATTERN (A+ B) DEFINE A AS A.x <> 'b', B AS B.x = 'b'");
  Matcher matcher(plan);
  const std::string large(100'000, 'a');
  bool refused = false;
  for (int i = 0; i < 50; ++i) {
    matcher.add(i * kSecond, {{"x", Value::characters(large)}});
    refused = refused || !matcher->error().empty();
    EXPECT_LT(matcher->bytes(), kMatchBytesMax + 100'000);
  }
  EXPECT_TRUE(refused);
}

TEST(PatternMatcher, TellsWaysApartByWhatConditionsReadOnly) {
  // Every event may be either: two to the power of 30 ways, but all go on in the same manner.
  const Plan plan(
      "LIMIT DURATION(day, 1) MEASURES Classifier() AS names PATTERN ((A | B)+ C) DEFINE A AS A.x = 1, B AS B.x = 1, C AS C.x = 2");
  Matcher matcher(plan);
  for (int i = 0; i < 30; ++i) matcher.add(i * kSecond, {{"x", Value::bigint(1)}});
  EXPECT_TRUE(matcher->error().empty());
  EXPECT_EQ(matcher.add(30 * kSecond, {{"x", Value::bigint(2)}}), 30U);
}

TEST(PatternMatcher, ForgetsKeysWhoseTimeIsOver) {
  const Plan plan(
      "LIMIT DURATION(s, 10) PARTITION BY k MEASURES Last(B.x) AS x PATTERN (A B) DEFINE A AS A.x = 1, B AS B.x = 2");
  Matcher matcher(plan);
  for (int i = 0; i < 1000; ++i) matcher.add(kSecond, {{"k", Value::bigint(i)}, {"x", Value::bigint(1)}});
  EXPECT_EQ(matcher->keys(), 1000U);
  for (int i = 0; i < 1000; ++i)
    matcher.add(100 * kSecond, {{"k", Value::bigint(10'000 + i)}, {"x", Value::bigint(1)}});
  EXPECT_LT(matcher->keys(), 1100U);
}

TEST(PatternMatcher, GoesOnFromWhatItSaved) {
  const Plan plan(
      "LIMIT DURATION(s, 10) PARTITION BY k MEASURES First(A.x) AS x, Classifier() AS names PATTERN (A+ B*) DEFINE A AS A.x > 0, B AS B.x < Max(A.x)");
  Matcher before(plan);
  for (int i = 0; i < 20; ++i) before.add(i * kSecond / 4, {{"k", Value::bigint(i % 5)}, {"x", Value::bigint(i % 3)}});
  Matcher after(plan);
  for (const auto& [part, bytes] : saved(*before)) EXPECT_TRUE(after->load_part(part, bytes));
  EXPECT_TRUE(after->loaded());
  EXPECT_EQ(after->keys(), before->keys());
  EXPECT_EQ(after->due(), before->due());
  EXPECT_EQ(saved(*after), saved(*before));
  while (before->due()) {
    const auto now = *before->due();
    before->fire(now);
    after->fire(now);
    ASSERT_EQ(after->found().size(), before->found().size());
    for (std::size_t i = 0; i < after->found().size(); ++i)
      EXPECT_EQ(after->found()[i].known.other, before->found()[i].known.other);
    ASSERT_EQ(after->due(), before->due());
  }
}

// Every byte of every part changed in several ways, and every part cut off everywhere.
std::size_t refused(const Plan& plan, const std::map<std::uint32_t, std::string>& parts) {
  std::size_t count = 0;
  const auto try_it = [&](std::uint32_t part, const std::string& bytes) {
    Matcher into(plan);
    if (!into->load_part(part, bytes) || !into->loaded()) ++count;
    else
      while (into->due()) into->fire(*into->due());
  };
  for (const auto& [part, bytes] : parts) {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const int change : {1, 2, 3, 4, 7, 0x80, 0xff}) {
        std::string foreign = bytes;
        foreign[at] = static_cast<char>(foreign[at] ^ change);
        try_it(part, foreign);
      }
      try_it(part, bytes.substr(0, at));
    }
  }
  return count;
}

TEST(PatternMatcher, RefusesForeignBytesWithoutFailing) {
  const Plan plan(
      "LIMIT DURATION(s, 10) PARTITION BY k MEASURES First(A.x) AS x, Classifier() AS names PATTERN (A+ B*) DEFINE A "
      "AS A.x > 0, B AS B.x < Max(A.x)");
  Matcher matcher(plan);
  for (int i = 0; i < 20; ++i)
    matcher.add(i * kSecond / 4, {{"k", Value::bigint(i % 5)}, {"x", Value::bigint(1 + i % 3)}});
  EXPECT_GT(refused(plan, saved(*matcher)), 100U);
}

TEST(PatternMatcher, RefusesTwoBeginningsOfOneNumber) {
  // The first is not satisfied, the others are.
  const Plan plan(
      "LIMIT DURATION(s, 10) MEASURES Last(x) AS x PATTERN (P A+ Q | A+) DEFINE P AS P.x = 0, A AS A.x = 1, Q AS Q.x = 2");
  Matcher matcher(plan);
  for (int i = 0; i < 4; ++i) matcher.add(i * kSecond, {{"x", Value::bigint(i == 0 ? 0 : 1)}});
  EXPECT_GT(refused(plan, saved(*matcher)), 100U);
}

}  // namespace
}  // namespace meterhub::engine
