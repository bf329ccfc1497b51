#include <meterhub/tables/database.h>

#include <algorithm>
#include <array>
#include <map>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/mutex.h>
#include <meterhub/base/time_text.h>
#include <meterhub/db/bulk_insert.h>
#include <meterhub/db/migrations.h>

#include "completeness_schema.h"
#include "episodes_schema.h"
#include "row_reading.h"
#include "sql_text.h"
#include "status_schema.h"
#include "usage_schema.h"

namespace meterhub::tables {
namespace {

using base::Errc;

constexpr std::string_view kFirst = R"sql(
CREATE TABLE progress(
  job TEXT NOT NULL, output TEXT NOT NULL, part BIGINT NOT NULL, pos BIGINT NOT NULL, epoch BIGINT NOT NULL,
  PRIMARY KEY(job, output, part));
CREATE TABLE outputs(
  job TEXT NOT NULL, output TEXT NOT NULL, table_name TEXT NOT NULL, retention_s BIGINT NOT NULL, PRIMARY KEY(job, output));
CREATE TABLE output_columns(
  table_name TEXT NOT NULL, position BIGINT NOT NULL, name TEXT NOT NULL, type BIGINT NOT NULL, PRIMARY KEY(table_name, position));
)sql";
constexpr std::string_view kPositions = R"sql(
CREATE TABLE positions(
  reader TEXT NOT NULL, log TEXT NOT NULL, partition BIGINT NOT NULL, next_offset BIGINT NOT NULL,
  PRIMARY KEY(reader, log, partition));
)sql";
// Notices wait here until they are told, each for one channel; a message is made of those that are due.
constexpr std::string_view kOutbox = R"sql(
CREATE TABLE outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, channel BIGINT NOT NULL, channel_name TEXT NOT NULL,
  body TEXT NOT NULL, state TEXT NOT NULL, attempts BIGINT NOT NULL, next_at BIGINT NOT NULL, created BIGINT NOT NULL,
  last_error TEXT NOT NULL, sent_at BIGINT);
CREATE INDEX outbox_waiting ON outbox(channel, id) WHERE state = 'waiting';
CREATE INDEX outbox_sent ON outbox(channel, sent_at) WHERE sent_at IS NOT NULL;
CREATE TABLE outbox_notices(
  id INTEGER PRIMARY KEY AUTOINCREMENT, channel BIGINT NOT NULL, due_at BIGINT NOT NULL, episode BIGINT NOT NULL,
  escalation BIGINT NOT NULL, rule TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, message BIGINT, reason TEXT NOT NULL,
  created BIGINT NOT NULL);
CREATE INDEX outbox_notices_waiting ON outbox_notices(channel, due_at) WHERE state = 'waiting';
CREATE INDEX outbox_notices_escalations ON outbox_notices(episode, channel) WHERE escalation = 1;
CREATE TABLE outbox_gathered(channel BIGINT NOT NULL, rule TEXT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY(channel, rule));
)sql";
constexpr std::array<db::Migration, 7> kSchema{
    {{1, "outputs", kFirst}, {2, "positions", kPositions}, {3, "episodes", kEpisodesSchema}, {4, "status", kStatusSchema},
     {5, "outbox", kOutbox}, {6, "usage", kUsageSchema}, {7, "completeness", kCompletenessSchema}}};

db::Value stored_value(const Cell& cell) {
  struct Convert {
    db::Value operator()(std::monostate) const { return std::monostate(); }
    db::Value operator()(std::int64_t v) const { return v; }
    db::Value operator()(double v) const { return v; }
    db::Value operator()(const std::string& v) const { return v; }
    // Text, as the case study's consumers and any tool read it.
    db::Value operator()(base::Timestamp v) const { return base::rfc3339(v); }
    db::Value operator()(bool v) const { return std::int64_t{v}; }
  };
  return std::visit(Convert(), cell);
}

base::Result<std::vector<Column>> columns_of(db::Connection& connection, std::string_view table) {
  auto row = MH_TRY(connection.prepare("SELECT name, type FROM output_columns WHERE table_name = ? ORDER BY position"));
  row.bind(1, table);
  std::vector<Column> out;
  while (MH_TRY(row.step())) out.push_back({std::string(row.text(0)), static_cast<ColumnType>(row.integer(1))});
  return out;
}

// Jobs could once write into tables of the names that the roll-ups' views have: such a table goes on under another one.
base::Result<void> make_room(db::Connection& connection) {
  if (MH_TRY(connection.query_integer("SELECT count(*) FROM sqlite_master WHERE name = 'output_columns'")).value_or(0) == 0) return {};
  for (const std::string name : {"usage_trend", "peak_flow"}) {
    auto there = MH_TRY(connection.prepare("SELECT 1 FROM output_columns WHERE table_name = ?"));
    if (!MH_TRY(there.bind(1, name).step())) continue;
    there.reset();
    auto transaction = MH_TRY(db::Transaction::begin(connection));
    MH_TRY_VOID(connection.execute("ALTER TABLE " + name + " RENAME TO " + name + "_provisional"));
    for (const std::string table : {"outputs", "output_columns"}) {
      MH_TRY_VOID(connection.execute("UPDATE " + table + " SET table_name = '" + name + "_provisional' WHERE table_name = '" + name + "'"));
    }
    MH_TRY_VOID(transaction.commit());
  }
  return {};
}

}  // namespace

struct Database::State {
  State(std::filesystem::path f, std::unique_ptr<db::Connection> writing, std::unique_ptr<db::Connection> reading, const base::Clock& t)
      : file(std::move(f)), connection(std::move(writing)), read_connection(std::move(reading)), clock(t) {}

  base::Result<void> put_table(const OutputSpec& spec) MH_REQUIRES(mutex);
  base::Result<void> insert(const OutputSpec& spec, const std::vector<Row>& rows) MH_REQUIRES(mutex);
  base::Result<void> move(const OutputSpec& spec, const ProgressMove& to) MH_REQUIRES(mutex);
  base::Result<StoredRows> select(std::string_view table, std::int64_t after, std::optional<base::TenantNumber> tenant,
                                  std::string_view order, std::size_t limit) const MH_REQUIRES(read_mutex);
  base::Result<std::vector<std::pair<std::string, std::int64_t>>> retentions() const MH_REQUIRES(mutex);

  const std::filesystem::path file;
  mutable base::Mutex mutex;
  std::unique_ptr<db::Connection> connection MH_GUARDED_BY(mutex);
  // People's reads have a connection of their own: a writer may wait for another process's lock, or write for a second.
  mutable base::Mutex read_mutex;
  std::unique_ptr<db::Connection> read_connection MH_GUARDED_BY(read_mutex);
  const base::Clock& clock;
  std::vector<OutputSpec> outputs MH_GUARDED_BY(mutex);  // by OutputId
};

base::Result<void> Database::State::put_table(const OutputSpec& spec) {
  MH_TRY_VOID(connection->execute(create_table_text(spec.table, spec.columns)));
  auto insert_column = MH_TRY(connection->prepare("INSERT INTO output_columns(table_name, position, name, type) VALUES (?, ?, ?, ?)"));
  for (std::size_t i = 0; i < spec.columns.size(); ++i) {
    MH_TRY_VOID(insert_column.bind_all(std::string_view(spec.table), static_cast<std::int64_t>(i), std::string_view(spec.columns[i].name),
                                       std::int64_t{std::to_underlying(spec.columns[i].type)}).run());
  }
  return {};
}

base::Result<void> Database::State::insert(const OutputSpec& spec, const std::vector<Row>& rows) {
  const auto now = std::int64_t{clock.now().time_since_epoch().count()};
  db::BulkInsert block(*connection, insert_text(spec.table, spec.columns), kOwnColumns - 1 + spec.columns.size(), "ON CONFLICT DO NOTHING");
  for (const auto& row : rows) {
    if (row.cells.size() != spec.columns.size()) return base::fail(Errc::kInvalidArgument, "a row has another number of columns than " + spec.table);
    std::vector<db::Value> values{spec.job, spec.output, std::int64_t{row.identity.part}, row.identity.pos, std::int64_t{row.identity.sub},
                                  std::int64_t{row.tenant.value}, std::int64_t{row.event_time.time_since_epoch().count()}, now};
    for (const auto& cell : row.cells) values.push_back(stored_value(cell));
    MH_TRY_VOID(block.add(std::move(values)));
  }
  return block.finish();
}

base::Result<void> Database::State::move(const OutputSpec& spec, const ProgressMove& to) {
  // A part that never moved stands at 0 under epoch 0.
  if (to.from == 0) {
    auto first = MH_TRY(connection->prepare("INSERT INTO progress(job, output, part, pos, epoch) VALUES (?, ?, ?, 0, 0) ON CONFLICT DO NOTHING"));
    MH_TRY_VOID(first.bind_all(std::string_view(spec.job), std::string_view(spec.output), std::int64_t{to.part}).run());
  }
  auto update = MH_TRY(connection->prepare(
      "UPDATE progress SET pos = ?, epoch = ? WHERE job = ? AND output = ? AND part = ? AND pos = ? AND epoch <= ?"));
  const auto epoch = static_cast<std::int64_t>(to.epoch.value);
  MH_TRY_VOID(update.bind_all(to.to, epoch, std::string_view(spec.job), std::string_view(spec.output), std::int64_t{to.part}, to.from, epoch).run());
  if (connection->changes() == 1) return {};
  return base::fail(Errc::kFenced, "output " + spec.job + "." + spec.output + " part " + std::to_string(to.part) + " has moved under another owner");
}

base::Result<StoredRows> Database::State::select(std::string_view table, std::int64_t after,
                                                 std::optional<base::TenantNumber> tenant, std::string_view order,
                                                 std::size_t limit) const {
  StoredRows out{MH_TRY(columns_of(*read_connection, table)), {}};
  if (out.columns.empty()) return base::fail(Errc::kNotFound, "there is no table '" + std::string(table) + "'");
  auto row = MH_TRY(read_connection->prepare(select_text(table, out.columns, order)));
  const std::int64_t only = tenant ? std::int64_t{tenant->value} : -1;
  row.bind_all(after, only, only, static_cast<std::int64_t>(limit));
  while (MH_TRY(row.step())) out.rows.push_back(read_row(row, out.columns));
  return out;
}

base::Result<std::vector<std::pair<std::string, std::int64_t>>> Database::State::retentions() const {
  // A shared table keeps rows as long as its longest output; 0 = for ever wins.
  auto row = MH_TRY(connection->prepare("SELECT table_name, max(retention_s), min(retention_s) FROM outputs GROUP BY table_name"));
  std::vector<std::pair<std::string, std::int64_t>> out;
  while (MH_TRY(row.step())) {
    if (row.integer(2) > 0) out.emplace_back(row.text(0), row.integer(1));
  }
  return out;
}

const std::vector<Column>& alert_columns() {
  static const std::vector<Column> kColumns{
      {"DeviceID", ColumnType::kText},      {"DateTime", ColumnType::kText},     {"MeterType", ColumnType::kBigint},
      {"FactoryCode", ColumnType::kBigint}, {"Bought", ColumnType::kFloat},      {"Remaining", ColumnType::kFloat},
      {"TotalUsed", ColumnType::kFloat},    {"MeterStatus", ColumnType::kBigint}, {"MeterSoftwareVer", ColumnType::kText}};
  return kColumns;
}

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::~Database() = default;

base::Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file, const base::Clock& clock) {
  auto connection = MH_TRY(db::Connection::open(file));
  MH_TRY_VOID(make_room(*connection));
  MH_TRY_VOID(db::migrate(*connection, kSchema, clock.now()));
  auto reading = MH_TRY(db::Connection::open(file, {.read_only = true}));
  auto state = std::make_unique<State>(file, std::move(connection), std::move(reading), clock);
  const base::Lock lock(state->mutex);  // nobody waits for it yet
  const OutputSpec alerts{.job = {}, .output = {}, .table = std::string(kAlertsTable), .columns = alert_columns()};
  if (MH_TRY(columns_of(*state->connection, kAlertsTable)).empty()) {
    auto transaction = MH_TRY(db::Transaction::begin(*state->connection));
    MH_TRY_VOID(state->put_table(alerts));
    MH_TRY_VOID(transaction.commit());
  }
  return std::unique_ptr<Database>(new Database(std::move(state)));
}

base::Result<OutputId> Database::declare(const OutputSpec& spec) {
  MH_TRY_VOID(check_output(spec));
  const base::Lock lock(state_->mutex);
  auto transaction = MH_TRY(db::Transaction::begin(*state_->connection));
  const auto stored = MH_TRY(columns_of(*state_->connection, spec.table));
  if (stored.empty()) {
    MH_TRY_VOID(state_->put_table(spec));
  } else if (stored != spec.columns) {
    return base::fail(Errc::kPrecondition, "table " + spec.table + " has other columns");
  }
  auto note = MH_TRY(state_->connection->prepare("INSERT INTO outputs(job, output, table_name, retention_s) VALUES (?, ?, ?, ?) "
                                                 "ON CONFLICT(job, output) DO UPDATE SET table_name = excluded.table_name, retention_s = excluded.retention_s"));
  MH_TRY_VOID(note.bind_all(std::string_view(spec.job), std::string_view(spec.output), std::string_view(spec.table), std::int64_t{spec.retention.count()}).run());
  MH_TRY_VOID(transaction.commit());
  state_->outputs.push_back(spec);
  return OutputId(static_cast<std::uint32_t>(state_->outputs.size() - 1));
}

base::Result<std::optional<std::int64_t>> Database::progress(OutputId output, std::uint32_t part) const {
  const base::Lock lock(state_->mutex);
  const auto& spec = state_->outputs.at(output.value);
  auto row = MH_TRY(state_->connection->prepare("SELECT pos FROM progress WHERE job = ? AND output = ? AND part = ?"));
  row.bind_all(std::string_view(spec.job), std::string_view(spec.output), std::int64_t{part});
  if (!MH_TRY(row.step())) return std::nullopt;
  return row.integer(0);
}

base::Result<void> Database::write(OutputId output, const std::vector<Row>& rows, const ProgressMove& move) {
  const base::Lock lock(state_->mutex);
  const auto& spec = state_->outputs.at(output.value);
  auto transaction = MH_TRY(db::Transaction::begin(*state_->connection));
  MH_TRY_VOID(state_->move(spec, move));
  MH_TRY_VOID(state_->insert(spec, rows));
  base::commit_point("tables.rows_before_commit");
  MH_TRY_VOID(transaction.commit());
  base::commit_point("tables.rows_before_offset");
  return {};
}

base::Result<StoredRows> Database::last(std::string_view table, std::size_t limit, std::optional<base::TenantNumber> tenant) const {
  const base::Lock lock(state_->read_mutex);
  return state_->select(table, 0, tenant, "DESC", limit);
}

base::Result<StoredRows> Database::after(std::string_view table, std::int64_t after_id, std::size_t limit,
                                         std::optional<base::TenantNumber> tenant) const {
  const base::Lock lock(state_->read_mutex);
  return state_->select(table, after_id, tenant, "ASC", limit);
}

base::Result<std::int64_t> Database::count(std::string_view table, std::optional<base::TenantNumber> tenant) const {
  const base::Lock lock(state_->read_mutex);
  const auto columns = MH_TRY(columns_of(*state_->read_connection, table));
  if (columns.empty()) return base::fail(Errc::kNotFound, "there is no table '" + std::string(table) + "'");
  auto row = MH_TRY(state_->read_connection->prepare("SELECT count(*) FROM " + db::quoted_name(table) + " WHERE (? < 0 OR " +
                                                own("Tenant", columns) + " = ?)"));
  const std::int64_t only = tenant ? std::int64_t{tenant->value} : -1;
  row.bind_all(only, only);
  MH_TRY_VOID(row.step());
  return row.integer(0);
}

base::Result<std::int64_t> Database::newest_id(std::string_view table) const {
  const base::Lock lock(state_->read_mutex);
  if (MH_TRY(columns_of(*state_->read_connection, table)).empty()) return base::fail(Errc::kNotFound, "there is no table '" + std::string(table) + "'");
  auto row = MH_TRY(state_->read_connection->prepare("SELECT seq FROM sqlite_sequence WHERE name = ?"));
  row.bind(1, table);
  return MH_TRY(row.step()) ? row.integer(0) : std::int64_t{0};
}

base::Result<std::vector<std::string>> Database::tables() const {
  const base::Lock lock(state_->read_mutex);
  auto row = MH_TRY(state_->read_connection->prepare("SELECT DISTINCT table_name FROM output_columns ORDER BY table_name"));
  std::vector<std::string> out;
  while (MH_TRY(row.step())) out.emplace_back(row.text(0));
  return out;
}

base::Result<void> Database::transact(const std::function<base::Result<void>(db::Connection&)>& work) {
  const base::Lock lock(state_->mutex);
  auto transaction = MH_TRY(db::Transaction::begin(*state_->connection));
  MH_TRY_VOID(work(*state_->connection));
  return transaction.commit();
}

base::Result<void> Database::read(const std::function<base::Result<void>(db::Connection&)>& work) const {
  const base::Lock lock(state_->read_mutex);
  MH_TRY_VOID(state_->read_connection->execute("BEGIN"));
  auto done = work(*state_->read_connection);
  MH_TRY_VOID(state_->read_connection->execute("ROLLBACK"));
  return done;
}

const std::filesystem::path& Database::file() const { return state_->file; }

base::Result<std::int64_t> Database::expire(std::size_t limit) {
  const base::Lock lock(state_->mutex);
  std::int64_t removed = 0;
  for (const auto& [table, retention_s] : MH_TRY(state_->retentions())) {
    const auto name = db::quoted_name(table);
    // Ids rise with time: only the first `limit` rows are looked at, however long the table is.
    const auto columns = MH_TRY(columns_of(*state_->connection, table));
    const auto id = own("Id", columns);
    auto remove = MH_TRY(state_->connection->prepare("DELETE FROM " + name + " WHERE " + own("CreatedAt", columns) + " < ? AND " + id +
                                                     " IN (SELECT " + id + " FROM " + name + " ORDER BY " + id + " LIMIT ?)"));
    MH_TRY_VOID(remove.bind_all(state_->clock.now() - std::chrono::seconds(retention_s), static_cast<std::int64_t>(limit)).run());
    removed += state_->connection->changes();
  }
  return removed;
}

}  // namespace meterhub::tables
