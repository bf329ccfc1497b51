#include "job_views.h"

#include <algorithm>
#include <vector>

namespace meterhub::lake {
namespace {

constexpr std::string_view kSuffix = ".parquet";

// Names of jobs and outputs hold no quotes (docs/reference/jobs.md); a folder made by hand may.
std::string in_quotes(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

// As SQL reads names: without regard to case.
bool names(std::string_view sql, std::string_view job) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return !std::ranges::search(sql, job, {}, lower, lower).empty();
}

base::Result<std::vector<std::string>> folders_in(const base::Disk& disk, const std::string& path) {
  std::vector<std::string> out;
  auto entries = disk.list(path);
  if (!entries && entries.error().code == base::Errc::kNotFound) return out;
  for (const auto& entry : MH_TRY(std::move(entries))) {
    if (entry.directory) out.push_back(entry.name);
  }
  return out;
}

// Text for read_parquet(); empty without files.
base::Result<std::string> file_list(const base::Disk& disk, const std::string& folder) {
  std::string out;
  for (const auto& entry : MH_TRY(disk.list(folder))) {
    if (entry.directory || !entry.name.ends_with(kSuffix)) continue;
    out += (out.empty() ? "" : ", ") + duck::literal(base::join_path(folder, entry.name));
  }
  return out;
}

}  // namespace

base::Result<void> add_job_views(const base::Disk& disk, duck::Connection& connection, const std::string& root,
                                 std::string_view sql) {
  const auto jobs = base::join_path(root, "jobs");
  for (const auto& job : MH_TRY(folders_in(disk, jobs))) {
    if (!names(sql, job)) continue;
    MH_TRY_VOID(connection.query("CREATE SCHEMA IF NOT EXISTS " + in_quotes(job)));
    const auto folder = base::join_path(jobs, job);
    for (const auto& output : MH_TRY(folders_in(disk, folder))) {
      const auto files = MH_TRY(file_list(disk, base::join_path(folder, output)));
      if (files.empty()) continue;
      // By name: a changed job may give other columns than before.
      MH_TRY_VOID(connection.query("CREATE VIEW IF NOT EXISTS " + in_quotes(job) + "." + in_quotes(output) +
                                   " AS SELECT * FROM read_parquet([" + files + "], union_by_name = true)"));
    }
  }
  return {};
}

}  // namespace meterhub::lake
