// Counters of the lake's closed hours, as consumption reads them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/consumption/consumption.h>
#include <meterhub/duck/database.h>
#include <meterhub/lake/manifest.h>

namespace meterhub::history {

// One meter's readings in a RowBlock: by hour, in the order of their counters within it, each once.
struct MeterRows {
  base::Eui64 eui;
  base::TenantNumber tenant;  // as its first row says
  std::size_t first = 0, end = 0;
};
struct RowBlock {
  std::vector<consumption::Reading> readings;
  std::vector<MeterRows> meters;  // EUIs rise

  std::span<const consumption::Reading> of(const MeterRows& meter) const {
    return std::span(readings).subspan(meter.first, meter.end - meter.first);
  }
  // Empty when it has none.
  std::span<const consumption::Reading> of(base::Eui64 eui) const;
};

// [from, to) of EUIs as texts; empty: open.
struct EuiRange {
  std::string from, to;
};
// [from, to).
struct TimeRange {
  base::Timestamp from = base::Timestamp::min(), to = base::Timestamp::max();
};

// One thread. Errors: kIo when a file was moved meanwhile (a newer state knows where), those of DuckDB.
class LakeRows {
 public:
  static base::Result<LakeRows> open(const base::Disk& disk, const std::string& directory, std::uint64_t memory_limit);

  // Readings with a counter of this hour and shard.
  base::Result<RowBlock> read(const lake::State& state, lake::Hour hour, base::Shard shard, const EuiRange& range,
                              const TimeRange& times = {});
  // Of these hours and meters only; EUIs rise.
  base::Result<RowBlock> read(const lake::State& state, std::span<const lake::Hour> hours, base::Shard shard,
                              std::span<const base::Eui64> meters);
  // Meters that have a row in these files, paths below the lake; EUIs rise.
  base::Result<std::vector<base::Eui64>> meters_in(std::span<const std::string> paths);
  // Cuts the hour's object into ranges of about `rows` rows, along its row groups.
  base::Result<std::vector<EuiRange>> ranges(const lake::State& state, lake::Hour hour, base::Shard shard,
                                             std::uint64_t rows);

  std::uint64_t rows_read() const { return rows_read_; }

 private:
  LakeRows(const base::Disk& disk, std::string directory, duck::Connection connection, duck::BatchSource asked)
      : disk_(&disk), directory_(std::move(directory)), connection_(std::move(connection)), asked_(std::move(asked)) {}
  base::Result<std::vector<std::string>> paths(const lake::State& state, std::span<const lake::Hour> hours,
                                               base::Shard shard) const;
  base::Result<RowBlock> query(const std::vector<std::string>& paths, const std::string& condition);

  const base::Disk* disk_;
  std::string directory_;
  duck::Connection connection_;
  duck::BatchSource asked_;  // the table asked_meters()
  std::uint64_t rows_read_ = 0;
};

// Rows of the columns DeviceID, DateTime, Session, Generation, Seq, TotalUsed, Tenant as a block. `rows_read` counts
// them.
RowBlock block_of(duck::Rows rows, std::uint64_t& rows_read);
inline constexpr std::string_view kBlockColumns = "DeviceID, DateTime, Session, Generation, Seq, TotalUsed, Tenant";
// Rows without a counter say nothing about consumption.
inline constexpr std::string_view kHasCounter = "TotalUsed >= 0";

}  // namespace meterhub::history
