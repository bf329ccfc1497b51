#include <meterhub/lake/plan.h>

#include <algorithm>
#include <set>

#include <meterhub/duck/database.h>

namespace meterhub::lake {
namespace {

// More than this share of an object's rows, and rewriting it is cheaper than reading
// late files ever after.
constexpr std::uint64_t kRewriteShare = 8;

constexpr std::string_view kIdentity = "DeviceID, Session, Generation, Seq";

std::string files_sql(const std::vector<std::string>& paths) {
  std::string list;
  for (const auto& path : paths) list += (list.empty() ? "" : ", ") + duck::literal(path);
  return "read_parquet([" + list + "], hive_partitioning = false)";
}

std::string where_shard(std::optional<base::Shard> shard) {
  return shard ? " WHERE Shard = " + std::to_string(shard->value) : std::string();
}

std::string nothing_sql(const std::vector<duck::Column>& of) {
  std::string columns;
  for (const auto& column : of) {
    columns +=
        (columns.empty() ? "" : ", ") + ("NULL::" + std::string(duck::name_of(column.type))) + " AS " + column.name;
  }
  return "SELECT " + columns + " WHERE false";
}

std::string plain_sql(const std::vector<std::string>& placed, const std::vector<std::string>& fresh,
                      std::optional<base::Shard> shard) {
  std::string sql;
  if (!placed.empty()) sql = "SELECT " + column_list() + " FROM " + files_sql(placed);
  if (!fresh.empty()) {
    if (!sql.empty()) sql += " UNION ALL ";
    sql += "SELECT " + column_list() + " FROM " + files_sql(fresh) + where_shard(shard);
  }
  return sql.empty() ? nothing_sql(reading_columns()) : sql;
}

bool belongs(const FreshFile& file, const Owner& owner) { return file.partition == owner.partition; }

// What waits in fresh files, added to the plan.
std::uint64_t gather_fresh(const State& state, const Owner& owner, HourPlan& plan, std::set<base::Shard>& shards) {
  std::uint64_t rows = 0;
  for (const auto& [path, file] : state.fresh) {
    if (file.hour != plan.hour || !belongs(file, owner)) continue;
    (file.by_identity ? plan.fresh_by_identity : plan.fresh).push_back(path);
    plan.drop.push_back(path);
    shards.insert(file.shards.begin(), file.shards.end());
    rows += file.rows;
  }
  return rows;
}

std::uint64_t placed_rows(const State::HourFiles& files, const Owner& owner) {
  std::uint64_t rows = 0;
  for (const auto& [shard, file] : files.base) rows += owner.owns(shard) ? file.rows : 0;
  return rows;
}

}  // namespace

std::vector<Hour> due_hours(const State& state, const Owner& owner, base::Timestamp watermark) {
  std::set<Hour> hours;
  for (const auto& [path, file] : state.fresh) {
    if (belongs(file, owner) && end_of(file.hour) + kCloseAfter <= watermark) hours.insert(file.hour);
  }
  return {hours.begin(), hours.end()};
}

std::vector<Hour> untidy_hours(const State& state, const Owner& owner) {
  std::set<Hour> hours;
  for (const auto& [path, file] : state.fresh) {
    if (belongs(file, owner)) hours.insert(file.hour);
  }
  for (const auto& [hour, files] : state.hours) {
    if (std::ranges::any_of(files.late, [&](const auto& late) { return owner.owns(late.shard); })) hours.insert(hour);
  }
  return {hours.begin(), hours.end()};
}

HourPlan plan_hour(const State& state, const Owner& owner, Hour hour, bool fold) {
  HourPlan plan;
  plan.hour = hour;
  std::set<base::Shard> shards;
  const std::uint64_t waiting = gather_fresh(state, owner, plan, shards);
  const auto found = state.hours.find(hour);
  const State::HourFiles none;
  const State::HourFiles& files = found == state.hours.end() ? none : found->second;
  const std::uint64_t there = placed_rows(files, owner);
  const bool few = there > 0 && waiting < there / kRewriteShare && plan.fresh_by_identity.empty();
  plan.merge = few && !fold ? Merge::kBeside : Merge::kReplace;
  if (fold) {
    for (const auto& late : files.late) {
      if (owner.owns(late.shard)) shards.insert(late.shard);
    }
  }
  for (const base::Shard shard : shards) {
    HourPlan::ShardInput input{.shard = shard, .placed = {}};
    if (const auto object = files.base.find(shard); object != files.base.end())
      input.placed.push_back(object->second.path);
    for (const auto& late : files.late) {
      if (late.shard != shard) continue;
      input.placed.push_back(late.path);
      if (plan.merge == Merge::kReplace) plan.drop.push_back(late.path);
    }
    plan.shards.push_back(std::move(input));
  }
  return plan;
}

std::string changes_sql(const std::vector<std::string>& files) {
  return files.empty() ? nothing_sql(change_columns()) : "SELECT * FROM " + files_sql(files);
}

std::string readings_sql(const std::vector<std::string>& placed, const std::vector<std::string>& fresh,
                         const std::vector<std::string>& fresh_by_identity, std::optional<base::Shard> shard) {
  std::string plain = plain_sql(placed, fresh, shard);
  if (fresh_by_identity.empty()) return plain;
  // A redo (its number rises with the log) wins over what is there (1), that over stale (0).
  const std::string& columns = column_list();
  const std::string identity(kIdentity);
  return "WITH plain AS (" + plain + "), marked AS (SELECT " + columns + ", Redo AS Rank FROM " +
         files_sql(fresh_by_identity) + where_shard(shard) + ") SELECT " + columns +
         " FROM plain ANTI JOIN marked USING (" + identity + ") UNION ALL SELECT " + columns + " FROM (SELECT " +
         columns + ", 1::UBIGINT AS Rank FROM plain SEMI JOIN marked USING (" + identity + ") UNION ALL SELECT " +
         columns + ", Rank FROM marked) QUALIFY row_number() OVER (PARTITION BY " + identity +
         " ORDER BY Rank DESC, EnqueuedTime) = 1";
}

}  // namespace meterhub::lake
