// Bytes of the roll-ups' blobs (docs/formats/usage.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/tables/usage.h>

namespace meterhub::tables {

std::string_view period_name(UsagePeriod period);  // "5min", "hour", "day"

// All readers: kCorrupt for bytes that are none of ours.
std::string sums_bytes(const UsageSums& sums);
base::Result<UsageSums> parse_sums(std::string_view bytes);
std::string spans_bytes(const MeterSpans& spans);
base::Result<MeterSpans> parse_spans(std::string_view bytes);
std::string meters_bytes(const std::vector<std::uint64_t>& meters);
base::Result<std::vector<std::uint64_t>> parse_meters(std::string_view bytes);

}  // namespace meterhub::tables
