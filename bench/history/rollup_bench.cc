// What an hour of one shard costs the roll-ups: of a million meters that send every 30 s a shard has 15,625, and an
// hour 1.9 million readings.
//   build/release/bench/history/rollup_bench
// First the hour after another one, as it is when the platform keeps up; then with a late row, an hour later.
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <random>

#include <meterhub/history/rollup.h>
#include <meterhub/lake/writer.h>

namespace meterhub::history {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMeters = 15'625;
constexpr std::uint32_t kPackets = 120;
const base::Timestamp kStart{std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + 12h};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void check(const auto& result) {
  if (result) return;
  std::cerr << result.error().text << '\n';
  std::abort();
}

class Lake {
 public:
  Lake() : folder_(std::filesystem::temp_directory_path() / ("rollup_bench-" + std::to_string(::getpid()))) {
    auto opened = lake::Writer::open(disk, {.directory = directory(), .memory_limit = 512u << 20, .threads = 1});
    check(opened);
    writer_ = std::move(*opened);
    check(writer_->take_over(owner_));
    for (std::uint32_t number = 1; meters_.size() < kMeters; ++number) {
      if (base::shard_of(base::MeterNumber(number)).value == 0) meters_.push_back(number);
    }
  }
  ~Lake() { std::filesystem::remove_all(folder_); }
  std::string directory() const { return (folder_ / "lake").string(); }
  std::string database() const { return (folder_ / "database.sqlite").string(); }

  void add_hour(std::uint32_t hour) {
    for (std::uint32_t packet = 0; packet < kPackets; packet += 10) {
      std::vector<lake::Reading> rows;
      for (std::uint32_t i = packet; i < packet + 10; ++i) {
        for (std::size_t m = 0; m < meters_.size(); ++m) rows.push_back(row(m, hour * kPackets + i));
      }
      append(rows);
    }
    close(hour);
  }
  void add_late(std::uint32_t hour) {
    auto one = row(0, hour * kPackets + 5);
    one.fcnt += 1'000'000;
    append({one});
    close(hour);
  }
  std::uint64_t bytes(std::uint32_t hour) const {
    return disk.size(directory() + "/" + lake::base_path(lake::hour_of(kStart + hour * 1h), base::Shard(0))).value();
  }

  base::PosixDisk disk;

 private:
  lake::Reading row(std::size_t meter, std::uint32_t packet) {
    lake::Reading out;
    out.meter = base::MeterNumber(meters_[meter]);
    out.device = base::Eui64(0xFFFFFFFF00000000ull + meters_[meter]).text();
    out.time = kStart + packet * 30s + std::chrono::milliseconds(random_() % 30'000);
    out.type = 2;
    out.code = 1;
    out.bought = 1'000'000;
    counters_[meter] += random_() % 3 == 0 ? static_cast<std::int64_t>(random_() % 20) : 0;
    out.used = static_cast<std::int64_t>(meter) * 977 + counters_[meter];
    out.left = 20'000'000 - *out.used;
    out.status = 4;
    out.version = "v1.0";
    out.session = base::SessionNumber(1);
    out.fcnt = packet;
    out.enqueued = out.time + 1s;
    out.gateways = "fffe0201000000" + std::to_string(10 + random_() % 40);
    out.best_rssi = -60 - static_cast<int>(random_() % 50);
    out.best_snr = static_cast<double>(random_() % 100) / 10;
    out.offset = base::Offset(next_++);
    return out;
  }
  void append(const std::vector<lake::Reading>& rows) {
    check(writer_->append(owner_, rows.front().offset, base::Offset(next_), rows));
  }
  void close(std::uint32_t hour) {
    check(writer_->begin(owner_, lake::hour_of(kStart + hour * 1h), false));
    while (true) {
      const auto more = writer_->step();
      check(more);
      if (!*more) return;
    }
  }

  std::filesystem::path folder_;
  lake::Owner owner_{.partition = base::PartitionId(0), .partitions = 8, .epoch = base::Epoch(1)};
  std::unique_ptr<lake::Writer> writer_;
  std::vector<std::uint32_t> meters_;
  std::vector<std::int64_t> counters_ = std::vector<std::int64_t>(kMeters);
  std::mt19937_64 random_{1};
  std::uint64_t next_ = 0;
};

void tell(const char* what, double seconds, std::uint64_t read, std::uint64_t bytes) {
  constexpr double kReadings = kMeters * kPackets;
  std::printf(
      "%s: %.2f s, %.1f ns a reading of the hour; %.2f million rows of %.1f MB files read (of an hour of 64 shards: %.1f s, %.2f GB)\n",
      what, seconds, seconds * 1e9 / kReadings, static_cast<double>(read) / 1e6, static_cast<double>(bytes) / 1e6,
      seconds * 64, static_cast<double>(bytes) * 64 / 1e9);
}

void run() {
  Lake lake;
  base::ManualClock clock(kStart + 24h);
  base::ManualExecutor executor(clock);
  base::Metrics metrics;
  const registry::Directory directory;
  auto database = tables::Database::open(lake.database(), clock);
  check(database);
  const RollupOptions options{.lake = lake.directory(), .late_pause = 0s, .share = 1.0};
  auto rollup = Rollup::start(lake.disk, directory, **database, executor, metrics, options);
  check(rollup);
  const auto measured = [&](const char* what, std::uint64_t bytes) {
    const auto read = metrics.total("meterhub_history_rollup_readings_total");
    const auto begun = cpu_seconds();
    executor.run_for(61s);
    tell(what, cpu_seconds() - begun, metrics.total("meterhub_history_rollup_readings_total") - read, bytes);
    if (!(*rollup)->status().problem.empty()) std::cerr << (*rollup)->status().problem << '\n';
  };
  lake.add_hour(0);
  measured("the first hour", lake.bytes(0));
  lake.add_hour(1);
  measured("the next hour", lake.bytes(0) + lake.bytes(1));
  lake.add_late(0);
  measured("a late row in the first: both hours again", 2 * (lake.bytes(0) + lake.bytes(1)));
  rollup->reset();
  database->reset();
  std::printf("database: %.1f MB\n", static_cast<double>(std::filesystem::file_size(lake.database())) / 1e6);
}

}  // namespace
}  // namespace meterhub::history

int main() { meterhub::history::run(); }
