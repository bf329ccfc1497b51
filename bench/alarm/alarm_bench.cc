// Alarms of a fleet of a million, 100,000 of them open: what a reading costs, what people wait for, what the disk gets.
//   build/release/bench/alarm/alarm_bench
#include <malloc.h>

#include <random>

#include <benchmark/benchmark.h>
#include <meterhub/alarm/episodes.h>
#include <meterhub/tables/database.h>
#include <meterhub/tables/episodes.h>

#include "temporary_directory.h"

namespace meterhub::alarm {
namespace {

constexpr std::uint64_t kMeters = 1'000'000;
constexpr std::uint64_t kOpen = 100'000;
constexpr base::Timestamp kStart(std::chrono::seconds(1'700'000'000));

Subject meter(std::uint64_t number) { return Subject::meter(base::Eui64(0xffff'ffff'0000'0000 + number)); }

void see(Episodes& episodes, std::uint64_t number, bool active, base::Timestamp at, Rule rule = Rule::kLowBalance) {
  episodes.observe({.rule = rule,
                    .subject = meter(number),
                    .tenant = base::TenantNumber(static_cast<std::uint32_t>(1 + number % 5)),
                    .active = active,
                    .at = at,
                    .detail = active ? "balance 4.171 m³, limit 5 m³" : ""});
}

// Every tenth meter is low.
Episodes with_open(std::uint64_t open = kOpen) {
  Episodes out(Policies(), {.flood_raises = kMeters});
  for (std::uint64_t n = 0; n < open; ++n)
    see(out, n * (kMeters / kOpen), true, kStart + std::chrono::milliseconds(n % 600'000));
  return out;
}

// Meters of a fleet in the order in which they come: anywhere.
std::uint64_t next(std::uint64_t meter) { return (meter * 2'654'435'761ULL + 1) % kMeters; }

void observe_gone_of_a_healthy_meter(benchmark::State& state) {
  auto episodes = with_open();
  std::uint64_t number = 1;
  for (auto _ : state) {
    number = next(number);
    see(episodes, number - number % 10 + 1, false, kStart + std::chrono::hours(1));
  }
  state.SetItemsProcessed(state.iterations());
}

void observe_there_of_an_open_one(benchmark::State& state) {
  auto episodes = with_open();
  (void)episodes.take_changes();
  std::uint64_t number = 1;
  auto now = kStart + std::chrono::hours(1);
  for (auto _ : state) {
    number = next(number);
    now += std::chrono::microseconds(300);
    see(episodes, number - number % 10, true, now);
  }
  state.SetItemsProcessed(state.iterations());
}

void raise_and_clear(benchmark::State& state) {
  auto episodes = with_open();
  std::uint64_t number = 1, done = 0;
  auto now = kStart + std::chrono::hours(1);
  for (auto _ : state) {
    number = next(number);
    now += std::chrono::microseconds(300);
    see(episodes, number - number % 10 + 1, true, now, Rule::kHighFlow);
    see(episodes, number - number % 10 + 1, true, now, Rule::kHighFlow);
    see(episodes, number - number % 10 + 1, true, now, Rule::kHighFlow);
    see(episodes, number - number % 10 + 1, false, now, Rule::kHighFlow);
    if (++done % 1'000 == 0) {
      episodes.tick(now);
      (void)episodes.take_changes();
    }
  }
  state.SetItemsProcessed(state.iterations());
}

void acknowledge_all(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto episodes = with_open();
    (void)episodes.take_changes();
    state.ResumeTiming();
    const auto outcome = episodes.acknowledge({}, {.who = "wang", .at = kStart + std::chrono::hours(1)});
    if (outcome->done != kOpen) std::abort();
    benchmark::DoNotOptimize(episodes.take_changes());
    state.PauseTiming();
    episodes = Episodes(Policies());
    state.ResumeTiming();
  }
}

// The n-th page of 100, by severity and the time of raising, of one tenant or all.
void list_page(benchmark::State& state) {
  const auto episodes = with_open();
  Filter which;
  if (state.range(1) != 0) which.tenants = std::vector{base::TenantNumber(2)};
  const auto offset = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    const auto listing =
        episodes.list(which, {{SortKey::kSeverity, true}, {SortKey::kRaised, true}}, {.offset = offset});
    if (listing.total < offset) std::abort();
    benchmark::DoNotOptimize(listing);
  }
}

void list_by_text(benchmark::State& state) {
  const auto episodes = with_open();
  const Filter which{.matches = [](const Episode& episode) { return episode.subject.text().contains("12"); }};
  for (auto _ : state) benchmark::DoNotOptimize(episodes.list(which, {{SortKey::kSubject, false}}, {}));
}

void count_open(benchmark::State& state) {
  const auto episodes = with_open();
  for (auto _ : state) benchmark::DoNotOptimize(episodes.counts());
}

std::size_t allocated() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Bytes of an open episode (`0`) or of a pending condition (`1`), with their places in the engine's lists, when what
// was to be written is.
void memory(benchmark::State& state) {
  for (auto _ : state) {
    const auto before = allocated();
    auto episodes = with_open(state.range(0) == 0 ? kOpen : 0);
    for (std::uint64_t n = 0; state.range(0) != 0 && n < kOpen; ++n) see(episodes, n, true, kStart, Rule::kBatteryLow);
    (void)episodes.take_changes();
    state.counters["bytes"] = static_cast<double>(allocated() - before) / static_cast<double>(kOpen);
  }
}

// A hundred thousand episodes into a new file (`0`), or changed there (`1`), each with an entry of history.
void write_block(benchmark::State& state) {
  const base::SystemClock clock;
  for (auto _ : state) {
    state.PauseTiming();
    db::TemporaryDirectory directory;
    auto database = std::move(*tables::Database::open(directory / "database.sqlite", clock));
    auto episodes = with_open();
    const auto write = [&](const Changes& changes) {
      if (!database->transact([&](db::Connection& connection) { return tables::write_episodes(connection, changes); }))
        std::abort();
    };
    if (state.range(0) != 0) {
      write(episodes.take_changes());
      (void)episodes.acknowledge({}, {.who = "wang", .at = kStart + std::chrono::hours(1)});
    }
    const auto changes = episodes.take_changes();
    if (changes.episodes.size() != kOpen) std::abort();
    state.ResumeTiming();
    write(changes);
    state.PauseTiming();
    database.reset();
    state.ResumeTiming();
  }
}

// From the file into an engine.
void load(benchmark::State& state) {
  const base::SystemClock clock;
  db::TemporaryDirectory directory;
  auto database = std::move(*tables::Database::open(directory / "database.sqlite", clock));
  const auto changes = with_open().take_changes();
  (void)database->transact([&](db::Connection& connection) { return tables::write_episodes(connection, changes); });
  for (auto _ : state) {
    Episodes episodes{Policies()};
    (void)database->read([&](db::Connection& connection) -> base::Result<void> {
      episodes.load(MH_TRY(tables::read_episodes(connection, kStart)));
      return {};
    });
    if (episodes.open() != kOpen) std::abort();
  }
}

BENCHMARK(observe_gone_of_a_healthy_meter);
BENCHMARK(observe_there_of_an_open_one);
BENCHMARK(raise_and_clear);
BENCHMARK(acknowledge_all)->Unit(benchmark::kMillisecond)->Iterations(5);
BENCHMARK(list_page)->Args({0, 0})->Args({50'000, 0})->Args({0, 1})->Unit(benchmark::kMillisecond);
BENCHMARK(list_by_text)->Unit(benchmark::kMillisecond);
BENCHMARK(count_open)->Unit(benchmark::kMicrosecond);
BENCHMARK(memory)->Arg(0)->Arg(1)->Iterations(1);
BENCHMARK(write_block)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(load)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace meterhub::alarm
