#include "lake_rows.h"

#include <algorithm>
#include <array>
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

std::int64_t hour_of(const Reading& reading) { return reading.at.time_since_epoch() / std::chrono::hours(1); }
auto identity_of(const Reading& reading) { return std::tuple(reading.session, reading.generation, reading.fcnt); }

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

// Gathers rows, which nearly always come in the order of a block: that of a file is by meter and time.
class Gatherer {
 public:
  void add(const duck::Chunk& chunk) {
    const auto device = chunk.values<duck::Text>(0);
    const auto at = chunk.values<std::int64_t>(1);
    const auto session = chunk.values<std::uint32_t>(2);
    const auto generation = chunk.values<std::uint32_t>(3);
    const auto seq = chunk.values<std::uint32_t>(4);
    const auto used = chunk.values<std::int64_t>(5);
    const auto tenant = chunk.values<std::uint32_t>(6);
    for (std::size_t i = 0; i < chunk.rows(); ++i) {
      if (!reader_.read(device[i].view())) continue;
      add(base::Eui64(reader_.eui()), base::TenantNumber(tenant[i]),
          {.meter = {},
           .session = base::SessionNumber(session[i]),
           .generation = base::Generation(generation[i]),
           .fcnt = seq[i],
           .at = base::Timestamp(base::Duration(at[i])),
           .counter = used[i]});
    }
  }
  RowBlock finish() {
    if (!in_order_) sort();
    return std::move(block_);
  }

 private:
  void add(base::Eui64 eui, base::TenantNumber tenant, const Reading& reading) {
    auto& [readings, meters] = block_;
    if (meters.empty() || meters.back().eui != eui) {
      in_order_ &= meters.empty() || meters.back().eui < eui;
      meters.push_back({eui, tenant, readings.size(), readings.size()});
    } else {
      in_order_ &= readings.back().at <= reading.at && identity_of(readings.back()) < identity_of(reading);
    }
    readings.push_back(reading);
    ++meters.back().end;
  }

  void sort() {
    struct Row {
      base::Eui64 eui;
      base::TenantNumber tenant;
      Reading reading;
    };
    const auto place = [](const Row& row) {
      return std::tuple(row.eui, hour_of(row.reading), identity_of(row.reading));
    };
    std::vector<Row> rows;
    rows.reserve(block_.readings.size());
    for (const auto& meter : block_.meters) {
      for (const auto& reading : block_.of(meter)) rows.push_back({meter.eui, meter.tenant, reading});
    }
    std::ranges::sort(rows, {}, place);
    block_ = {};
    in_order_ = true;
    const Row* before = nullptr;
    for (const auto& row : rows) {
      if (before == nullptr || place(*before) != place(row)) add(row.eui, row.tenant, row.reading);
      before = &row;
    }
  }

  EuiReader reader_;
  RowBlock block_;
  bool in_order_ = true;
};

}  // namespace

std::span<const Reading> RowBlock::of(base::Eui64 eui) const {
  const auto found = std::ranges::lower_bound(meters, eui, {}, &MeterRows::eui);
  return found == meters.end() || found->eui != eui ? std::span<const Reading>() : of(*found);
}

RowBlock block_of(duck::Rows rows, std::uint64_t& rows_read) {
  Gatherer gatherer;
  while (const auto chunk = rows.next()) {
    gatherer.add(*chunk);
    rows_read += chunk->rows();
  }
  return gatherer.finish();
}

base::Result<LakeRows> LakeRows::open(const base::Disk& disk, const std::string& directory,
                                      std::uint64_t memory_limit) {
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
    for (auto& path : MH_TRY(lake::placed_paths(*disk_, directory_, state, hour, shard)))
      out.push_back(std::move(path));
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

base::Result<RowBlock> LakeRows::read(const lake::State& state, lake::Hour hour, base::Shard shard,
                                      const EuiRange& range, const TimeRange& times) {
  const auto micros = [](base::Timestamp time) {
    return "make_timestamp(" + std::to_string(time.time_since_epoch().count()) + ")";
  };
  std::string condition;
  if (!range.from.empty()) condition += " AND DeviceID >= " + duck::literal(range.from);
  if (!range.to.empty()) condition += " AND DeviceID < " + duck::literal(range.to);
  if (times.from != base::Timestamp::min()) condition += " AND DateTime >= " + micros(times.from);
  if (times.to != base::Timestamp::max()) condition += " AND DateTime < " + micros(times.to);
  const std::array hours{hour};
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
  auto groups =
      MH_TRY(connection_.query("SELECT stats_min_value, row_group_num_rows FROM parquet_metadata(" +
                               duck::literal(path) + ") WHERE path_in_schema = 'DeviceID' ORDER BY row_group_id"));
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
