// Where rows go whose identity may be in the lake already: to the reading that has it.
#include <algorithm>
#include <set>

#include "writer_state.h"

namespace meterhub::lake {
namespace {

// A copy of a reading has the time at which it came where its gateway has no clock, and may come
// weeks after: whether its identity is there is asked of all hours that a gateway's clock or
// patience reaches back to.
constexpr std::chrono::days kLookBack{62};

constexpr std::string_view kIdentity = "DeviceID, Session, Generation, Seq";

struct Files {
  std::vector<std::string> plain, by_identity;
};

std::string part_sql(const std::vector<std::string>& paths, std::string_view rank) {
  std::string list;
  for (const auto& path : paths) list += (list.empty() ? "" : ", ") + duck::literal(path);
  return "SELECT " + column_list() + ", " + std::string(rank) + " AS Rank FROM read_parquet([" + list +
         "], hive_partitioning = false)";
}

// Of each identity in fresh_rows() the row that counts, as in readings_sql(); empty when there is no file to ask.
std::string lookup_sql(const Files& files) {
  std::string all;
  if (!files.plain.empty()) all = part_sql(files.plain, "1::UBIGINT");
  if (!files.by_identity.empty()) all += (all.empty() ? "" : " UNION ALL ") + part_sql(files.by_identity, "Redo");
  if (all.empty()) return {};
  const std::string identity(kIdentity);
  return "SELECT " + column_list() + " FROM (" + all + ") SEMI JOIN (SELECT " + identity +
         " FROM fresh_rows()) USING (" + identity + ") QUALIFY row_number() OVER (PARTITION BY " + identity +
         " ORDER BY Rank DESC, EnqueuedTime) = 1";
}

base::Timestamp timestamp(std::int64_t micros) { return base::Timestamp(base::Duration(micros)); }

// One row of a chunk whose columns are reading_columns(). `meter` and `offset` are not stored.
class RowOf {
 public:
  RowOf(const duck::Chunk& chunk, std::size_t row) : chunk_(chunk), row_(row) {}

  Reading read() {
    Reading out;
    out.device = text();
    out.time = timestamp(*number<std::int64_t>());
    out.type = number<std::int32_t>();
    out.code = number<std::int32_t>();
    out.bought = number<std::int64_t>();
    out.left = number<std::int64_t>();
    out.used = number<std::int64_t>();
    out.status = number<std::int32_t>();
    out.version = maybe_text();
    out.tenant = base::TenantNumber(*number<std::uint32_t>());
    out.session = base::SessionNumber(*number<std::uint32_t>());
    out.generation = base::Generation(*number<std::uint32_t>());
    out.fcnt = *number<std::uint32_t>();
    out.enqueued = timestamp(*number<std::int64_t>());
    out.late = *number<std::uint8_t>() != 0;
    out.port = number<std::uint8_t>();
    out.gateways = text();
    out.best_rssi = number<std::int32_t>();
    out.best_snr = number<double>();
    out.payload = maybe_text();
    return out;
  }

 private:
  template <class T>
  std::optional<T> number() {
    const auto column = column_++;
    return chunk_.is_null(column, row_) ? std::nullopt : std::optional(chunk_.values<T>(column)[row_]);
  }
  std::optional<std::string> maybe_text() {
    const auto column = column_++;
    return chunk_.is_null(column, row_) ? std::nullopt : std::optional(std::string(chunk_.text(column, row_)));
  }
  std::string text() { return maybe_text().value_or(std::string()); }

  const duck::Chunk& chunk_;
  const std::size_t row_;
  std::size_t column_ = 0;
};

std::vector<const Reading*> not_in(const ByIdentity& there, const std::vector<const Reading*>& asked) {
  std::vector<const Reading*> out;
  for (const Reading* row : asked) {
    if (!there.contains(identity_of(*row))) out.push_back(row);
  }
  return out;
}

// The hours in which the asked say they were, and those beside them.
std::set<Hour> near(const std::vector<const Reading*>& asked) {
  std::set<Hour> out;
  for (const Reading* row : asked) {
    const auto hour = hour_of(row->time).value;
    for (const auto beside : {hour - 1, hour, hour + 1}) out.insert(Hour(beside));
  }
  return out;
}

}  // namespace

base::Result<void> Writer::State_::look_up(const Owner& owner, const std::vector<const Reading*>& asked,
                                           const Reach& reach, ByIdentity& there) {
  if (asked.empty()) return {};
  std::set<base::Shard> shards;
  for (const Reading* row : asked) shards.insert(base::shard_of(row->meter));
  const auto concerns = [&](base::Shard shard) { return shards.contains(shard); };
  Files files;
  for (const auto& [hour, placed] : manifest.state().hours) {
    if (!reach(hour)) continue;
    for (const auto& [shard, file] : placed.base) {
      if (concerns(shard)) files.plain.push_back(full(file.path));
    }
    for (const auto& file : placed.late) {
      if (concerns(file.shard)) files.plain.push_back(full(file.path));
    }
  }
  for (const auto& [path, file] : manifest.state().fresh) {
    if (file.partition != owner.partition || !reach(file.hour) || std::ranges::none_of(file.shards, concerns)) continue;
    (file.by_identity ? files.by_identity : files.plain).push_back(full(path));
  }
  const auto sql = lookup_sql(files);
  if (sql.empty()) return {};
  fill_batch(batch, asked);
  source.bind(batch.view());
  auto found = connection.query(sql);
  while (const auto chunk = found ? found->next() : std::nullopt) {
    for (std::size_t i = 0; i < chunk->rows(); ++i) {
      auto row = RowOf(*chunk, i).read();
      auto identity = identity_of(row);
      there.try_emplace(std::move(identity), std::move(row));
    }
  }
  source.clear();
  if (!found) return std::unexpected(found.error());
  return {};
}

base::Result<Placing> Writer::State_::place(const Owner& owner, base::Offset to, std::span<const Reading> rows) {
  MH_TRY_VOID(put_in_place(owner));
  std::vector<Reading> wanted;
  for (const Reading& row : rows) {
    const auto next = manifest.state().shards[base::shard_of(row.meter).value].next;
    if (row.offset >= next && row.offset < to) wanted.push_back(row);
  }
  std::vector<const Reading*> asked;
  for (const Reading& row : wanted) {
    if (by_identity(row)) asked.push_back(&row);
  }
  ByIdentity there;
  if (!asked.empty()) {
    // What is decoded again is nearly always where it says: days of replay do not read weeks of history a block.
    const auto hours = near(asked);
    MH_TRY_VOID(look_up(owner, asked, [&](Hour hour) { return hours.contains(hour); }, there));
    const auto left = not_in(there, asked);
    const auto earliest =
        left.empty() ? Hour()
                     : hour_of((*std::ranges::min_element(left, {}, &Reading::enqueued))->enqueued - kLookBack);
    MH_TRY_VOID(look_up(owner, left, [&](Hour hour) { return hour >= earliest; }, there));
  }
  return placed_rows(std::move(wanted), std::move(there));
}

}  // namespace meterhub::lake
