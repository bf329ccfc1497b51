// From what gateways sent to records of decoded readings, stage by stage (design part 9): blocks of
// deliveries with one packet each, from meters in random order. One thread; a packet's CPU time
// and allocations.
//   [METERS=10000000] build/release/bench/connector/connector_bench [--benchmark_filter=open]
// The first run makes a registry beside the temporary files, later ones read it again.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <meterhub/connector/embedded_transport.h>
#include <meterhub/crypto/aes.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/registry/directory.h>
#include <meterhub/sim/load_source.h>

#include "batch.h"

namespace {
std::size_t allocations = 0;  // of this one thread
}  // namespace

// Not inlined: GCC 12 would take malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace meterhub::connector {
namespace {

constexpr std::size_t kBlock = 256;
constexpr std::size_t kBlocks = 1024;  // prepared: their sessions do not fit a processor's cache
constexpr std::uint32_t kGateways = 1000;
constexpr std::uint32_t kFirstCounter = 1;
constexpr double kCopies = 0.14;  // receptions beyond the first, a packet
const base::Timestamp kNow{std::chrono::seconds(1'482'290'674)};

template <class T>
T need(base::Result<T> result) {
  if (!result) std::abort();
  return std::move(*result);
}

struct Load {
  std::uint32_t meters = std::getenv("METERS") == nullptr ? 1'000'000 : static_cast<std::uint32_t>(std::atoi(std::getenv("METERS")));
  sim::LoadTown town = need(sim::LoadTown::create(meters, kGateways));
  decrypt::SessionTable sessions;
  std::vector<sim::LoadMessage> messages;
  std::vector<sim::SimGateway> gateways;

  Load() {
    for (std::uint32_t i = 0; i < meters; ++i) {
      const auto meter = town.meter(i);
      lorawan::Session session;
      session.dev_addr = meter.dev_addr;
      session.dev_eui = meter.eui;
      session.meter = base::MeterNumber(i + 1);
      session.number = base::SessionNumber(1);
      session.nwk_skey = meter.nwk_skey;
      session.app_skey = meter.app_skey;
      if (!sessions.upsert(session)) std::abort();
    }
    sessions.set_fresh_as_of(kNow + std::chrono::hours(1));
    for (std::uint32_t i = 0; i < kGateways; ++i) gateways.push_back(town.gateway(i));
    sim::LoadSource source(town, kFirstCounter, kCopies);
    for (std::uint32_t i = 0; messages.size() < kBlock * kBlocks; ++i) {
      source.plan(i * 7 % kGateways, 1);
      for (auto& message : source.encode(kNow)) messages.push_back(std::move(message));
    }
  }
  std::span<const sim::LoadMessage> block(std::size_t number) const {
    return std::span(messages).subspan(number % kBlocks * kBlock, kBlock);
  }
};

const Load& load() {
  static const Load made;
  return made;
}

class Measured {
 public:
  explicit Measured(benchmark::State& state) : state_(state), allocations_(allocations) {}
  ~Measured() {
    const auto packets = static_cast<double>(state_.iterations()) * kBlock;
    state_.counters["packet"] = benchmark::Counter(packets, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state_.counters["allocations"] = static_cast<double>(allocations - allocations_) / packets;
  }
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;

 private:
  benchmark::State& state_;
  const std::size_t allocations_;
};

void read_report(benchmark::State& state) {
  lorawan::ReportReader reader;
  lorawan::Report report;
  std::size_t number = 0;
  load();
  const Measured measured(state);
  for (auto _ : state) {
    for (const auto& message : load().block(number++)) {
      if (reader.read(message.body, lorawan::ExtraPolicy::kIgnore, report) != lorawan::PacketError::kNone) std::abort();
    }
  }
}

// The keys alone: a MIC and two blocks of key stream a frame, each under its own key.
void cipher(benchmark::State& state) {
  std::vector<crypto::Key128> keys(kBlock);
  std::vector<std::array<std::uint8_t, 45>> messages(kBlock);
  std::vector<std::array<crypto::Block, 2>> streams(kBlock);
  std::vector<crypto::CmacJob> tags;
  std::vector<crypto::EncryptJob> encryptions;
  for (std::size_t i = 0; i < kBlock; ++i) {
    keys[i].fill(static_cast<std::uint8_t>(i));
    tags.push_back({&keys[i], messages[i], {}});
    encryptions.push_back({&keys[i], streams[i]});
  }
  const Measured measured(state);
  for (auto _ : state) {
    crypto::aes_cmac_batch(tags);
    crypto::aes128_encrypt_batch(encryptions);
  }
}

void open(benchmark::State& state) {
  decrypt::Opener opener(load().sessions);
  std::vector<decrypt::Body> bodies;
  std::vector<std::vector<lorawan::Answer>> answers;
  std::size_t number = 0;
  {
    const Measured measured(state);
    for (auto _ : state) {
      bodies.clear();
      for (const auto& message : load().block(number++)) {
        bodies.push_back({base::as_bytes(message.body), load().gateways[message.gateway].eui, kNow});
      }
      opener.open(bodies, {}, answers);
      benchmark::DoNotOptimize(answers);
    }
  }
  if (answers.back().front().kind != lorawan::AnswerKind::kApp) std::abort();
  state.counters["tries"] = static_cast<double>(opener.counters().counter_tries) / static_cast<double>(opener.counters().packets);
}

registry::MeterSpec spec_of(const sim::LoadTown& town, std::uint32_t index) {
  const auto meter = town.meter(index);
  registry::MeterSpec out;
  out.eui = meter.eui;
  out.tenant = "gas";
  out.district = town.district(meter.building);
  out.building = town.building(meter.building);
  out.floor = std::to_string(meter.floor);
  out.unit = std::to_string(meter.floor * 100 + meter.flat);
  return out;
}

// Meters and gateways without their keys.
void fill(registry::Store& store, const Load& from) {
  const auto import = need(store.begin_import("bench"));
  if (!import->put_tenant("gas", registry::kDefaultTimeZone)) std::abort();
  for (const auto& gateway : from.gateways) {
    registry::GatewaySpec spec;
    spec.id = gateway.id;
    spec.eui = gateway.eui;
    spec.tenant = "gas";
    if (!import->put_gateway(spec, false)) std::abort();
  }
  for (std::uint32_t i = 0; i < from.meters; ++i) {
    if (!import->put_meter(spec_of(from.town, i), false)) std::abort();
  }
  if (!import->commit()) std::abort();
}

struct Registry {
  registry::Directory directory;

  Registry() {
    const base::SystemClock clock;
    const auto file = std::filesystem::temp_directory_path() / ("meterhub-connector-bench-" + std::to_string(load().meters) + ".sqlite");
    const auto store = need(registry::Store::open({file, {}}, clock));
    if (need(store->meter_count()) != load().meters) fill(*store, load());
    if (!directory.load(*store)) std::abort();
  }
};

// What a lane does with a batch, from the log's records to the log's appends.
void stage(benchmark::State& state) {
  static const Registry registry;
  base::ManualClock clock(kNow);
  base::ManualExecutor executor(clock);
  base::Metrics metrics;
  const Profiles profiles;
  Topics topics;
  topics.decoded_partitions = 8;
  Sorter sorter(topics, registry.directory, profiles, metrics);
  EmbeddedTransport transport(load().sessions, executor);
  std::size_t number = 0;
  std::size_t records = 0;
  std::vector<log::RecordView> read(kBlock);
  {
    const Measured measured(state);
    for (auto _ : state) {
      std::vector<Source> sources;
      Block block;
      const auto view = registry.directory.view();
      for (const auto& message : load().block(number++)) {
        Source source;
        source.delivery.origin = {"telemetry", base::PartitionId(0), base::Offset(number), 0, kNow};
        source.delivery.gateway_id = load().gateways[message.gateway].id;
        source.delivery.enqueued = kNow;
        source.delivery.body = message.body;
        sources.push_back(source);
        block.deliveries.push_back(source.delivery);
        block.deliveries.back().gateway = *view.gateway(source.delivery.gateway_id)->eui;
      }
      transport.open(std::move(block), [&](const std::vector<Opened>& opened) {
        log::Transaction transaction;
        sorter.sort(sources, opened, transaction.appends);
        records += transaction.appends.size();
      });
      executor.run_ready();
    }
  }
  if (records != number * kBlock) std::abort();
}

BENCHMARK(read_report)->Unit(benchmark::kMicrosecond);
BENCHMARK(cipher)->Unit(benchmark::kMicrosecond);
BENCHMARK(open)->Unit(benchmark::kMicrosecond);
BENCHMARK(stage)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace meterhub::connector
