// What the console does with a reading: its document, then the state of its meter.
//   build/release/bench/console/console_bench
#include <benchmark/benchmark.h>

#include "documents.h"
#include <meterhub/fleet/completeness_survey.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/fleet/reading_reader.h>

namespace meterhub::fleet {
namespace {

constexpr std::uint32_t kRecords = 4096;

struct Records {
  std::vector<std::string> keys;
  std::vector<std::string> bodies;
  std::vector<log::RecordView> records = bench::records(keys, bodies, kRecords);
};

// An escape, which nobody writes, sends a document through the general parser.
void documents(benchmark::State& state, const std::string& also) {
  Records all;
  for (std::uint32_t n = 0; n < kRecords; ++n) {
    all.bodies[n].insert(all.bodies[n].size() - 1, also);
    all.records[n].body = all.bodies[n];
  }
  ReadingReader reader;
  for (auto _ : state) {
    for (const auto& record : all.records) {
      if (reader.read(record) == nullptr) std::abort();
    }
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
}

void document(benchmark::State& state) { documents(state, ""); }
void document_by_parser(benchmark::State& state) { documents(state, R"(,"\u0078":0)"); }

class NoOutages final : public GatewayOutages {
 public:
  std::span<const Outage> outages(std::uint16_t, base::Timestamp) const override { return {}; }
};

// Meters of a fleet of a million in the order in which they come: anywhere. `counted`: with completeness, every hundredth
// packet lost.
void readings(benchmark::State& state, bool counted) {
  const auto meters = static_cast<std::uint32_t>(state.range(0));
  FleetState fleet(20'000);
  Reading reading;
  reading.left = 979'171;
  reading.used = 20'829;
  base::Timestamp now(std::chrono::seconds(1'482'290'680));
  DayClock days(*consumption::LocalTime::of("Asia/Shanghai"));
  const NoOutages outages;
  CountedPacket packet{.session = 1, .at = now, .gateway = 1};
  for (std::uint32_t meter = meters; meter > 0; --meter) {
    fleet.put(base::MeterNumber(meter), reading, now, now);
    if (counted) fleet.count(base::MeterNumber(meter), packet, {days, outages});
    fleet.heard(base::MeterNumber(meter), now);
  }
  std::uint32_t next = 1, turn = 0;
  for (auto _ : state) {
    next = static_cast<std::uint32_t>((next * 2'654'435'761ull + 1) % meters);
    const base::MeterNumber meter(1 + next);
    now += std::chrono::microseconds(30);
    ++reading.fcnt;
    reading.used += 1;
    fleet.put(meter, reading, now, now);
    if (counted) {
      packet.fcnt = fleet.counted(meter).fcnt + (++turn % 100 == 0 ? 2 : 1);
      packet.at = now;
      fleet.count(meter, packet, {days, outages});
    }
    fleet.heard(meter, now);
    fleet.judge(meter, {}, now);
  }
  state.SetItemsProcessed(state.iterations());
}

void fleet(benchmark::State& state) { readings(state, false); }
void fleet_counted(benchmark::State& state) { readings(state, true); }

// What a survey of all meters takes for completeness, a meter: 5,000 buildings and gateways.
void completeness(benchmark::State& state) {
  const auto meters = static_cast<std::uint32_t>(state.range(0));
  FleetState fleet(20'000);
  DayClock days(*consumption::LocalTime::of("Asia/Shanghai"));
  const NoOutages outages;
  base::Timestamp now(std::chrono::seconds(1'482'290'680));
  for (std::uint32_t meter = meters; meter > 0; --meter) {
    fleet.count(base::MeterNumber(meter), {.session = 1, .at = now, .gateway = static_cast<std::uint16_t>(1 + meter / 200)}, {days, outages});
    fleet.heard(base::MeterNumber(meter), now);
  }
  for (auto _ : state) {
    CountedAreas areas;
    for (std::uint32_t number = 1; number <= meters; ++number) {
      const base::MeterNumber meter(number);
      const registry::MeterEntry entry{.eui = {}, .number = meter, .tenant = base::TenantNumber(1), .session = {},
                                       .building = registry::BuildingNumber(1 + number / 200), .unit = {}, .floor = {}, .unit_name = {}, .profile = {}};
      areas.add(entry, fleet.counted(meter).gateway, counted_days(fleet, meter, now, {days, outages}));
    }
    benchmark::DoNotOptimize(areas);
  }
  state.SetItemsProcessed(state.iterations() * meters);
}

BENCHMARK(completeness)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(document)->Unit(benchmark::kMicrosecond);
BENCHMARK(document_by_parser)->Unit(benchmark::kMicrosecond);
BENCHMARK(fleet)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(fleet_counted)->Arg(10'000)->Arg(1'000'000);

}  // namespace
}  // namespace meterhub::fleet
