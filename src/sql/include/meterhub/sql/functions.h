// The one table of the language's functions (stream-sql 8). Binder, documentation and
// the engine's own checks read it; a function not in it does not exist.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <meterhub/sql/types.h>

namespace meterhub::sql {

enum class FunctionKind : std::uint8_t {
  kScalar,     // a value from the values of one row
  kAggregate,  // a value from the rows of a group; with LIMIT DURATION it is analytic
  kAnalytic,   // a value from earlier events of one source: needs OVER
  kApply,      // rows from a value: after APPLY only
};

enum class Tier : std::uint8_t { kMust, kShould, kLater };

// What an argument may be. Literal-checked where the query's text decides; otherwise a
// hint for explain and for the engine's decoder (which columns are needed as what).
enum class ArgumentKind : std::uint8_t {
  kAny, kNumber, kText, kTime, kRecord, kArray,
  kUnit,      // a time unit's name: stored in Expr::unit, not in Expr::args
  kInteger,   // a whole-number constant
  kConstant,  // a text constant
  kSource,    // the name of a source: stored as a column with an empty path
};

// Whole functions with an own id, so that the engine switches instead of comparing names.
enum class FunctionId : std::uint8_t {
  kCount, kSum, kAvg, kMin, kMax, kStdev, kStdevp, kVar, kVarp, kTopOne, kCollectTop, kCollect,
  kPercentileCont, kPercentileDisc,
  kLag, kLast, kIsFirst, kSpikeAndDip, kChangePoint,
  kGetType, kDateAdd, kDateDiff, kDatePart, kDateName, kYear, kMonth, kDay, kDateTimeFromParts,
  kCoalesce, kNullIf,
  kAbs, kCeiling, kFloor, kRound, kPower, kSqrt, kSquare, kSign, kExp,
  kConcat, kConcatWs, kSubstring, kLeft, kRight, kLen, kUpper, kLower, kLtrim, kRtrim, kTrim,
  kReplace, kCharIndex, kPatIndex, kRegexMatch, kStuff, kTranslate, kReplicate, kReverse,
  kSpace, kNchar, kUnicode, kJsonParse,
  kGetArrayElement, kGetArrayElements, kGetArrayLength, kGetRecordPropertyValue,
  kGetRecordProperties, kGetMetadataPropertyValue,
  kCreatePoint, kCreateLineString, kCreatePolygon, kStDistance, kStIntersects, kStOverlaps,
  kStWithin,
  kUser,  // udf.name, uda.name
};

inline constexpr std::uint8_t kUnlimitedArguments = 255;

struct FunctionInfo {
  FunctionId id;
  std::string_view name;       // spelling of the documentation; compared without case
  FunctionKind kind;
  Tier tier;
  std::uint8_t arguments_min;  // units count as arguments
  std::uint8_t arguments_max;
  std::string_view signature;  // for error texts and documentation
  ArgumentKind arguments[4];   // the fourth stands for all further ones
  Type result;                 // kAny: that of the arguments, or of the value
  std::string_view doc;        // one sentence
};

std::span<const FunctionInfo> functions();

// The function of that name, without case; null when there is none.
const FunctionInfo* find_function(std::string_view name);
const FunctionInfo& function_info(FunctionId id);

// docs/reference/sql.md: this table and the language's other lists as Markdown.
std::string reference_markdown();

}  // namespace meterhub::sql
