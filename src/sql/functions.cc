#include <meterhub/sql/functions.h>

#include <algorithm>

#include <meterhub/base/assert.h>

#include "names.h"

namespace meterhub::sql {
namespace {

using enum FunctionKind;
using enum Tier;
using enum FunctionId;
using A = ArgumentKind;
using T = Type;
constexpr std::uint8_t kMany = kUnlimitedArguments;

// clang-format off
constexpr FunctionInfo kFunctions[] = {
    {kCount, "COUNT", kAggregate, kMust, 1, 1, "COUNT(*) | COUNT([DISTINCT] x)", {A::kAny}, T::kBigint, "Number of rows, of values that are not NULL, or of different ones."},
    {kSum, "SUM", kAggregate, kMust, 1, 1, "SUM(x)", {A::kNumber}, T::kAny, "Sum of the values that are not NULL; exact whatever the order; a bigint sum that overflows is a data error."},
    {kAvg, "AVG", kAggregate, kMust, 1, 1, "AVG(x)", {A::kNumber}, T::kFloat, "Mean of the values that are not NULL, always a float."},
    {kMin, "MIN", kAggregate, kMust, 1, 1, "MIN(x)", {A::kAny}, T::kAny, "Smallest value; text that is not cast to nvarchar(max) counts as a float."},
    {kMax, "MAX", kAggregate, kMust, 1, 1, "MAX(x)", {A::kAny}, T::kAny, "Largest value; text that is not cast to nvarchar(max) counts as a float."},
    {kStdev, "STDEV", kAggregate, kMust, 1, 1, "STDEV(x)", {A::kNumber}, T::kFloat, "Standard deviation of a sample; NULL for one value."},
    {kStdevp, "STDEVP", kAggregate, kMust, 1, 1, "STDEVP(x)", {A::kNumber}, T::kFloat, "Standard deviation of the whole population."},
    {kVar, "VAR", kAggregate, kMust, 1, 1, "VAR(x)", {A::kNumber}, T::kFloat, "Variance of a sample; NULL for one value."},
    {kVarp, "VARP", kAggregate, kMust, 1, 1, "VARP(x)", {A::kNumber}, T::kFloat, "Variance of the whole population."},
    {kTopOne, "TopOne", kAggregate, kMust, 0, 1, "TopOne([x]) OVER (ORDER BY col [DESC], ...)", {A::kAny}, T::kAny, "x, or the whole event as a record, of the first event in the order; of equals the earlier."},
    {kCollectTop, "CollectTop", kAggregate, kMust, 1, 2, "CollectTop(n [, x]) OVER (ORDER BY col [DESC], ...)", {A::kInteger, A::kAny}, T::kArray, "Array of {rank, value} of the first n events in the order."},
    {kCollect, "Collect", kAggregate, kMust, 0, 1, "Collect([x])", {A::kAny}, T::kArray, "Array of the values, or of the whole events, in order of time."},
    {kPercentileCont, "PERCENTILE_CONT", kAggregate, kShould, 1, 1, "PERCENTILE_CONT(p) OVER (ORDER BY x)", {A::kNumber}, T::kFloat, "The p-th part (0 to 1) of the ordered values, between two values interpolated."},
    {kPercentileDisc, "PERCENTILE_DISC", kAggregate, kShould, 1, 1, "PERCENTILE_DISC(p) OVER (ORDER BY x)", {A::kNumber}, T::kAny, "The value at the p-th part (0 to 1) of the ordered values."},

    {kLag, "LAG", kAnalytic, kMust, 1, 3, "LAG(x [, offset [, default]]) OVER ([PARTITION BY k] LIMIT DURATION(unit, n) [WHEN c])", {A::kAny, A::kInteger, A::kAny}, T::kAny, "x of the offset-th earlier event of the partition that satisfies c and is younger than n; not influenced by WHERE, ON and GROUP BY."},
    {kLast, "LAST", kAnalytic, kMust, 1, 2, "LAST(x [, default]) OVER ([PARTITION BY k] LIMIT DURATION(unit, n) [WHEN c])", {A::kAny, A::kAny}, T::kAny, "x of the newest event of the partition that satisfies c, the current one included."},
    {kIsFirst, "ISFIRST", kAnalytic, kMust, 2, 2, "ISFIRST(unit, n) [OVER ([PARTITION BY k] [WHEN c])]", {A::kUnit, A::kInteger}, T::kBigint, "1 for the first event of its tumbling interval that satisfies c, else 0."},
    {kSpikeAndDip, "AnomalyDetection_SpikeAndDip", kAnalytic, kShould, 3, 4, "AnomalyDetection_SpikeAndDip(x, confidence, historySize [, mode]) OVER ([PARTITION BY k] LIMIT DURATION(unit, n) [WHEN c])", {A::kNumber, A::kNumber, A::kInteger, A::kConstant}, T::kRecord, "Record {IsAnomaly, Score}: short departures from the history."},
    {kChangePoint, "AnomalyDetection_ChangePoint", kAnalytic, kShould, 3, 3, "AnomalyDetection_ChangePoint(x, confidence, historySize) OVER ([PARTITION BY k] LIMIT DURATION(unit, n) [WHEN c])", {A::kNumber, A::kNumber, A::kInteger}, T::kRecord, "Record {IsAnomaly, Score}: lasting changes of the history."},

    {kGetType, "GetType", kScalar, kMust, 1, 1, "GetType(x)", {A::kAny}, T::kText, "Name of the value's type."},
    {kDateAdd, "DATEADD", kScalar, kMust, 3, 3, "DATEADD(unit, n, t)", {A::kUnit, A::kNumber, A::kTime}, T::kDatetime, "t moved by n units; a fraction of n is cut off; months keep the day or take the month's last."},
    {kDateDiff, "DATEDIFF", kScalar, kMust, 3, 3, "DATEDIFF(unit, a, b)", {A::kUnit, A::kTime, A::kTime}, T::kBigint, "Number of the unit's boundaries crossed from a to b; in ON a and b are names of sources."},
    {kDatePart, "DATEPART", kScalar, kMust, 2, 2, "DATEPART(unit, t)", {A::kUnit, A::kTime}, T::kBigint, "A part of the time as a number; weekday: Sunday is 1."},
    {kDateName, "DATENAME", kScalar, kMust, 2, 2, "DATENAME(unit, t)", {A::kUnit, A::kTime}, T::kText, "A part of the time as text: English names of months and weekdays."},
    {kYear, "YEAR", kScalar, kMust, 1, 1, "YEAR(t)", {A::kTime}, T::kBigint, "DATEPART(year, t)."},
    {kMonth, "MONTH", kScalar, kMust, 1, 1, "MONTH(t)", {A::kTime}, T::kBigint, "DATEPART(month, t)."},
    {kDay, "DAY", kScalar, kMust, 1, 1, "DAY(t)", {A::kTime}, T::kBigint, "DATEPART(day, t)."},
    {kDateTimeFromParts, "DATETIMEFROMPARTS", kScalar, kMust, 7, 7, "DATETIMEFROMPARTS(year, month, day, hour, minute, second, millisecond)", {A::kNumber, A::kNumber, A::kNumber, A::kNumber}, T::kDatetime, "The time with these parts."},

    {kCoalesce, "COALESCE", kScalar, kMust, 1, kMany, "COALESCE(x, ...)", {A::kAny}, T::kAny, "The first argument that is not NULL."},
    {kNullIf, "NULLIF", kScalar, kMust, 2, 2, "NULLIF(a, b)", {A::kAny, A::kAny}, T::kAny, "NULL if a equals b, else a."},

    {kAbs, "ABS", kScalar, kMust, 1, 1, "ABS(x)", {A::kNumber}, T::kAny, "Absolute value, of the argument's type."},
    {kCeiling, "CEILING", kScalar, kMust, 1, 1, "CEILING(x)", {A::kNumber}, T::kAny, "Smallest whole number not below x, of the argument's type."},
    {kFloor, "FLOOR", kScalar, kMust, 1, 1, "FLOOR(x)", {A::kNumber}, T::kAny, "Largest whole number not above x, of the argument's type."},
    {kRound, "ROUND", kScalar, kMust, 2, 2, "ROUND(x, n)", {A::kNumber, A::kNumber}, T::kAny, "x rounded to n decimals, halves away from zero in decimal sense."},
    {kPower, "POWER", kScalar, kMust, 2, 2, "POWER(x, y)", {A::kNumber, A::kNumber}, T::kAny, "x to the power of y, of x's type."},
    {kSqrt, "SQRT", kScalar, kMust, 1, 1, "SQRT(x)", {A::kNumber}, T::kFloat, "Square root."},
    {kSquare, "SQUARE", kScalar, kMust, 1, 1, "SQUARE(x)", {A::kNumber}, T::kFloat, "x times x."},
    {kSign, "SIGN", kScalar, kMust, 1, 1, "SIGN(x)", {A::kNumber}, T::kAny, "-1, 0 or 1."},
    {kExp, "EXP", kScalar, kMust, 1, 1, "EXP(x)", {A::kNumber}, T::kFloat, "e to the power of x."},

    {kConcat, "CONCAT", kScalar, kMust, 2, kMany, "CONCAT(x, y, ...)", {A::kAny}, T::kText, "The arguments as one text; NULL is empty."},
    {kConcatWs, "CONCAT_WS", kScalar, kMust, 3, kMany, "CONCAT_WS(separator, x, y, ...)", {A::kText, A::kAny}, T::kText, "The arguments with the separator between them; NULLs are skipped."},
    {kSubstring, "SUBSTRING", kScalar, kMust, 3, 3, "SUBSTRING(s, start, length)", {A::kText, A::kNumber, A::kNumber}, T::kText, "Part of the text; the first character is 1, a start below 1 shortens the result."},
    {kLeft, "LEFT", kScalar, kMust, 2, 2, "LEFT(s, n)", {A::kText, A::kNumber}, T::kText, "The first n characters."},
    {kRight, "RIGHT", kScalar, kMust, 2, 2, "RIGHT(s, n)", {A::kText, A::kNumber}, T::kText, "The last n characters."},
    {kLen, "LEN", kScalar, kMust, 1, 1, "LEN(s)", {A::kText}, T::kBigint, "Number of characters without trailing blanks."},
    {kUpper, "UPPER", kScalar, kMust, 1, 1, "UPPER(s)", {A::kText}, T::kText, "The text in capital letters."},
    {kLower, "LOWER", kScalar, kMust, 1, 1, "LOWER(s)", {A::kText}, T::kText, "The text in small letters."},
    {kLtrim, "LTRIM", kScalar, kMust, 1, 1, "LTRIM(s)", {A::kText}, T::kText, "The text without leading blanks."},
    {kRtrim, "RTRIM", kScalar, kMust, 1, 1, "RTRIM(s)", {A::kText}, T::kText, "The text without trailing blanks."},
    {kTrim, "TRIM", kScalar, kMust, 1, 1, "TRIM(s)", {A::kText}, T::kText, "The text without leading and trailing blanks."},
    {kReplace, "REPLACE", kScalar, kMust, 3, 3, "REPLACE(s, what, by)", {A::kText, A::kText, A::kText}, T::kText, "Every `what` replaced; NULL in any argument gives NULL."},
    {kCharIndex, "CHARINDEX", kScalar, kMust, 2, 3, "CHARINDEX(what, s [, from])", {A::kText, A::kText, A::kNumber}, T::kBigint, "Place of the first `what` in s, from 1; 0 if there is none."},
    {kPatIndex, "PATINDEX", kScalar, kShould, 2, 2, "PATINDEX('%pattern%', s)", {A::kText, A::kText}, T::kBigint, "Place of the first match of a LIKE pattern, from 1; 0 if there is none."},
    {kRegexMatch, "REGEXMATCH", kScalar, kShould, 2, 2, "REGEXMATCH(s, pattern)", {A::kText, A::kText}, T::kBigint, "Place of the first match of a regular expression, without case; 0 if there is none."},
    {kStuff, "STUFF", kScalar, kShould, 4, 4, "STUFF(s, start, length, by)", {A::kText, A::kNumber, A::kNumber, A::kText}, T::kText, "Part of the text replaced by another text."},
    {kTranslate, "TRANSLATE", kScalar, kShould, 3, 3, "TRANSLATE(s, from, to)", {A::kText, A::kText, A::kText}, T::kText, "Each character of `from` replaced by the one at its place in `to`; both of equal length."},
    {kReplicate, "REPLICATE", kScalar, kShould, 2, 2, "REPLICATE(s, n)", {A::kText, A::kNumber}, T::kText, "The text n times."},
    {kReverse, "REVERSE", kScalar, kShould, 1, 1, "REVERSE(s)", {A::kText}, T::kText, "The characters in reverse order."},
    {kSpace, "SPACE", kScalar, kShould, 1, 1, "SPACE(n)", {A::kNumber}, T::kText, "n blanks."},
    {kNchar, "NCHAR", kScalar, kShould, 1, 1, "NCHAR(n)", {A::kNumber}, T::kText, "The character with this Unicode number."},
    {kUnicode, "UNICODE", kScalar, kShould, 1, 1, "UNICODE(s)", {A::kText}, T::kBigint, "The Unicode number of the first character."},
    {kJsonParse, "JSON_PARSE", kScalar, kShould, 1, 1, "JSON_PARSE(s)", {A::kText}, T::kAny, "The value that the JSON text holds."},

    {kGetArrayElement, "GetArrayElement", kScalar, kMust, 2, 2, "GetArrayElement(array, index)", {A::kArray, A::kNumber}, T::kAny, "The element at this place, from 0; NULL outside."},
    {kGetArrayElements, "GetArrayElements", kApply, kMust, 1, 1, "CROSS | OUTER APPLY GetArrayElements(array) AS alias", {A::kArray}, T::kAny, "One row for each element: ArrayIndex (from 0), ArrayValue."},
    {kGetArrayLength, "GetArrayLength", kScalar, kMust, 1, 1, "GetArrayLength(array)", {A::kArray}, T::kBigint, "Number of elements."},
    {kGetRecordPropertyValue, "GetRecordPropertyValue", kScalar, kMust, 2, 2, "GetRecordPropertyValue(record, name)", {A::kRecord, A::kText}, T::kAny, "The value of the record's field of this name; NULL if there is none."},
    {kGetRecordProperties, "GetRecordProperties", kApply, kMust, 1, 1, "CROSS | OUTER APPLY GetRecordProperties(record) AS alias", {A::kRecord}, T::kAny, "One row for each field: PropertyName, PropertyValue."},
    {kGetMetadataPropertyValue, "GetMetadataPropertyValue", kScalar, kMust, 2, 2, "GetMetadataPropertyValue(source, name)", {A::kSource, A::kConstant}, T::kAny, "What the platform knows of the event: EventId, arrival time, partition, offset, sequence number, device, user properties."},

    {kCreatePoint, "CreatePoint", kScalar, kLater, 2, 2, "CreatePoint(latitude, longitude)", {A::kNumber, A::kNumber}, T::kRecord, "A point on the map."},
    {kCreateLineString, "CreateLineString", kScalar, kLater, 2, kMany, "CreateLineString(point, point, ...)", {A::kRecord}, T::kRecord, "A line on the map."},
    {kCreatePolygon, "CreatePolygon", kScalar, kLater, 3, kMany, "CreatePolygon(point, point, point, ...)", {A::kRecord}, T::kRecord, "An area on the map."},
    {kStDistance, "ST_DISTANCE", kScalar, kLater, 2, 2, "ST_DISTANCE(a, b)", {A::kRecord}, T::kFloat, "Distance in metres."},
    {kStIntersects, "ST_INTERSECTS", kScalar, kLater, 2, 2, "ST_INTERSECTS(a, b)", {A::kRecord}, T::kBigint, "1 if the two meet."},
    {kStOverlaps, "ST_OVERLAPS", kScalar, kLater, 2, 2, "ST_OVERLAPS(a, b)", {A::kRecord}, T::kBigint, "1 if the two areas share a part."},
    {kStWithin, "ST_WITHIN", kScalar, kLater, 2, 2, "ST_WITHIN(a, b)", {A::kRecord}, T::kBigint, "1 if a lies inside b."},
    {kUser, "udf.", kScalar, kLater, 0, kMany, "udf.name(...) | uda.name(...)", {A::kAny}, T::kAny, "A function of the user's own."},
};
// clang-format on

}  // namespace

std::span<const FunctionInfo> functions() { return kFunctions; }

const FunctionInfo* find_function(std::string_view name) {
  const auto found = std::ranges::find_if(kFunctions, [&](const FunctionInfo& f) { return same_name(f.name, name); });
  return found == std::end(kFunctions) || found->id == kUser ? nullptr : &*found;
}

const FunctionInfo& function_info(FunctionId id) {
  const auto found = std::ranges::find(kFunctions, id, &FunctionInfo::id);
  MH_ASSERT(found != std::end(kFunctions));
  return *found;
}

}  // namespace meterhub::sql
