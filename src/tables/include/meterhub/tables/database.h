// The platform's result tables (database.sqlite): what jobs write and people read.
//
// One table an output, made from the output's columns. Behind the job's own columns every
// table has:
//   Tenant   the meter's tenant number, 0 when unknown
//   EventTime, CreatedAt   microseconds UTC: the row's event time, and when it was written
//   Job, Output, Part, Pos, Sub   the row's identity (design: output identity), UNIQUE
//   Id       rises; what a follower remembers
// Where the job has a column of that name, ours has `_` before it.
//
// A block of rows and the job's progress are one transaction, fenced by the writer's epoch:
// a row is there once, whatever is repeated after a crash or by an owner who lost its part.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {

// As the stream language names them. Decimals are kept as their exact text.
enum class ColumnType : std::uint8_t { kBigint, kFloat, kDecimal, kText, kDatetime, kBit };

struct Column {
  std::string name;
  ColumnType type = ColumnType::kText;
  bool operator==(const Column&) const = default;
};

// What one of the platform's columns (above) is called beside these: names are the same in any case of letters.
std::string own_column_name(std::string_view name, const std::vector<Column>& columns);

// NULL, bigint, float, text (also decimals), datetime, bit.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string, base::Timestamp, bool>;

// Which row of an output this is: `pos` is the input record's offset, or a window's end in
// microseconds; `sub` counts the rows of one position.
struct RowIdentity {
  std::uint32_t part = 0;
  std::int64_t pos = 0;
  std::uint32_t sub = 0;
  auto operator<=>(const RowIdentity&) const = default;
};

struct Row {
  RowIdentity identity{};
  base::TenantNumber tenant{};
  base::Timestamp event_time{};
  std::vector<Cell> cells{};  // one a column, in the output's order
};

struct OutputSpec {
  std::string job{};
  std::string output{};
  std::string table{};  // letters, digits and _; several outputs may share a table of equal columns
  std::vector<Column> columns{};
  std::chrono::seconds retention = std::chrono::days(7);  // by CreatedAt; 0 = for ever
};

// Moves `progress` of (job, output, part) from `from` to `to`. `to` == nothing new is fine.
struct ProgressMove {
  std::uint32_t part = 0;
  std::int64_t from = 0;  // what the writer believes is stored; 0 when there is none yet
  std::int64_t to = 0;
  base::Epoch epoch{};
};

// A stored row for readers.
struct StoredRow {
  std::int64_t id = 0;
  RowIdentity identity;
  std::string job;
  std::string output;
  base::TenantNumber tenant;
  base::Timestamp event_time{};
  base::Timestamp created{};
  std::vector<Cell> cells;
};
struct StoredRows {
  std::vector<Column> columns;
  std::vector<StoredRow> rows;
};

// The case study's table and its nine columns (queries/02), in their order.
inline constexpr std::string_view kAlertsTable = "alerts";
const std::vector<Column>& alert_columns();

using OutputId = base::Id<struct OutputTag, std::uint32_t>;

// Any thread: calls take an internal lock for one transaction; the readers' lock and connection are not the writers', so that
// people read while a writer works or waits. Readers of other processes (plain sqlite3 too) see committed rows at any time.
// Errors beside those below: kUnavailable (another process writes; try again), kIo, kCorrupt.
class Database {
 public:
  // Makes or migrates the file, with table `alerts`.
  static base::Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, const base::Clock& clock);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Makes the output's table, or takes the stored one. kPrecondition when it has other
  // columns; kInvalidArgument for a bad name or no columns. The id is good for this object.
  base::Result<OutputId> declare(const OutputSpec& spec);

  // Stored position of a part; nothing when it never moved.
  base::Result<std::optional<std::int64_t>> progress(OutputId output, std::uint32_t part) const;
  // All or nothing. Rows whose identity is there already are left as they are.
  // kFenced: progress is not at `from`, or a newer epoch wrote; nothing was done.
  base::Result<void> write(OutputId output, const std::vector<Row>& rows, const ProgressMove& move);

  // --- readers; kNotFound when there is no such table
  // The newest `limit` rows, newest first; one tenant's when given.
  base::Result<StoredRows> last(std::string_view table, std::size_t limit,
                                std::optional<base::TenantNumber> tenant = {}) const;
  // Rows after `after_id`, oldest first: what a follower asks for again and again.
  base::Result<StoredRows> after(std::string_view table, std::int64_t after_id, std::size_t limit,
                                 std::optional<base::TenantNumber> tenant = {}) const;
  base::Result<std::int64_t> count(std::string_view table, std::optional<base::TenantNumber> tenant = {}) const;
  // Id of the newest row ever; 0 when there was none.
  base::Result<std::int64_t> newest_id(std::string_view table) const;
  base::Result<std::vector<std::string>> tables() const;
  // For readers that bring a connection of their own (TableReader).
  const std::filesystem::path& file() const;

  // --- for stores whose functions work on a connection (episodes.h, positions.h)
  // `work` in one write transaction, committed when it returns no error. It must not call this object: the lock is
  // held. Errors are those of `work` and of the commit.
  base::Result<void> transact(const std::function<base::Result<void>(db::Connection&)>& work);
  // `work` in a read transaction: all it reads is of one moment.
  base::Result<void> read(const std::function<base::Result<void>(db::Connection&)>& work) const;

  // Deletes rows past their table's retention, at most `limit` a call. Returns how many.
  base::Result<std::int64_t> expire(std::size_t limit = 10'000);

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A cell as text for people and CSV: datetimes as RFC 3339, bits as 0 and 1, NULL as "".
std::string cell_text(const Cell& cell);

}  // namespace meterhub::tables
