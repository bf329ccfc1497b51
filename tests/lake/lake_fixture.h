// A lake in a folder of its own, rows to put in, and a plain DuckDB to look at it.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <meterhub/base/disk.h>
#include <meterhub/duck/database.h>
#include <meterhub/lake/query.h>
#include <meterhub/lake/writer.h>

namespace meterhub::lake {

inline const base::Timestamp kNoon{std::chrono::hours(12) + std::chrono::sys_days(std::chrono::year(2026) / 3 / 1)};
inline constexpr std::uint32_t kPartitions = 8;

class Folder {
 public:
  Folder() {
    static int count = 0;
    path_ = (std::filesystem::temp_directory_path() /
             ("meterhub-lake-" + std::to_string(::getpid()) + "-" + std::to_string(++count)))
                .string();
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A meter whose shard belongs to partition 3 of 8; the n-th such.
inline base::MeterNumber meter_of(Owner owner, std::uint32_t n) {
  for (std::uint32_t m = 1;; ++m) {
    if (owner.owns(base::shard_of(base::MeterNumber(m))) && n-- == 0) return base::MeterNumber(m);
  }
}

inline Owner owner(std::uint64_t epoch = 1, std::uint32_t partition = 3) {
  return {.partition = base::PartitionId(partition), .partitions = kPartitions, .epoch = base::Epoch(epoch)};
}

inline Reading reading(base::MeterNumber meter, std::uint32_t fcnt, base::Timestamp time, std::uint64_t offset) {
  Reading row;
  row.meter = meter;
  row.device = base::Eui64(0xFFFFFFFF00000000ull + meter.value).text();
  row.time = time;
  row.type = 2;
  row.code = 1;
  row.bought = 1'000'000;
  row.left = 979'171;
  row.used = 20'829;
  row.status = 4;
  row.version = "v1.0";
  row.tenant = base::TenantNumber(7);
  row.session = base::SessionNumber(1);
  row.fcnt = fcnt;
  row.enqueued = time + std::chrono::seconds(1);
  row.port = std::uint8_t{1};
  row.gateways = "fffe020100000011,fffe020100000012";
  row.best_rssi = -13;
  row.best_snr = 9.5;
  row.offset = base::Offset(offset);
  return row;
}

// `count` readings at offsets from `first`, a second apart, of some meters.
inline std::vector<Reading> readings(Owner who, std::uint64_t first, std::size_t count, base::Timestamp start,
                                     std::uint64_t meters = 10) {
  std::vector<Reading> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t n = first + i;
    rows.push_back(reading(meter_of(who, static_cast<std::uint32_t>(n % meters)), static_cast<std::uint32_t>(n),
                           start + std::chrono::seconds(i), n));
  }
  return rows;
}

inline std::string one(duck::Connection& connection, const std::string& sql) {
  auto rows = connection.query("SELECT (" + sql + ")::VARCHAR");
  if (!rows) return rows.error().text;
  return std::string(rows->next()->text(0, 0));
}

// What `lake query` sees.
inline std::string from_view(const std::string& lake, const std::string& sql) {
  const base::PosixDisk disk;
  auto connection = open_readonly(disk, lake);
  return connection ? one(*connection, sql) : connection.error().text;
}

// What any DuckDB sees that knows only the folder.
inline std::string from_glob(const std::string& lake, const std::string& sql) {
  auto connection = duck::Database::open({.external_access = true}).value().connect().value();
  auto view = connection.query("CREATE VIEW readings AS FROM read_parquet(" +
                               duck::literal(lake + "/readings/**") + ", hive_partitioning = false)");
  return view ? one(connection, sql) : view.error().text;
}

inline void tidy(Writer& writer, const Owner& who, Hour hour, bool fold = false) {
  ASSERT_TRUE(writer.begin(who, hour, fold));
  for (;;) {
    const auto more = writer.step();
    ASSERT_TRUE(more) << more.error().text;
    if (!*more) break;
  }
}

inline constexpr const char* kCountDistinct = "SELECT concat(count(*), '/', count(DISTINCT (DeviceID, Session, Generation, Seq))) FROM readings";

}  // namespace meterhub::lake
