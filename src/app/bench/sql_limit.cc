// What plain DuckDB needs for the same work once the values are typed columns: the limit.
#include <algorithm>

#include <meterhub/duck/database.h>

#include "cpu_clock.h"
#include "packets.h"
#include "sql.h"

namespace meterhub::app::bench {
namespace {

constexpr std::uint64_t kRowsMin = 500'000;
constexpr std::uint64_t kMemory = std::uint64_t{8} << 30;
constexpr double kThousandths = 1000;

const std::vector<duck::Column>& columns() {
  static const std::vector<duck::Column> kAll{{"meter", duck::Type::kVarchar},  {"time", duck::Type::kTimestamp}, {"type", duck::Type::kBigint},
                                              {"code", duck::Type::kBigint},    {"bought", duck::Type::kDouble},  {"left_", duck::Type::kDouble},
                                              {"used", duck::Type::kDouble},    {"status", duck::Type::kBigint},  {"version", duck::Type::kVarchar}};
  return kAll;
}

const char* statement(SqlLimit limit) {
  switch (limit) {
    case SqlLimit::kNone: break;
    case SqlLimit::kAllColumns: return "SELECT meter, time, type, code, bought, left_, used, status, version FROM events()";
    case SqlLimit::kFilter: return "SELECT meter, time, type, code, bought, left_, used, status, version FROM events() WHERE left_ < 5.0";
    case SqlLimit::kTumbling:
      return "SELECT meter, count(*), sum(used), avg(left_), time_bucket(INTERVAL 5 MINUTE, time) AS begin FROM events() GROUP BY meter, begin";
    case SqlLimit::kLag: return "SELECT meter, used - lag(used) OVER (PARTITION BY meter ORDER BY time) FROM events()";
  }
  return nullptr;
}

duck::Batch batch_of(PacketStream& packets, std::uint64_t rows) {
  duck::Batch batch(columns());
  for (std::uint64_t i = 0; i < rows; ++i) {
    const auto packet = packets.next();
    batch.append_copy(0, eui_of(packet.meter));
    batch.append(1, std::chrono::duration_cast<std::chrono::microseconds>(packet.time.time_since_epoch()).count());
    batch.append(2, std::int64_t{2});
    batch.append(3, std::int64_t{1});
    batch.append(4, static_cast<double>(packet.bought) / kThousandths);
    batch.append(5, static_cast<double>(packet.left) / kThousandths);
    batch.append(6, static_cast<double>(packet.used) / kThousandths);
    batch.append(7, std::int64_t{4});
    batch.append_text(8, "v1.0");
  }
  return batch;
}

// Every chunk of the result is looked at; no value of it is rendered.
std::uint64_t take_rows(duck::Rows& rows) {
  std::uint64_t seen = 0;
  while (const auto chunk = rows.next()) seen += chunk->rows();
  return seen;
}

}  // namespace

base::Result<std::optional<double>> duckdb_micros(const SqlCase& one, const SqlOptions& options) {
  const auto* const text = statement(one.limit);
  if (text == nullptr) return std::nullopt;
  const std::uint64_t meters = options.meters != 0 ? options.meters : one.meters;
  const auto rows = options.events != 0 ? options.events : std::max(2 * meters, kRowsMin);
  PacketStream packets(static_cast<std::uint32_t>(meters), options.interval);
  auto batch = batch_of(packets, rows);
  auto database = MH_TRY(duck::Database::open({.memory_limit = kMemory, .threads = 1}));
  auto connection = MH_TRY(database.connect());
  auto source = MH_TRY(connection.register_batch_source("events", columns()));
  auto prepared = MH_TRY(connection.prepare(text));
  source.bind(batch.view());
  const auto begin = thread_cpu();
  auto result = MH_TRY(prepared.execute());
  if (take_rows(result) == 0 && rows >= meters) return base::fail(base::Errc::kIo, "DuckDB gave nothing for " + one.name);
  const std::chrono::duration<double, std::micro> used = thread_cpu() - begin;
  source.clear();
  return used.count() / static_cast<double>(rows);
}

}  // namespace meterhub::app::bench
