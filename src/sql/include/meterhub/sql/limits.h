// What a query may be at most: text that goes beyond is refused, whoever wrote it.
#pragma once

#include <cstddef>
#include <cstdint>

#include <meterhub/sql/types.h>

namespace meterhub::sql {

inline constexpr std::size_t kQueryBytesMax = 64 * 1024;
inline constexpr std::uint32_t kNestingMax = 200;       // levels of an expression or query
inline constexpr std::size_t kStepsMax = 256;
inline constexpr std::size_t kExpressionNodesMax = 200'000;  // after alias substitution
inline constexpr std::size_t kDiagnosticsMax = 50;
// Values that AnomalyDetection_* keeps of a key, 16 bytes each. Scoring a spike takes time linear in
// them, scoring a change the square.
inline constexpr std::int64_t kSpikeHistoryMax = 10'000;
inline constexpr std::int64_t kChangeHistoryMax = 2'000;
// Of MATCH_RECOGNIZE: places for variables in a pattern whose repetitions are written out.
inline constexpr std::uint64_t kPatternPositionsMax = 200;
inline constexpr std::size_t kPatternVariablesMax = 50;
inline constexpr Ticks kWindowMax = 7 * kTicksPerDay;

}  // namespace meterhub::sql
