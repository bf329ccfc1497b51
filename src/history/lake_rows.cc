#include "lake_rows.h"

#include <algorithm>
#include <filesystem>
#include <tuple>

#include <meterhub/lake/query.h>

namespace meterhub::history {
namespace {

using consumption::Reading;

std::string absolute(const std::string& directory) {
  std::error_code error;
  auto path = std::filesystem::absolute(directory, error).lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return error ? directory : path;
}

std::string files_sql(const std::vector<std::string>& paths) {
  std::string list;
  for (const auto& path : paths) list += (list.empty() ? "" : ", ") + duck::literal(path);
  return "read_parquet([" + list + "], hive_partitioning = false)";
}

struct Row {
  std::uint64_t eui = 0;
  base::TenantNumber tenant;
  Reading reading;
};

auto place_of(const Row& row) {
  const auto hour = row.reading.at.time_since_epoch() / std::chrono::hours(1);
  return std::tuple(row.eui, hour, row.reading.session, row.reading.generation, row.reading.fcnt);
}

// An EUI in the form that the archive writes it. Rows follow each other by meter: most are the one before.
class EuiReader {
 public:
  bool read(std::string_view text) {
    if (text == text_) return ok_;
    text_ = text;
    const auto parsed = base::Eui64::parse(text);
    ok_ = parsed.has_value();
    if (ok_) eui_ = parsed->value;
    return ok_;
  }
  std::uint64_t eui() const { return eui_; }

 private:
  std::string text_;
  std::uint64_t eui_ = 0;
  bool ok_ = false;
};

void append(std::vector<Row>& out, const duck::Chunk& chunk, EuiReader& reader) {
  const auto device = chunk.values<duck::Text>(0);
  const auto at = chunk.values<std::int64_t>(1);
  const auto session = chunk.values<std::uint32_t>(2);
  const auto generation = chunk.values<std::uint32_t>(3);
  const auto seq = chunk.values<std::uint32_t>(4);
  const auto used = chunk.values<std::int64_t>(5);
  const auto tenant = chunk.values<std::uint32_t>(6);
  for (std::size_t i = 0; i < chunk.rows(); ++i) {
    if (!reader.read(device[i].view())) continue;
    Row& row = out.emplace_back();
    row.eui = reader.eui();
    row.tenant = base::TenantNumber(tenant[i]);
    row.reading = {.meter = {},
                   .session = base::SessionNumber(session[i]),
                   .generation = base::Generation(generation[i]),
                   .fcnt = seq[i],
                   .at = base::Timestamp(base::Duration(at[i])),
                   .counter = used[i]};
  }
}

}  // namespace

std::span<const Reading> RowBlock::of(base::Eui64 eui) const {
  const auto found = std::ranges::lower_bound(meters, eui, {}, &MeterRows::eui);
  return found == meters.end() || found->eui != eui ? std::span<const Reading>() : of(*found);
}

RowBlock block_of(duck::Rows rows, std::uint64_t& rows_read) {
  std::vector<Row> all;
  EuiReader reader;
  while (const auto chunk = rows.next()) append(all, *chunk, reader);
  rows_read += all.size();
  // A file is in the order of meter and time, which is that of counters where clocks are right.
  if (!std::ranges::is_sorted(all, {}, place_of)) std::ranges::sort(all, {}, place_of);
  RowBlock out;
  out.readings.reserve(all.size());
  const Row* before = nullptr;
  for (const Row& row : all) {
    if (before != nullptr && place_of(*before) == place_of(row)) continue;
    if (before == nullptr || before->eui != row.eui) {
      out.meters.push_back({base::Eui64(row.eui), row.tenant, out.readings.size(), out.readings.size()});
    }
    out.readings.push_back(row.reading);
    ++out.meters.back().end;
    before = &row;
  }
  return out;
}

base::Result<LakeRows> LakeRows::open(const base::Disk& disk, const std::string& directory, std::uint64_t memory_limit) {
  const auto root = absolute(directory);
  auto database = MH_TRY(duck::Database::open({.path = {},
                                               .memory_limit = memory_limit,
                                               .threads = 1,
                                               .temp_directory = {},
                                               .external_access = false,
                                               .allowed_directories = {root},
                                               .lock_configuration = true}));
  auto connection = MH_TRY(database.connect());
  auto asked = MH_TRY(connection.register_batch_source("asked_meters", {{"DeviceID", duck::Type::kVarchar}}));
  return LakeRows(disk, root, std::move(connection), std::move(asked));
}

base::Result<std::vector<std::string>> LakeRows::paths(const lake::State& state, std::span<const lake::Hour> hours,
                                                       base::Shard shard) const {
  std::vector<std::string> out;
  for (const auto hour : hours) {
    for (auto& path : MH_TRY(lake::placed_paths(*disk_, directory_, state, hour, shard))) out.push_back(std::move(path));
  }
  return out;
}

base::Result<RowBlock> LakeRows::query(const std::vector<std::string>& paths, const std::string& condition) {
  if (paths.empty()) return RowBlock();
  auto rows = connection_.query("SELECT " + std::string(kBlockColumns) + " FROM " + files_sql(paths) + " WHERE " +
                                std::string(kHasCounter) + condition);
  if (!rows) return std::unexpected(std::move(rows).error());
  return block_of(std::move(*rows), rows_read_);
}

base::Result<RowBlock> LakeRows::read(const lake::State& state, std::span<const lake::Hour> hours, base::Shard shard,
                                      const EuiRange& range) {
  std::string condition;
  if (!range.from.empty()) condition += " AND DeviceID >= " + duck::literal(range.from);
  if (!range.to.empty()) condition += " AND DeviceID < " + duck::literal(range.to);
  const auto from = MH_TRY(paths(state, hours, shard));
  return query(from, condition);
}

base::Result<RowBlock> LakeRows::read(const lake::State& state, std::span<const lake::Hour> hours, base::Shard shard,
                                      std::span<const base::Eui64> meters) {
  const auto from = MH_TRY(paths(state, hours, shard));
  duck::Batch batch({{"DeviceID", duck::Type::kVarchar}});
  for (const auto meter : meters) batch.append_copy(0, meter.text());
  asked_.bind(batch.view());
  auto out = query(from, " AND DeviceID IN (SELECT DeviceID FROM asked_meters())");
  asked_.clear();
  return out;
}

base::Result<std::vector<base::Eui64>> LakeRows::meters_in(std::span<const std::string> paths) {
  std::vector<base::Eui64> out;
  if (paths.empty()) return out;
  std::vector<std::string> full;
  for (const auto& path : paths) full.push_back(base::join_path(directory_, path));
  auto rows = MH_TRY(connection_.query("SELECT DISTINCT DeviceID FROM " + files_sql(full)));
  while (const auto chunk = rows.next()) {
    for (std::size_t i = 0; i < chunk->rows(); ++i) {
      if (const auto eui = base::Eui64::parse(chunk->text(0, i))) out.push_back(*eui);
    }
  }
  std::ranges::sort(out);
  return out;
}

base::Result<std::vector<EuiRange>> LakeRows::ranges(const lake::State& state, lake::Hour hour, base::Shard shard,
                                                     std::uint64_t rows) {
  std::vector<EuiRange> out{{}};
  const auto files = state.hours.find(hour);
  if (files == state.hours.end()) return out;
  const auto object = files->second.base.find(shard);
  if (object == files->second.base.end() || object->second.rows <= rows) return out;
  const auto hours = std::array{hour};
  const auto path = MH_TRY(paths(state, hours, shard)).front();
  auto groups = MH_TRY(connection_.query("SELECT stats_min_value, row_group_num_rows FROM parquet_metadata(" + duck::literal(path) +
                                         ") WHERE path_in_schema = 'DeviceID' ORDER BY row_group_id"));
  std::uint64_t gathered = 0;
  while (const auto chunk = groups.next()) {
    for (std::size_t i = 0; i < chunk->rows(); ++i) {
      if (gathered >= rows && !chunk->is_null(0, i)) {
        const std::string cut(chunk->text(0, i));
        if (cut > out.back().from) {
          out.back().to = cut;
          out.push_back({cut, {}});
          gathered = 0;
        }
      }
      gathered += static_cast<std::uint64_t>(chunk->values<std::int64_t>(1)[i]);
    }
  }
  return out;
}

}  // namespace meterhub::history
