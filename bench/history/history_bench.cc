// What the archive does with a reading: its document, a row, and a fresh file of rows.
//   build/release/bench/history/history_bench
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <filesystem>
#include <iostream>

#include <meterhub/base/disk.h>
#include <meterhub/lake/writer.h>

#include "document.h"
#include "documents.h"

namespace meterhub::history {
namespace {

constexpr std::uint32_t kRecords = 50'000;

struct Records {
  std::vector<std::string> keys;
  std::vector<std::string> bodies;
  std::vector<log::RecordView> records = bench::records(keys, bodies, kRecords);
};
const Records& all() {
  static const Records made;
  return made;
}

// The rows of one partition's flush, with room kept as Archive keeps it.
void rows(benchmark::State& state) {
  RowReader reader;
  std::vector<lake::Reading> out;
  (void)all();
  for (auto _ : state) {
    out.clear();
    for (const auto& record : all().records) {
      if (!reader.read(record, out.emplace_back())) std::abort();
    }
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
}

// Sorted, filled into columns, written as Parquet, committed.
void fresh_file(benchmark::State& state) {
  const auto folder = std::filesystem::temp_directory_path() / ("history_bench-" + std::to_string(::getpid()));
  base::PosixDisk disk;
  auto writer = lake::Writer::open(disk, {.directory = folder.string(), .memory_limit = 512u << 20, .threads = 1});
  const lake::Owner owner{.partition = base::PartitionId(0), .partitions = 1, .epoch = base::Epoch(1)};
  if (!writer || !(*writer)->take_over(owner)) std::abort();
  RowReader reader;
  std::vector<lake::Reading> out(kRecords);
  for (std::uint32_t n = 0; n < kRecords; ++n) {
    if (!reader.read(all().records[n], out[n])) std::abort();
  }
  std::uint64_t next = 0;
  for (auto _ : state) {
    for (std::uint32_t n = 0; n < kRecords; ++n) out[n].offset = base::Offset(next + n);
    if (!(*writer)->append(owner, base::Offset(next), base::Offset(next + kRecords), out)) std::abort();
    next += kRecords;
  }
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder / "fresh")) bytes += file.file_size();
  state.SetItemsProcessed(state.iterations() * kRecords);
  state.SetLabel(std::to_string(static_cast<double>(bytes) / static_cast<double>(next)) + " bytes a row");
  std::filesystem::remove_all(folder);
}

BENCHMARK(rows)->Unit(benchmark::kMicrosecond);
BENCHMARK(fresh_file)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace meterhub::history
