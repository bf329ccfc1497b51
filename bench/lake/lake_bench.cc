// Bytes a reading at rest: one hour of real meters in one shard's file, by column, and what tidying
// the hour costs.
//   build/release/bench/lake/lake_bench [METERS] [INTERVAL_SECONDS]
#include <ctime>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <meterhub/base/disk.h>
#include <meterhub/duck/database.h>
#include <meterhub/lake/writer.h>

#include "household.h"

namespace meterhub::lake {
namespace {

constexpr base::Timestamp kStart{std::chrono::sys_days(std::chrono::year(2026) / 3 / 2) + std::chrono::hours(10)};
constexpr std::size_t kFlush = 50'000;  // rows of a fresh file
constexpr std::uint64_t kGatewayEui = 0xFFFE020100000000;

[[noreturn]] void fail(const base::Error& error) {
  std::fprintf(stderr, "%s\n", error.text.c_str());
  std::exit(1);
}

double cpu_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Meter {
  sim::Household home;
  sim::Figures figures;
  std::chrono::microseconds phase;  // within the interval
  base::MeterNumber number;
  std::uint32_t fcnt;
  int rssi;
  std::uint64_t gateway;
};

std::vector<Meter> town(std::uint32_t count, std::chrono::microseconds interval, const Owner& owner, std::mt19937_64& random) {
  std::vector<Meter> out;
  for (std::uint32_t number = 1; out.size() < count; ++number) {
    if (!owner.owns(base::shard_of(base::MeterNumber(number)))) continue;
    const sim::Household home(7, number);
    const std::chrono::microseconds phase(random() % static_cast<std::uint64_t>(interval.count()));
    out.push_back({home, home.initial(), phase, base::MeterNumber(number), static_cast<std::uint32_t>(random() % 60'000),
                   -60 - static_cast<int>(random() % 60), kGatewayEui + number / 40});
  }
  return out;
}

// What a gateway with a clock and the hub make of a packet: both times in microseconds.
Reading reading_of(Meter& meter, base::Timestamp due, std::mt19937_64& random) {
  const auto time = due + std::chrono::microseconds(random() % 400'000);
  Reading row;
  row.meter = meter.number;
  row.device = base::Eui64(0xFFFFFFFF00000000 + meter.number.value).text();
  row.time = time;
  row.type = 2;
  row.code = 1;
  row.bought = meter.figures.bought;
  row.left = meter.figures.left();
  row.used = meter.figures.used;
  row.status = meter.home.status(meter.figures);
  row.version = "v1.0";
  row.tenant = base::TenantNumber(1);
  row.session = base::SessionNumber(1);
  row.fcnt = ++meter.fcnt;
  row.enqueued = time + std::chrono::microseconds(20'000 + random() % 60'000);
  row.port = std::uint8_t{1};
  row.gateways = base::Eui64(meter.gateway).text();
  if (random() % 7 == 0) row.gateways += "," + base::Eui64(meter.gateway + 1).text();
  row.best_rssi = meter.rssi + static_cast<int>(random() % 7) - 3;
  row.best_snr = 9.0 - static_cast<double>(random() % 40) / 4;
  return row;
}

std::vector<Reading> an_hour(std::vector<Meter>& meters, std::chrono::microseconds interval, std::mt19937_64& random) {
  std::vector<Reading> rows;
  std::uint64_t turn = 0;
  for (base::Timestamp round = kStart; round + interval <= kStart + std::chrono::hours(1); round += interval, ++turn) {
    for (auto& meter : meters) {
      meter.home.live(meter.figures, round + std::chrono::hours(8), std::chrono::duration_cast<std::chrono::milliseconds>(interval), turn);
      rows.push_back(reading_of(meter, round + meter.phase, random));
    }
  }
  std::ranges::sort(rows, {}, &Reading::enqueued);
  for (std::size_t n = 0; n < rows.size(); ++n) rows[n].offset = base::Offset(n);
  return rows;
}

void print_columns(const std::string& glob) {
  auto database = duck::Database::open({.external_access = true});
  auto connection = database->connect();
  auto rows = connection->query(
      "SELECT path_in_schema, string_agg(DISTINCT encodings::VARCHAR, ' '), sum(total_compressed_size)::BIGINT, "
      "sum(total_uncompressed_size)::BIGINT, sum(num_values)::BIGINT FROM parquet_metadata(" + duck::literal(glob) +
      ") GROUP BY ALL ORDER BY 3 DESC");
  if (!rows) fail(rows.error());
  std::printf("%-18s %9s %14s  %s\n", "column", "bytes/row", "uncompressed", "encodings");
  while (const auto chunk = rows->next()) {
    for (std::size_t i = 0; i < chunk->rows(); ++i) {
      const auto count = static_cast<double>(chunk->values<std::int64_t>(4)[i]);
      std::printf("%-18s %9.3f %14.3f  %s\n", std::string(chunk->text(0, i)).c_str(), static_cast<double>(chunk->values<std::int64_t>(2)[i]) / count,
                  static_cast<double>(chunk->values<std::int64_t>(3)[i]) / count, std::string(chunk->text(1, i)).c_str());
    }
  }
}

std::uintmax_t bytes_below(const std::filesystem::path& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) bytes += file.is_regular_file() ? file.file_size() : 0;
  return bytes;
}

int run(std::uint32_t count, std::chrono::seconds interval) {
  const auto folder = std::filesystem::temp_directory_path() / ("lake_bench-" + std::to_string(::getpid()));
  base::PosixDisk disk;
  std::mt19937_64 random(7);
  // One shard of 64 holds these meters.
  const Owner owner{.partition = base::PartitionId(3), .partitions = base::kShards, .epoch = base::Epoch(1)};
  auto meters = town(count, interval, owner, random);
  const auto rows = an_hour(meters, interval, random);
  auto writer = Writer::open(disk, {.directory = folder.string(), .memory_limit = 512u << 20, .threads = 1});
  if (!writer) fail(writer.error());
  if (auto taken = (*writer)->take_over(owner); !taken) fail(taken.error());
  const double begin = cpu_seconds();
  for (std::size_t from = 0; from < rows.size(); from += kFlush) {
    const auto part = std::span(rows).subspan(from, std::min(kFlush, rows.size() - from));
    if (auto done = (*writer)->append(owner, base::Offset(from), base::Offset(from + part.size()), part); !done) fail(done.error());
  }
  const double appended = cpu_seconds();
  const auto count_of_rows = static_cast<double>(rows.size());
  std::printf("%zu rows of %u meters\nfresh:  %.2f us/row, %.2f bytes/row\n", rows.size(), count, (appended - begin) / count_of_rows * 1e6,
              static_cast<double>(bytes_below(folder / "fresh")) / count_of_rows);
  if (auto begun = (*writer)->begin(owner, hour_of(kStart), true); !begun) fail(begun.error());
  while ((*writer)->busy()) {
    if (auto stepped = (*writer)->step(); !stepped) fail(stepped.error());
  }
  std::printf("placed: %.2f us/row, %.2f bytes/row\n", (cpu_seconds() - appended) / count_of_rows * 1e6,
              static_cast<double>(bytes_below(folder / "readings")) / count_of_rows);
  print_columns((folder / "readings" / "**" / "*.parquet").string());
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace meterhub::lake

int main(int argc, char** argv) {
  const auto meters = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000;
  const auto seconds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 30;
  return meterhub::lake::run(static_cast<std::uint32_t>(meters), std::chrono::seconds(seconds));
}
