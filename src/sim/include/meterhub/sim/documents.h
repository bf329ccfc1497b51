// What a fleet's platform would have in its logs, written to files in a moment: decoded
// documents of hours of stream time, with incidents that the queries of queries/ look for, and the
// truth about them. No platform, no clock, no network; the same options give the same bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>

namespace meterhub::sim {

struct DocumentOptions {
  std::uint64_t seed = 1;
  std::uint32_t meters = 300;
  base::Timestamp begin{};                       // stream time of the first packet, about
  std::chrono::seconds span{std::chrono::hours(4)};
  std::chrono::milliseconds interval{30'000};    // between two packets of a meter
  std::chrono::hours local_time{8};              // the town's offset from UTC: when people cook
  double lost_on_air = 0.01;                     // outside bad spells, in which 40 % are lost
  bool incidents = true;                         // false: an untroubled fleet
};
inline constexpr std::uint32_t kDocumentMetersMax = 100'000;

struct DocumentCounts {
  std::uint64_t packets = 0;     // meant to be sent
  std::uint64_t heard = 0;       // by a gateway at least: documents in readings.jsonl
  std::uint64_t receptions = 0;  // copies and resends too: documents in decoded.jsonl
  std::uint64_t incidents = 0;
};

// Writes readings.jsonl (each packet once, as its first copy came), decoded.jsonl (every
// reception), Meters.csv (the pack's reference data) and truth.jsonl (docs/formats/fleet-truth.md)
// into `directory`, making it; files of these names are replaced. Documents lie in order of arrival and
// carry it as EventEnqueuedUtcTime. kInvalidArgument: no or too many meters, no interval.
base::Result<DocumentCounts> write_documents(const DocumentOptions& options, base::Disk& disk,
                                             const std::string& directory);

}  // namespace meterhub::sim
