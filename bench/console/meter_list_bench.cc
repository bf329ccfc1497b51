// Filtered pages of the list of meters, with a million of them, and its exports.
//   build/release/bench/console/meter_list_bench        (makes a registry in the temporary directory first: a minute or
//   two)
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <meterhub/registry/store.h>

#include "list_text.h"
#include "meter_list.h"
#include "tenant_figures.h"

namespace meterhub::console {
namespace {

constexpr std::uint32_t kMeters = 1'000'000;
constexpr std::uint32_t kFlatsOfBuilding = 50;
constexpr std::uint32_t kBuildingsOfDistrict = 500;
constexpr base::Timestamp kNow{std::chrono::seconds(1'700'000'000)};

// In 20,000 buildings, 40 districts, 2 tenants; 1 % are low, 2 % silent.
class Town {
 public:
  Town() {
    std::string pattern = (std::filesystem::temp_directory_path() / "meterhub-bench-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    registry::Store::Options options;
    options.file = path_ / "registry.sqlite";
    const base::ManualClock clock;
    const auto store = std::move(*registry::Store::open(options, clock));
    fill(*store);
    if (!directory.load(*store)) std::abort();
  }
  ~Town() { std::filesystem::remove_all(path_); }
  Town(const Town&) = delete;
  Town& operator=(const Town&) = delete;

  registry::Directory directory;
  fleet::FleetState fleet{20'000};

 private:
  void fill(registry::Store& store) {
    const auto import = std::move(*store.begin_import("bench"));
    if (!import->put_tenant("North Gas", registry::kDefaultTimeZone) ||
        !import->put_tenant("South Gas", registry::kDefaultTimeZone))
      std::abort();
    for (std::uint32_t n = 0; n < kMeters; ++n) {
      const auto building = n / kFlatsOfBuilding;
      registry::MeterSpec spec;
      spec.eui = base::Eui64(0xffffff1000000000 + n);
      spec.tenant = n < kMeters / 2 ? "North Gas" : "South Gas";
      spec.district = "District " + std::to_string(building / kBuildingsOfDistrict);
      spec.building = "Tower " + std::to_string(building);
      spec.floor = std::to_string(n % kFlatsOfBuilding / 4);
      spec.unit = std::to_string(100 * (n % kFlatsOfBuilding / 4) + n % 4);
      if (!import->put_meter(spec, false)) std::abort();
      say(n + 1);
    }
    if (!import->commit()) std::abort();
  }
  void say(std::uint32_t meter) {
    const base::MeterNumber number(meter);
    const auto heard = kNow - (meter % 50 == 0 ? std::chrono::seconds(9'000) : std::chrono::seconds(meter % 60));
    const fleet::Reading reading{
        .time = heard, .bought = 1'000'000, .left = meter % 100 == 1 ? 4'000 : 500'000, .used = meter, .fcnt = 1};
    fleet.put(number, reading, heard, kNow);
    fleet.heard(number, heard);
    fleet.judge(number, {}, kNow);
  }

  std::filesystem::path path_;
};

Town& town() {
  static Town out;
  return out;
}

void page(benchmark::State& state, const std::vector<std::pair<std::string, std::string>>& filters,
          const std::string& sort) {
  const auto form = meter_list_form();
  ListQuery query{.filters = filters};
  if (!sort.empty()) {
    const auto column = std::ranges::find(form.columns, sort, &ListColumn::name);
    query.sort = {{static_cast<std::size_t>(column - form.columns.begin()), true}};
  }
  const auto source = meter_list(town().directory, town().fleet);
  std::uint64_t total = 0;
  for (auto _ : state) {
    const auto rows = std::move(*source(query, {}, {0, 100}));
    std::string out;
    const auto page = *rows->next(100);
    for (const auto& row : page) append_json_row(out, form, row);
    benchmark::DoNotOptimize(out);
    total = *rows->total();
  }
  state.counters["rows"] = static_cast<double>(total);
}

void csv(benchmark::State& state) {
  const auto form = meter_list_form();
  const auto source = meter_list(town().directory, town().fleet);
  for (auto _ : state) {
    const auto rows = std::move(*source({}, {}, {0, kMeters}));
    std::size_t bytes = 0;
    for (;;) {
      std::string out;
      const auto block = *rows->next(500);
      for (const auto& row : block) append_csv_row(out, form, row);
      if (out.empty()) break;
      bytes += out.size();
    }
    state.counters["MB"] = static_cast<double>(bytes) / 1e6;
  }
}

void tenant_figures(benchmark::State& state) {
  for (auto _ : state) {
    std::array<std::uint32_t, fleet::kMeterStates> counts{};
    const auto view = town().directory.view();
    for (std::uint32_t n = 1; n <= kMeters; ++n) {
      const base::MeterNumber number(n);
      if (view.meter(number)->tenant.value == 1) ++counts[static_cast<std::size_t>(town().fleet.state(number))];
    }
    benchmark::DoNotOptimize(counts);
  }
}

BENCHMARK_CAPTURE(page, all, {}, "")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, low, {{"state", "low"}}, "")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, low_by_last_seen, {{"state", "low"}}, "last_seen")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, one_district, {{"district", "District 7"}}, "")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, search_eui, {{"q", "7a3f"}}, "")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, search_tower, {{"q", "tower 199"}}, "")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, all_by_last_seen, {}, "last_seen")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, all_by_unit, {}, "unit")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(page, all_by_building, {}, "building")->Unit(benchmark::kMillisecond);
BENCHMARK(tenant_figures)->Unit(benchmark::kMillisecond);
BENCHMARK(csv)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace meterhub::console
