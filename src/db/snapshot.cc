#include <meterhub/db/snapshot.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <string>
#include <system_error>

namespace meterhub::db {
namespace {

using base::Errc;

constexpr int kPagesAtOnce = 256;  // 1 MiB
constexpr int kBusyMs = 5'000;

struct Close {
  void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, Close>;

std::unexpected<base::Error> failed(const std::filesystem::path& file, sqlite3* database) {
  return base::fail(Errc::kIo, file.string() + ": " + sqlite3_errmsg(database));
}

base::Result<Database> open(const std::filesystem::path& file) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database out(raw);  // exists, and is closed, even when opening failed
  if (code != SQLITE_OK) return failed(file, raw);
  sqlite3_busy_timeout(raw, kBusyMs);
  return out;
}

}  // namespace

struct Snapshot::Source {
  Database database;
};

Snapshot::Snapshot(std::unique_ptr<Source> source) : source_(std::move(source)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

base::Result<Snapshot> Snapshot::take(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return base::fail(Errc::kNotFound, file.string() + ": there is no such database");
  auto source = std::make_unique<Source>(Source{MH_TRY(open(file))});
  // A transaction begun so takes its picture with the first read.
  constexpr const char* kFirstRead = "BEGIN; SELECT count(*) FROM sqlite_master";
  sqlite3* database = source->database.get();
  if (sqlite3_exec(database, kFirstRead, nullptr, nullptr, nullptr) != SQLITE_OK) return failed(file, database);
  return Snapshot(std::move(source));
}

base::Result<void> Snapshot::copy_to(const std::filesystem::path& file, const std::function<bool()>& go_on) {
  // SQLite would make the file by the umask; keys lie in it.
  const int descriptor = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) return base::fail(Errc::kIo, "cannot make " + file.string());
  ::close(descriptor);
  const auto target = MH_TRY(open(file));
  // The source has its read transaction: the copy sees that, whatever is written meanwhile.
  sqlite3_backup* backup = sqlite3_backup_init(target.get(), "main", source_->database.get(), "main");
  if (backup == nullptr) return failed(file, target.get());
  int code = SQLITE_OK;
  while (code == SQLITE_OK && go_on()) code = sqlite3_backup_step(backup, kPagesAtOnce);
  sqlite3_backup_finish(backup);
  if (code == SQLITE_OK) return base::fail(Errc::kCancelled, "cancelled");
  if (code != SQLITE_DONE) return base::fail(code == SQLITE_FULL ? Errc::kResourceExhausted : Errc::kIo, file.string() + ": " + sqlite3_errstr(code));
  return {};
}

}  // namespace meterhub::db
