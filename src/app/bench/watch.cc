#include "watch.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include <meterhub/duck/database.h>
#include <meterhub/lake/query.h>

namespace meterhub::app::bench {
namespace {

// A record is linked to its number when it is whole, which changes the inode.
base::Timestamp linked_at(const std::string& file) {
  struct stat about{};
  if (::stat(file.c_str(), &about) != 0) return {};
  return base::Timestamp(std::chrono::seconds(about.st_ctim.tv_sec) +
                         std::chrono::floor<base::Duration>(std::chrono::nanoseconds(about.st_ctim.tv_nsec)));
}

}  // namespace

base::Result<AlertWatch> AlertWatch::open(const std::string& database) {
  AlertWatch out(MH_TRY(db::Connection::open(database, {.read_only = true})));
  out.last_ = MH_TRY(out.connection_->query_integer("SELECT max(Id) FROM alerts")).value_or(0);
  return out;
}

base::Result<void> AlertWatch::look(base::Timestamp now) {
  const auto version = MH_TRY(connection_->query_integer("PRAGMA data_version")).value_or(0);
  if (std::exchange(version_, version) == version) return {};  // nobody wrote
  auto rows = MH_TRY(connection_->prepare("SELECT Id, EventTime FROM alerts WHERE Id > ? ORDER BY Id"));
  rows.bind(1, last_);
  while (MH_TRY(rows.step())) {
    last_ = rows.integer(0);
    ++rows_;
    latencies_.add(now - rows.time(1));
  }
  return {};
}

base::Result<void> LakeWatch::look() {
  const auto folder = base::join_path(lake_, "_manifest");
  for (const auto& entry : MH_TRY(disk_.list(folder))) {
    if (!entry.name.ends_with(".json") || entry.name.starts_with("checkpoint") || !seen_.insert(entry.name).second) continue;
    const auto file = base::join_path(folder, entry.name);
    const auto text = disk_.read(file);
    if (!text) continue;  // behind a checkpoint meanwhile
    const auto record = nlohmann::json::parse(*text, nullptr, false);
    if (!record.is_object() || !record.contains("fresh")) continue;
    for (const auto& fresh : record["fresh"]) committed_[fresh.value("path", std::string())] = linked_at(file);
  }
  return {};
}

base::Result<sim::Latencies> LakeWatch::latencies(base::Timestamp from) const {
  sim::Latencies out;
  auto connection = MH_TRY(lake::open_readonly(disk_, lake_));
  for (const auto& [path, committed] : committed_) {
    const auto file = base::join_path(lake_, path);
    if (!MH_TRY(disk_.exists(file))) continue;
    auto rows = MH_TRY(connection.query("SELECT DateTime FROM read_parquet(" + duck::literal(file) + ")"));
    while (const auto chunk = rows.next()) {
      const auto* times = chunk->values<std::int64_t>(0).data();
      for (std::size_t i = 0; i < chunk->rows(); ++i) {
        const base::Timestamp time{base::Duration(times[i])};
        if (time >= from) out.add(committed - time);
      }
    }
  }
  return out;
}

}  // namespace meterhub::app::bench
