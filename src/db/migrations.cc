#include <meterhub/db/migrations.h>

#include <string>

#include <meterhub/base/assert.h>

namespace meterhub::db {
namespace {

base::Result<std::uint32_t> applied_so_far(Connection& connection) {
  const auto newest = MH_TRY(connection.query_integer("SELECT max(number) FROM schema_migrations"));
  return static_cast<std::uint32_t>(newest.value_or(0));
}

base::Result<void> apply(Connection& connection, const Migration& migration, base::Timestamp now) {
  if (auto done = connection.execute(migration.sql); !done) {
    return std::unexpected(std::move(done).error().in("migration " + std::to_string(migration.number)));
  }
  auto note = MH_TRY(connection.prepare("INSERT INTO schema_migrations(number, name, applied_at) VALUES (?, ?, ?)"));
  return note.bind_all(std::int64_t{migration.number}, migration.name, now).run();
}

}  // namespace

base::Result<std::uint32_t> migrate(Connection& connection, std::span<const Migration> migrations, base::Timestamp now) {
  MH_TRY_VOID(connection.execute(
      "CREATE TABLE IF NOT EXISTS schema_migrations(number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"));
  // Most starts find nothing to do and take no write lock.
  if (MH_TRY(applied_so_far(connection)) == migrations.size()) return 0;
  auto transaction = MH_TRY(Transaction::begin(connection));
  const auto before = MH_TRY(applied_so_far(connection));
  if (before > migrations.size()) {
    return base::fail(base::Errc::kPrecondition, "the database was made by a newer version of the program (schema " +
                                                     std::to_string(before) + ", known " +
                                                     std::to_string(migrations.size()) + ")");
  }
  for (const auto& migration : migrations.subspan(before)) {
    MH_ASSERT(migration.number == static_cast<std::uint32_t>(&migration - migrations.data()) + 1);
    MH_TRY_VOID(apply(connection, migration, now));
  }
  MH_TRY_VOID(transaction.commit());
  return static_cast<std::uint32_t>(migrations.size()) - before;
}

}  // namespace meterhub::db
