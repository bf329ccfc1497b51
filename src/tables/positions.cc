#include <meterhub/tables/positions.h>

namespace meterhub::tables {

base::Result<std::optional<base::Offset>> position(db::Connection& connection, const Position& of) {
  auto row =
      MH_TRY(connection.prepare("SELECT next_offset FROM positions WHERE reader = ? AND log = ? AND partition = ?"));
  row.bind_all(of.reader, of.log, std::int64_t{of.partition.value});
  if (!MH_TRY(row.step())) return std::nullopt;
  return base::Offset(static_cast<std::uint64_t>(row.integer(0)));
}

base::Result<void> set_position(db::Connection& connection, const Position& of, base::Offset next) {
  auto put = MH_TRY(
      connection.prepare("INSERT INTO positions(reader, log, partition, next_offset) VALUES (?, ?, ?, ?) "
                         "ON CONFLICT(reader, log, partition) DO UPDATE SET next_offset = excluded.next_offset"));
  return put.bind_all(of.reader, of.log, std::int64_t{of.partition.value}, static_cast<std::int64_t>(next.value)).run();
}

}  // namespace meterhub::tables
