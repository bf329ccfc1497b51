// Where things lie below the lake's directory, and which table they make
// (docs/formats/lake.md):
//
//   readings/date=YYYY-MM-DD/hour=HH/shard-NN.parquet   closed hours, one object per shard
//   readings/date=YYYY-MM-DD/hour=HH/late-NN-S.parquet  what came after closing
//   fresh/pPP-eE-S-n.parquet                            open hours, small sorted files
//   changes/pPP-eE-S-n.parquet                          values that were replaced
//   staging/…                                           written, not yet in its place
//   _manifest/…                                         which of these count
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/duck/batch.h>

namespace meterhub::lake {

// Hours since 1970, UTC. Text: "2016-12-21T03".
using Hour = base::Id<struct HourTag, std::int64_t>;

Hour hour_of(base::Timestamp time);
base::Timestamp end_of(Hour hour);
std::string text_of(Hour hour);
base::Result<Hour> parse_hour(std::string_view text);

// Relative to the lake's directory.
std::string hour_directory(Hour hour);                       // "readings/date=2016-12-21/hour=03"
std::string base_path(Hour hour, base::Shard shard);         // ".../shard-07.parquet"
std::string late_path(Hour hour, base::Shard shard, std::uint64_t sequence);

// The table `readings`: the case study's nine columns, then ours. Fresh files hold two
// more at the end: Shard and Redo.
const std::vector<duck::Column>& reading_columns();
const std::vector<duck::Column>& fresh_columns();
// The table `changes`: identity, when and why, then each value before and after.
const std::vector<duck::Column>& change_columns();
// "DeviceID, DateTime, …": the columns of `readings`, for a SELECT.
const std::string& column_list();

// The shards that share a partition, and who writes them. partition = shard mod partitions.
struct Owner {
  base::PartitionId partition;
  std::uint32_t partitions = 8;
  base::Epoch epoch;

  std::vector<base::Shard> shards() const;
  bool operator==(const Owner&) const = default;
  bool owns(base::Shard shard) const { return base::partition_of(shard, partitions) == partition; }
};

}  // namespace meterhub::lake
