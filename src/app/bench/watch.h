// When results became visible to others: alert rows in SQLite, readings in Parquet files. Seen from
// another process, as any reader would.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>
#include <meterhub/sim/latencies.h>

namespace meterhub::app::bench {

// One thread.
class AlertWatch {
 public:
  // Rows from now on.
  static base::Result<AlertWatch> open(const std::string& database);
  // Takes what is new; its time is now.
  base::Result<void> look(base::Timestamp now);
  std::uint64_t rows() const { return rows_; }
  // From the time that the gateway wrote on the packet.
  const sim::Latencies& latencies() const { return latencies_; }

 private:
  explicit AlertWatch(std::unique_ptr<db::Connection> connection) : connection_(std::move(connection)) {}
  std::unique_ptr<db::Connection> connection_;
  std::int64_t last_ = 0;
  std::int64_t version_ = -1;
  std::uint64_t rows_ = 0;
  sim::Latencies latencies_;
};

// One thread.
class LakeWatch {
 public:
  LakeWatch(const base::Disk& disk, std::string lake) : disk_(disk), lake_(std::move(lake)) {}
  // Notes the files of commits since the last look: often enough that none is compacted meanwhile.
  base::Result<void> look();
  // From the time on the packet to the commit that made its file count; of readings since `from`.
  // Reads the files, so it belongs after the measurement. Files gone meanwhile are left out.
  base::Result<sim::Latencies> latencies(base::Timestamp from) const;

 private:
  const base::Disk& disk_;
  const std::string lake_;
  std::set<std::string> seen_;                        // records
  std::map<std::string, base::Timestamp> committed_;  // by file of fresh/
};

}  // namespace meterhub::app::bench
