// The manifest against the files, and the files against themselves.
#include <algorithm>
#include <map>
#include <set>

#include <meterhub/lake/query.h>

#include "root.h"

namespace meterhub::lake {
namespace {

constexpr std::size_t kProblemsShown = 100;

class Checker {
 public:
  Checker(const base::Disk& disk, std::string directory, duck::Connection connection, const State& state)
      : disk_(disk), directory_(std::move(directory)), connection_(std::move(connection)), state_(state) {}

  base::Result<CheckReport> run() {
    for (const auto& [hour, files] : state_.hours) {
      for (const auto& [shard, file] : files.base) MH_TRY_VOID(check_placed(file));
      for (const auto& file : files.late) MH_TRY_VOID(check_placed(file));
    }
    for (const auto& [path, file] : state_.fresh) MH_TRY_VOID(check_file(path, path, file.rows));
    for (const auto& [path, file] : state_.changes) MH_TRY_VOID(check_file(path, path, file.rows));
    MH_TRY_VOID(check_unlisted("readings"));
    if (report_.missing_files == 0) MH_TRY_VOID(check_identities());
    return report_;
  }

 private:
  void problem(std::string text) {
    if (report_.problems.size() < kProblemsShown) report_.problems.push_back(std::move(text));
  }

  base::Result<void> check_placed(const PlacedFile& file) {
    listed_.insert(file.path);
    const bool waits = !file.staged.empty() && MH_TRY(disk_.exists(base::join_path(directory_, file.staged)));
    return check_file(file.path, waits ? file.staged : file.path, file.rows);
  }

  base::Result<void> check_file(const std::string& name, const std::string& path, std::uint64_t rows) {
    ++report_.files;
    const std::string full = base::join_path(directory_, path);
    if (!MH_TRY(disk_.exists(full))) {
      ++report_.missing_files;
      problem(name + ": the manifest lists it and it is not there");
      return {};
    }
    auto result = connection_.query("SELECT num_rows::BIGINT FROM parquet_file_metadata(" + duck::literal(full) + ")");
    const auto chunk = result ? result->next() : std::nullopt;
    if (!chunk) {
      ++report_.wrong_rows;
      problem(name + ": " + (result ? "no metadata" : result.error().text));
      return {};
    }
    const auto found = static_cast<std::uint64_t>(chunk->values<std::int64_t>(0)[0]);
    if (found == rows) return {};
    ++report_.wrong_rows;
    problem(name + ": " + std::to_string(found) + " rows, the manifest says " + std::to_string(rows));
    return {};
  }

  base::Result<void> check_unlisted(const std::string& folder) {
    const auto entries = disk_.list(base::join_path(directory_, folder));
    if (!entries) return {};
    for (const auto& entry : *entries) {
      const std::string path = folder + "/" + entry.name;
      if (entry.directory) {
        MH_TRY_VOID(check_unlisted(path));
      } else if (!listed_.contains(path)) {
        ++report_.unlisted;
        problem(path + ": lies in readings/ and the manifest does not list it");
      }
    }
    return {};
  }

  base::Result<void> check_identities() {
    auto counted = MH_TRY(connection_.query(
        "SELECT count(*)::BIGINT, coalesce(sum(n), 0)::BIGINT, coalesce(sum(n - 1), 0)::BIGINT FROM "
        "(SELECT count(*) AS n FROM readings GROUP BY DeviceID, Session, Generation, Seq)"));
    const auto chunk = counted.next();
    report_.rows = static_cast<std::uint64_t>(chunk->values<std::int64_t>(1)[0]);
    report_.duplicates = static_cast<std::uint64_t>(chunk->values<std::int64_t>(2)[0]);
    if (report_.duplicates > 0) {
      problem(std::to_string(report_.duplicates) + " rows repeat a reading (meter, session, generation, counter)");
    }
    return {};
  }

  const base::Disk& disk_;
  std::string directory_;
  duck::Connection connection_;
  const State& state_;
  std::set<std::string> listed_;
  CheckReport report_;
};

}  // namespace

base::Result<CheckReport> check(const base::Disk& disk, const std::string& directory, const QueryOptions& options) {
  const State state = MH_TRY(Manifest::load(disk, directory));
  auto connection = open_readonly(disk, directory, options);
  if (connection) return Checker(disk, absolute_path(directory), std::move(*connection), state).run();
  if (connection.error().code == base::Errc::kNotFound) return std::unexpected(connection.error());
  // A view over a missing file does not open: check the files all the same.
  auto database = MH_TRY(duck::Database::open({.external_access = true}));
  return Checker(disk, absolute_path(directory), MH_TRY(database.connect()), state).run();
}

}  // namespace meterhub::lake
