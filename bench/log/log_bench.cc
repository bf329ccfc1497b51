// What the durable log costs: log_bench DIR [seconds]
// 33,333 records of 300 bytes a second in transactions of 10 or 50, over 8 partitions;
// CPU of the whole process a record, settlement and sync times; then cursors over many
// segments. Prints one line a measurement.
#include <fmt/core.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include <meterhub/base/metrics.h>
#include <meterhub/log/embedded.h>

namespace {

using namespace meterhub;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kRecordsPerSecond = 33'333;
constexpr std::uint32_t kPartitions = 8;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double milliseconds(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double percentile(std::vector<double>& values, double p) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(p * static_cast<double>(values.size())))];
}

// Half text that repeats, half random: compresses about as GWMP bodies do.
std::vector<std::string> make_bodies() {
  std::mt19937_64 random(1);
  std::vector<std::string> out(512);
  for (auto& body : out) {
    body = R"({"rxpk":[{"tmst":3512348611,"chan":2,"rfch":0,"freq":866.349812,"stat":1,"modu":"LORA","datr":"SF7BW125","codr":"4/6","rssi":-35,"lsnr":5.1,"size":32,"data":")";
    while (body.size() < 296) body += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[random() % 64];
    body += "\"}]}";
  }
  return out;
}

struct Bench {
  explicit Bench(std::filesystem::path directory, std::uint64_t segment_bytes) {
    log::EmbeddedOptions options;
    options.directory = std::move(directory);
    options.segment_bytes = segment_bytes;
    log = log::EmbeddedLog::open(std::move(options), clock, writer, metrics).value();
    topic = log->declare({.name = "telemetry", .partitions = kPartitions}).value();
  }
  ~Bench() {
    log.reset();
    writer.stop();
  }

  log::Transaction make(int size) {
    log::Transaction out;
    for (int i = 0; i < size; ++i) {
      log::NewRecord record{"gateway-0001", {}, "", bodies[turn++ % bodies.size()]};
      out.appends.push_back({{topic, base::PartitionId(static_cast<std::uint32_t>(turn) % kPartitions)}, std::move(record)});
    }
    return out;
  }

  base::SystemClock clock;
  base::Metrics metrics;
  base::ThreadExecutor writer{"log"};
  base::ThreadExecutor replies{"replies"};
  std::unique_ptr<log::EmbeddedLog> log;
  base::TopicId topic;
  std::vector<std::string> bodies = make_bodies();
  std::size_t turn = 0;
};

// Calls `send` for each transaction at its time.
void pace(int size, int transactions, const std::function<void(Clock::time_point due)>& send) {
  const auto start = Clock::now();
  for (int i = 0; i < transactions; ++i) {
    const auto due = start + std::chrono::nanoseconds(1'000'000'000LL * i * size / kRecordsPerSecond);
    if (due > Clock::now()) std::this_thread::sleep_until(due);
    send(due);
  }
}

// The generator's own CPU, to take off: the same transactions at the same pace, thrown away.
double generator_cpu(Bench& bench, int size, int transactions) {
  const auto before = cpu_seconds();
  pace(size, transactions, [&](auto) { bench.make(size); });
  return cpu_seconds() - before;
}

void paced(Bench& bench, int size, int seconds) {
  const int transactions = kRecordsPerSecond * seconds / size;
  const double generator = generator_cpu(bench, size, transactions);
  std::vector<double> settled;
  settled.reserve(static_cast<std::size_t>(transactions));
  std::atomic<int> open{transactions};
  const auto commits = bench.metrics.total("meterhub_log_commits_total");
  const auto bytes = bench.metrics.total("meterhub_log_stored_bytes_total");
  const auto cpu = cpu_seconds();
  const auto start = Clock::now();
  pace(size, transactions, [&](Clock::time_point due) {
    bench.log->transact(bench.make(size), bench.replies, [&, due](auto result) {
      if (!result) std::abort();
      settled.push_back(milliseconds(Clock::now() - due));
      --open;
    });
  });
  while (open > 0) std::this_thread::sleep_for(1ms);
  const double records = static_cast<double>(transactions) * size;
  const double cost = (cpu_seconds() - cpu - generator) * 1e6 / records;
  const auto rate = records / std::chrono::duration<double>(Clock::now() - start).count();
  fmt::print("paced size={} rate={:.0f}/s cpu={:.2f} us/record settle p50={:.2f} p99={:.2f} max={:.2f} ms "
             "commits={:.0f}/s stored={:.0f} bytes/record\n",
             size, rate, cost, percentile(settled, 0.5), percentile(settled, 0.99), settled.back(),
             static_cast<double>(bench.metrics.total("meterhub_log_commits_total") - commits) / seconds,
             static_cast<double>(bench.metrics.total("meterhub_log_stored_bytes_total") - bytes) / records);
}

// One transaction at a time: about the disk's own sync time.
void alone(Bench& bench, int count) {
  std::vector<double> settled;
  for (int i = 0; i < count; ++i) {
    std::atomic<bool> done{false};
    const auto start = Clock::now();
    bench.log->transact(bench.make(1), bench.replies, [&](auto) { done = true; done.notify_one(); });
    done.wait(false);
    settled.push_back(milliseconds(Clock::now() - start));
    std::this_thread::sleep_for(20ms);
  }
  fmt::print("alone settle p50={:.2f} p99={:.2f} ms\n", percentile(settled, 0.5), percentile(settled, 0.99));
}

void flat_out(Bench& bench, int size, int records) {
  std::atomic<int> open{0};
  const auto start = Clock::now();
  const auto cpu = cpu_seconds();
  for (int i = 0; i < records / size; ++i) {
    while (open > 20'000 / size) std::this_thread::sleep_for(1ms);
    ++open;
    bench.log->transact(bench.make(size), bench.replies, [&](auto) { --open; });
  }
  while (open > 0) std::this_thread::sleep_for(1ms);
  const auto seconds = std::chrono::duration<double>(Clock::now() - start).count();
  fmt::print("flat_out size={} rate={:.0f}/s cpu={:.2f} us/record (generator included)\n", size, records / seconds,
             (cpu_seconds() - cpu) * 1e6 / records);
}

void cursors(Bench& bench) {
  std::mt19937_64 random(7);
  std::vector<double> opening;
  std::vector<double> reading;
  for (int i = 0; i < 300; ++i) {
    const log::TopicPartition p{bench.topic, base::PartitionId(static_cast<std::uint32_t>(random()) % kPartitions)};
    const auto next = bench.log->bounds(p)->next;
    const auto start = Clock::now();
    auto cursor = bench.log->open(p, base::Offset(random() % next.value)).value();
    if (cursor->next(1)->records.empty()) std::abort();
    opening.push_back(milliseconds(Clock::now() - start));
  }
  std::size_t records = 0;
  const auto start = Clock::now();
  auto cursor = bench.log->open({bench.topic, base::PartitionId(0)}, log::Earliest{}).value();
  for (;;) {
    const auto batch = cursor->next(1 << 20).value();
    if (batch.records.empty()) break;
    records += batch.records.size();
  }
  fmt::print("cursor open+first p50={:.3f} p99={:.3f} ms, read through {} records at {:.2f} us each\n",
             percentile(opening, 0.5), percentile(opening, 0.99), records,
             milliseconds(Clock::now() - start) * 1e3 / static_cast<double>(records));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "log_bench DIR [seconds]\n");
    return 2;
  }
  const std::filesystem::path directory(argv[1]);
  const int seconds = argc > 2 ? std::atoi(argv[2]) : 10;
  {
    Bench bench(directory / "paced", std::uint64_t{8} << 30);
    alone(bench, 100);
    paced(bench, 10, seconds);
    paced(bench, 50, seconds);
    flat_out(bench, 50, 2'000'000);
    cursors(bench);
  }
  {
    Bench bench(directory / "segments", std::uint64_t{4} << 20);
    flat_out(bench, 50, 2'000'000);
    paced(bench, 50, seconds);
    fmt::print("many small segments:\n");
    cursors(bench);
  }
  const auto start = Clock::now();
  { const Bench again(directory / "segments", std::uint64_t{4} << 20); }
  fmt::print("open again and close: {:.0f} ms\n", milliseconds(Clock::now() - start));
}
