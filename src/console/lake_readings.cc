#include "lake_readings.h"

#include <fmt/format.h>

#include <meterhub/base/time_text.h>
#include <meterhub/lake/query.h>

#include <meterhub/fleet/fleet_state.h>

namespace meterhub::console {
namespace {

constexpr std::uint64_t kMemory = 256ull << 20;

std::string query_of(base::Eui64 meter, base::Timestamp since) {
  auto from = base::rfc3339({since, 0});
  from.pop_back();  // a TIMESTAMP is UTC and has no zone
  return fmt::format(
      "SELECT strftime(DateTime, '%Y-%m-%dT%H:%M:%S.%gZ') AS time, Bought AS bought, Remaining AS left, "
      "TotalUsed AS used, MeterStatus AS status, MeterSoftwareVer AS version, Seq AS seq, "
      "CASE WHEN Gateways = '' THEN 0 ELSE len(string_split(Gateways, ',')) END AS gateways, "
      "BestRssi AS rssi, BestSnr AS snr FROM readings "
      "WHERE DeviceID = '{}' AND DateTime >= TIMESTAMP '{}' AND TotalUsed IS NOT NULL "
      "ORDER BY Session DESC, Generation DESC, Seq DESC LIMIT {}",
      meter.text(), from, fleet::FleetState::kRing);
}

// One object a line -> an array.
std::string array_of(std::string lines) {
  while (lines.ends_with('\n')) lines.pop_back();
  for (char& c : lines) c = c == '\n' ? ',' : c;
  return "[" + lines + "]";
}

base::Result<std::string> read(const base::Disk& disk, const std::string& directory, const std::string& sql) {
  auto lines = lake::query_text(disk, directory, sql, lake::Format::kJson, {.memory_limit = kMemory, .threads = 1});
  if (lines) return array_of(std::move(*lines));
  if (lines.error().code == base::Errc::kNotFound) return "[]";
  return lines;
}

}  // namespace

void LakeReadings::ask(base::Eui64 meter, base::Timestamp now, Done done) {
  if (directory_.empty()) return done("[]");
  if (waiting_->load() >= kQueriesMax) {
    return done(base::fail(base::Errc::kResourceExhausted, "too many questions to the lake at once; ask again"));
  }
  waiting_->fetch_add(1);
  thread_.post([&disk = disk_, directory = directory_, waiting = waiting_, sql = query_of(meter, now - kReach),
                done = std::move(done)]() mutable {
    auto answer = read(disk, directory, sql);
    waiting->fetch_sub(1);
    done(std::move(answer));
  });
}

}  // namespace meterhub::console
