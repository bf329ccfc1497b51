#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include <meterhub/base/commit_point.h>

#include "root.h"
#include "writer_state.h"

namespace meterhub::lake {
namespace {

constexpr std::string_view kFresh = "fresh";
constexpr std::string_view kStaging = "staging";
constexpr std::string_view kChanges = "changes";

// So many files of a partition with fewer rows than this become one with the next.
constexpr std::size_t kSmallChangesMax = 32;
constexpr std::uint64_t kSmallChanges = 200'000;

// "p03-e12-…": partition and epoch of a file's writer.
struct NameParts {
  std::uint32_t partition = 0;
  std::uint64_t epoch = 0;
};
std::optional<NameParts> parts_of(std::string_view name) {
  const auto read = [&name](char lead, auto& value) {
    if (name.empty() || name.front() != lead) return false;
    const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), value);
    if (error != std::errc() || end == name.data() + name.size() || *end != '-') return false;
    name.remove_prefix(static_cast<std::size_t>(end - name.data()) + 1);
    return true;
  };
  NameParts parts;
  if (!read('p', parts.partition) || !read('e', parts.epoch)) return std::nullopt;
  return parts;
}

// A row with what it is sorted by, so that sorting stays in few cache lines. Rows of one file lie
// together: hour, kind; then in the order of the file.
struct Placed {
  std::int64_t file = 0;    // hour, then kind
  std::uint64_t meter = 0;  // shard, then number
  base::Timestamp time;
  base::Offset offset;
  const Reading* row = nullptr;

  auto key() const { return std::tie(file, meter, time, offset); }
  base::Shard shard() const { return base::Shard(static_cast<std::uint8_t>(meter >> 32)); }
};

std::vector<Placed> sorted_for_files(const State& state, base::Offset to, std::span<const Reading> rows) {
  std::vector<Placed> sorted;
  sorted.reserve(rows.size());
  for (const Reading& row : rows) {
    const base::Shard shard = base::shard_of(row.meter);
    if (row.offset < state.shards[shard.value].next || row.offset >= to) continue;
    sorted.push_back({hour_of(row.time).value * 2 + (by_identity(row) ? 1 : 0),
                      std::uint64_t{shard.value} << 32 | row.meter.value, row.time, row.offset, &row});
  }
  std::ranges::sort(sorted, {}, &Placed::key);
  return sorted;
}

// Of one file's rows, in their order.
std::vector<base::Shard> shards_in(std::span<const Placed> part) {
  std::vector<base::Shard> shards;
  for (const Placed& placed : part) {
    if (shards.empty() || shards.back() != placed.shard()) shards.push_back(placed.shard());
  }
  return shards;
}

using Rows = std::span<const Reading* const>;

// One column of some rows: `get` gives a T, or an optional one.
template <class T, class Get>
void fill_column(duck::Batch& batch, std::size_t& column, Rows rows, Get get) {
  const std::size_t first = batch.rows_of(column);
  const auto out = batch.extend<T>(column, rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& value = get(*rows[i]);
    if constexpr (std::is_constructible_v<T, decltype(value)>) {
      out[i] = T(value);
    } else if (value) {
      out[i] = T(*value);
    } else {
      batch.set_null(column, first + i);
    }
  }
  ++column;
}

// Columns in the order of fresh_columns().
void fill_rows(duck::Batch& batch, Rows rows) {
  using duck::Text;
  std::size_t c = 0;
  const auto micros = [](base::Timestamp time) { return time.time_since_epoch().count(); };
  fill_column<Text>(batch, c, rows, [](const Reading& row) -> auto& { return row.device; });
  fill_column<std::int64_t>(batch, c, rows, [&](const Reading& row) { return micros(row.time); });
  fill_column<std::int32_t>(batch, c, rows, [](const Reading& row) { return row.type; });
  fill_column<std::int32_t>(batch, c, rows, [](const Reading& row) { return row.code; });
  fill_column<std::int64_t>(batch, c, rows, [](const Reading& row) { return row.bought; });
  fill_column<std::int64_t>(batch, c, rows, [](const Reading& row) { return row.left; });
  fill_column<std::int64_t>(batch, c, rows, [](const Reading& row) { return row.used; });
  fill_column<std::int32_t>(batch, c, rows, [](const Reading& row) { return row.status; });
  fill_column<Text>(batch, c, rows, [](const Reading& row) -> auto& { return row.version; });
  fill_column<std::uint32_t>(batch, c, rows, [](const Reading& row) { return row.tenant.value; });
  fill_column<std::uint32_t>(batch, c, rows, [](const Reading& row) { return row.session.value; });
  fill_column<std::uint32_t>(batch, c, rows, [](const Reading& row) { return row.generation.value; });
  fill_column<std::uint32_t>(batch, c, rows, [](const Reading& row) { return row.fcnt; });
  fill_column<std::int64_t>(batch, c, rows, [&](const Reading& row) { return micros(row.enqueued); });
  fill_column<std::uint8_t>(batch, c, rows, [](const Reading& row) { return row.late; });
  fill_column<std::uint8_t>(batch, c, rows, [](const Reading& row) { return row.port; });
  fill_column<Text>(batch, c, rows, [](const Reading& row) -> auto& { return row.gateways; });
  fill_column<std::int32_t>(batch, c, rows, [](const Reading& row) { return row.best_rssi; });
  fill_column<double>(batch, c, rows, [](const Reading& row) { return row.best_snr; });
  fill_column<Text>(batch, c, rows, [](const Reading& row) -> auto& { return row.payload; });
  fill_column<std::uint8_t>(batch, c, rows, [](const Reading& row) { return base::shard_of(row.meter).value; });
  // 0 ranks below what is there (1); redo above it, the newest highest.
  fill_column<std::uint64_t>(batch, c, rows, [](const Reading& row) { return row.redo ? row.offset.value + 2 : 0; });
}

}  // namespace

// Column by column, of as many rows at a time as stay in the cache.
void fill_batch(duck::Batch& batch, std::span<const Reading* const> rows) {
  constexpr std::size_t kRowsAtOnce = 256;
  batch.clear();
  batch.reserve(rows.size());
  for (; !rows.empty(); rows = rows.subspan(std::min(kRowsAtOnce, rows.size()))) {
    fill_rows(batch, rows.first(std::min(kRowsAtOnce, rows.size())));
  }
}

Writer::Writer(std::unique_ptr<State_> state) : state_(std::move(state)) {}
Writer::~Writer() = default;

const State& Writer::state() const { return state_->manifest.state(); }

base::Result<std::unique_ptr<Writer>> Writer::open(base::Disk& disk, WriterOptions options) {
  options.directory = absolute_path(options.directory);
  for (const std::string_view folder : {kFresh, kStaging, kChanges, std::string_view("readings")}) {
    MH_TRY_VOID(disk.make_directories(base::join_path(options.directory, folder)));
  }
  auto manifest = MH_TRY(Manifest::open(disk, options.directory));
  auto database = MH_TRY(duck::Database::open({.path = {},
                                               .memory_limit = options.memory_limit,
                                               .threads = options.threads,
                                               .temp_directory = base::join_path(options.directory, "staging/spill"),
                                               .external_access = false,
                                               .allowed_directories = {options.directory},
                                               .lock_configuration = true}));
  auto connection = MH_TRY(database.connect());
  auto source = MH_TRY(connection.register_batch_source("fresh_rows", fresh_columns()));
  auto changes = MH_TRY(connection.register_batch_source("changed_rows", change_columns()));
  auto state = std::make_unique<State_>(disk, std::move(options), std::move(manifest), std::move(connection),
                                        std::move(source), std::move(changes));
  return std::unique_ptr<Writer>(new Writer(std::move(state)));
}

std::string Writer::State_::unique_name(const Owner& owner) {
  return "p" + std::to_string(owner.partition.value) + "-e" + std::to_string(owner.epoch.value) + "-s" +
         std::to_string(manifest.state().sequence + 1) + "-" + std::to_string(++files_named) + ".parquet";
}

base::Result<void> Writer::State_::refresh_if_uncertain() {
  if (!uncertain) return {};
  MH_TRY_VOID(manifest.refresh());
  uncertain = false;
  return {};
}

base::Result<void> Writer::State_::commit(const Record& record) {
  auto done = manifest.commit(record);
  uncertain = !done;
  return done;
}

// From here on the owner before can commit nothing: what this one has just read stays true, and its
// next record need not reckon with rows that came between.
base::Result<void> Writer::State_::claim(const Owner& owner) {
  const auto is_known = [&](base::Shard shard) { return manifest.state().shards[shard.value].epoch == owner.epoch; };
  if (std::ranges::all_of(owner.shards(), is_known)) return {};
  return commit({.owner = owner, .from = {}, .to = {}, .fresh = {}, .base = {}, .late = {}, .drop = {}});
}

// Bloom filters would be 0.6 bytes a reading and help no query: rows are sorted by meter, and the
// least and greatest of each group say where it is. Columns of more values than the limit in a group
// (registers) are smaller as differences than as a dictionary; gateways stay below it.
constexpr std::string_view kParquet =
    " (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, WRITE_BLOOM_FILTER false, DICTIONARY_SIZE_LIMIT 4000, USE_TMP_FILE false)";

base::Result<std::uint64_t> Writer::State_::copy(const std::string& select, const std::string& path) {
  auto rows = MH_TRY(connection.query("COPY (" + select + ") TO " + duck::literal(full(path)) + std::string(kParquet)));
  base::commit_point("lake.file_before_sync");
  MH_TRY_VOID(disk.sync(full(path)));
  return rows.changed();
}

base::Result<void> Writer::take_over(const Owner& owner) {
  State_& self = *state_;
  MH_TRY_VOID(self.manifest.refresh());
  self.uncertain = false;
  MH_TRY_VOID(self.claim(owner));
  MH_TRY_VOID(self.put_in_place(owner));
  MH_TRY_VOID(self.remove_orphans(owner, std::string(kFresh)));
  MH_TRY_VOID(self.remove_orphans(owner, std::string(kStaging)));
  MH_TRY_VOID(self.remove_orphans(owner, std::string(kChanges)));
  return self.remove_dropped_late(owner);
}

base::Result<void> Writer::State_::write_fresh(const Owner& owner, base::Offset to, std::span<const Reading> rows,
                                               Record& record) {
  const auto sorted = sorted_for_files(manifest.state(), to, rows);
  std::vector<const Reading*> ordered;
  for (auto first = sorted.begin(); first != sorted.end();) {
    const auto last =
        std::find_if(first, sorted.end(), [&](const Placed& placed) { return placed.file != first->file; });
    const std::span<const Placed> part(first, last);
    ordered.clear();
    for (const Placed& placed : part) ordered.push_back(placed.row);
    fill_batch(batch, ordered);
    source.bind(batch.view());
    const std::string path = std::string(kFresh) + "/" + unique_name(owner);
    const auto written = copy("SELECT * FROM fresh_rows()", path);
    source.clear();
    if (!written) return std::unexpected(written.error());
    record.fresh.push_back({.path = path,
                            .hour = hour_of(first->time),
                            .partition = owner.partition,
                            .rows = *written,
                            .by_identity = by_identity(*first->row),
                            .shards = shards_in(part)});
    first = last;
  }
  return record.fresh.empty() ? base::Result<void>() : disk.sync_directory(full(kFresh));
}

std::vector<std::string> Writer::State_::small_changes(const Owner& owner) const {
  std::vector<std::string> out;
  for (const auto& [path, file] : manifest.state().changes) {
    if (file.partition == owner.partition && file.rows < kSmallChanges) out.push_back(path);
  }
  return out;
}

base::Result<void> Writer::State_::write_changes(const Owner& owner, std::span<const Change> changes, Record& record) {
  if (changes.empty()) return {};
  duck::Batch rows(change_columns());
  fill_changes(rows, changes);
  changes_source.bind(rows.view());
  const std::string path = std::string(kChanges) + "/" + unique_name(owner);
  std::string select = "SELECT * FROM changed_rows()";
  if (const auto small = small_changes(owner); small.size() >= kSmallChangesMax) {
    std::vector<std::string> paths;
    for (const auto& one : small) paths.push_back(full(one));
    select += " UNION ALL " + changes_sql(paths);
    record.drop.insert(record.drop.end(), small.begin(), small.end());
  }
  const auto written = copy(select, path);
  changes_source.clear();
  if (!written) return std::unexpected(written.error());
  record.changes.push_back({.path = path, .partition = owner.partition, .rows = *written});
  return disk.sync_directory(full(kChanges));
}

base::Result<void> Writer::append(const Owner& owner, base::Offset from, base::Offset to,
                                  std::span<const Reading> rows) {
  State_& self = *state_;
  MH_TRY_VOID(self.refresh_if_uncertain());
  base::Offset next = to;
  for (const base::Shard shard : owner.shards()) next = std::min(next, state().shards[shard.value].next);
  if (next >= to) return {};  // a restart reads again what is here
  Placing placing;
  if (std::ranges::any_of(rows, by_identity)) {
    placing = MH_TRY(self.place(owner, to, rows));
    rows = placing.rows;
  }
  Record record{
      .owner = owner, .from = std::max(from, next), .to = to, .fresh = {}, .base = {}, .late = {}, .drop = {}};
  MH_TRY_VOID(self.write_fresh(owner, to, rows, record));
  MH_TRY_VOID(self.write_changes(owner, placing.changes, record));
  base::commit_point("lake.fresh_file_before_manifest");
  MH_TRY_VOID(self.commit(record));
  self.garbage.insert(self.garbage.end(), record.drop.begin(), record.drop.end());
  return {};
}

base::Result<void> Writer::sweep() {
  State_& self = *state_;
  for (const auto& path : self.old_garbage) MH_TRY_VOID(self.disk.remove(self.full(path)));
  self.old_garbage = std::exchange(self.garbage, {});
  return {};
}

base::Result<void> Writer::State_::remove_orphans(const Owner& owner, const std::string& folder) {
  std::set<std::string> listed;
  for (const auto& [path, file] : manifest.state().fresh) listed.insert(path);
  for (const auto& [path, file] : manifest.state().changes) listed.insert(path);
  for (const auto& [hour, files] : manifest.state().hours) {
    for (const auto& [shard, file] : files.base) listed.insert(file.staged);
    for (const auto& file : files.late) listed.insert(file.staged);
  }
  for (const auto& entry : MH_TRY(disk.list(full(folder)))) {
    const auto parts = parts_of(entry.name);
    const bool ours =
        !entry.directory && parts && parts->partition == owner.partition.value && parts->epoch <= owner.epoch.value;
    const std::string path = folder + "/" + entry.name;
    if (ours && !listed.contains(path)) MH_TRY_VOID(disk.remove(full(path)));
  }
  return {};
}

}  // namespace meterhub::lake
