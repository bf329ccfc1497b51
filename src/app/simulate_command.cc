#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include <meterhub/base/disk.h>
#include <meterhub/base/settings.h>
#include <meterhub/base/time_text.h>
#include <meterhub/meter/profile.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/sim/documents.h>
#include <meterhub/sim/driver.h>
#include <meterhub/sim/registry_files.h>

#include "commands.h"
#include "program.h"

namespace meterhub::app {
namespace {

constexpr std::string_view kXor = "xor:";
constexpr std::string_view kDatagrams = "datagrams";

std::atomic<bool> stop_asked{false};

struct SimulateOptions {
  std::string hub;
  std::string documents;     // a directory: files instead of a hub
  std::string begin = "2026-03-02T08:00:00Z";
  std::uint32_t meters = 1'000;
  std::string interval = "30s";
  std::string span;          // empty: until stopped
  std::string fleet = "meterhub-fleet";
  std::string registry;      // directory of CSV files: their meters instead of a new town
  std::vector<std::string> profiles;  // files
  std::string sent;          // empty: sent.mhs in the fleet's directory
  std::string ca;
  std::string bodies = "lorawan";
  std::uint32_t per_message = 8;
  std::uint64_t seed = 0;    // 0: drawn
  std::string token_life = "1h";
  bool let_tokens_expire = false;
  bool faults = false;
  double troubled = 0;
};

struct HubAddress {
  bool tls = true;
  std::string host;
  std::uint16_t port = 5671;
};

base::Result<HubAddress> parse_hub(std::string_view text) {
  HubAddress hub;
  hub.tls = text.starts_with("amqps://");
  if (!hub.tls && !text.starts_with("amqp://")) {
    return base::fail(base::Errc::kInvalidArgument, "--hub is amqps://host[:port] or amqp://host[:port]");
  }
  text.remove_prefix(text.find("//") + 2);
  if (text.ends_with('/')) text.remove_suffix(1);
  const auto colon = text.rfind(':');
  hub.host = text.substr(0, colon);
  hub.port = hub.tls ? 5671 : 5672;
  if (colon == std::string_view::npos) return hub;
  const auto port = MH_TRY(base::parse_setting(base::SettingKind::kInt, text.substr(colon + 1)));
  const auto number = std::get<std::int64_t>(port);
  if (number < 1 || number > 65'535) return base::fail(base::Errc::kInvalidArgument, "--hub: a port is 1 to 65535");
  hub.port = static_cast<std::uint16_t>(number);
  return hub;
}

// The meters of --registry, with the payloads of --profile.
base::Result<sim::Town> town_of_files(const SimulateOptions& options, const base::Disk& disk) {
  std::vector<meter::Profile> profiles;
  for (const auto& file : options.profiles) {
    auto profile = meter::parse_profile(MH_TRY(disk.read(file)));
    if (!profile) return std::unexpected(std::move(profile.error()).in(file));
    const bool twice = std::ranges::find(profiles, profile->name, &meter::Profile::name) != profiles.end();
    if (twice) return base::fail(base::Errc::kInvalidArgument, file + ": another file has profile " + profile->name + " too");
    profiles.push_back(std::move(*profile));
  }
  return sim::read_registry_files(options.registry, profiles);
}

// The town of the truth file goes on; else a new one.
base::Result<sim::Town> town_for(const SimulateOptions& options, const base::Disk& disk, const std::string& sent) {
  if (!options.registry.empty()) return town_of_files(options, disk);
  if (const auto known = MH_TRY(sim::continued_town(disk, sent))) {
    if (known->meters_per_gateway != 0) return sim::make_town(*known);
    return base::fail(base::Errc::kInvalidArgument, sent + " is the truth of meters from files: give their directory (--registry)");
  }
  std::random_device random;
  const auto drawn = static_cast<std::uint64_t>(random()) << 32 | random();
  return sim::make_town({.seed = options.seed != 0 ? options.seed : drawn, .meters = options.meters});
}

base::Result<std::shared_ptr<net::TlsContext>> tls_for(const HubAddress& hub, const std::string& ca,
                                                       const base::Disk& disk) {
  if (!hub.tls) return std::shared_ptr<net::TlsContext>();
  net::TlsClientOptions tls;
  if (!ca.empty()) tls.ca_pem = MH_TRY(disk.read(ca));
  return net::TlsContext::client(tls);
}

// The key in FILE of "xor:FILE", as examples/plugin-xor reads it; empty for LoRaWAN.
base::Result<std::string> xor_key(const std::string& bodies, const base::Disk& disk) {
  if (bodies == "lorawan" || bodies == kDatagrams) return std::string();
  if (!bodies.starts_with(kXor)) return base::fail(base::Errc::kInvalidArgument, "--bodies is lorawan, datagrams or xor:FILE");
  auto key = MH_TRY(disk.read(bodies.substr(kXor.size())));
  if (key.empty()) return base::fail(base::Errc::kInvalidArgument, "--bodies: the file of the key is empty");
  return key.substr(0, 32);
}

// One line that is written over on a terminal, a line every ten seconds elsewhere.
class Progress {
 public:
  void show(const sim::Fleet& fleet, const sim::Driver& driver) {
    if (!terminal_ && looks_++ % kLooksPerLine != 0) return;
    const auto sent = fleet.counts();
    const auto net = driver.counts();
    fmt::print(stderr, "{}{} of {} gateways, {} packets, {} receptions, {} of {} messages settled, {} waiting{}{}{}",
               terminal_ ? "\r\x1b[K" : "", net.connected, fleet.town().gateways.size(), sent.packets, sent.receptions,
               sent.settled, sent.deliveries, net.waiting,
               net.last_error.empty() ? "" : ", last error: ", net.last_error, terminal_ ? "" : "\n");
  }
  void end() const {
    if (terminal_) fmt::print(stderr, "\n");
  }

 private:
  static constexpr int kLooksPerLine = 10;
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  int looks_ = 0;
};

void drive(net::EventLoop& loop, sim::Fleet& fleet, sim::Driver& driver, std::chrono::milliseconds span) {
  const auto end = loop.clock().monotonic() + span;
  auto next_show = loop.clock().monotonic();
  Progress progress;
  driver.start();
  while (!stop_asked && driver.health() && (span.count() == 0 || loop.clock().monotonic() < end)) {
    loop.run_once(std::chrono::milliseconds(100));
    if (loop.clock().monotonic() < next_show) continue;
    progress.show(fleet, driver);
    next_show += std::chrono::seconds(1);
  }
  bool stopped = false;
  driver.stop(std::chrono::seconds(10), [&] { stopped = true; });
  while (!stopped) loop.run_once(std::chrono::milliseconds(100));
  progress.end();
}

// A fleet that reached nobody has failed, however well it ended.
base::Result<void> outcome_of(const sim::FleetCounts& sent, const sim::Driver& driver) {
  MH_TRY_VOID(driver.health());
  const auto& error = driver.counts().last_error;
  if (sent.settled > 0 || error.empty()) return {};
  return base::fail(base::Errc::kUnavailable, "no message was settled; last error: " + error);
}

base::Result<void> simulate(const SimulateOptions& options) {
  const auto hub = MH_TRY(parse_hub(options.hub));
  const auto span = options.span.empty() ? std::chrono::milliseconds(0) : MH_TRY(base::parse_duration(options.span));
  base::PosixDisk disk;
  MH_TRY_VOID(disk.make_directories(options.fleet));
  std::filesystem::permissions(options.fleet, std::filesystem::perms::owner_all);  // it holds keys
  const auto sent = options.sent.empty() ? base::join_path(options.fleet, "sent.mhs") : options.sent;
  auto town = MH_TRY(town_for(options, disk, sent));
  sim::FleetOptions how;
  how.interval = MH_TRY(base::parse_duration(options.interval));
  how.packets_per_message = options.per_message;
  how.xor_key = MH_TRY(xor_key(options.bodies, disk));
  how.datagrams_only = options.bodies == kDatagrams;
  if (options.registry.empty()) {
    MH_TRY_VOID(sim::write_registry_files(town, fmt::format("{}:{}", hub.host, hub.port), disk, options.fleet,
                                          {.ns_plugin = how.xor_key.empty() ? "" : "xor"}));
  }
  auto loop = MH_TRY(net::EventLoop::create());
  if (options.faults) how.faults = sim::demo_faults();
  how.troubled = options.troubled;
  auto fleet = MH_TRY(sim::Fleet::open(std::move(town), how, disk, sent, loop->clock().now()));
  sim::DriverOptions net;
  net.hub = MH_TRY(net::resolve(hub.host, hub.port)).front();
  net.host = hub.host;
  net.tls = MH_TRY(tls_for(hub, options.ca, disk));
  net.token_lifetime = std::chrono::ceil<std::chrono::seconds>(MH_TRY(base::parse_duration(options.token_life)));
  net.renew_tokens = !options.let_tokens_expire;
  sim::Driver driver(*loop, *fleet, net);
  drive(*loop, *fleet, driver, span);
  const auto counts = fleet->counts();
  fmt::print("packets {} lost on the air {} receptions {} messages {} settled {} rejected {} dropped {}\n",
             counts.packets, counts.lost_on_air, counts.receptions, counts.deliveries, counts.settled, counts.rejected,
             counts.dropped);
  return outcome_of(counts, driver);
}

// Hours of a fleet as files, for `sql test` (docs/queries.md).
base::Result<void> simulate_documents(const SimulateOptions& options) {
  sim::DocumentOptions how;
  how.seed = options.seed != 0 ? options.seed : 1;
  how.meters = options.meters;
  how.begin = MH_TRY(base::parse_rfc3339(options.begin)).at;
  how.interval = MH_TRY(base::parse_duration(options.interval));
  how.incidents = options.faults;
  if (!options.span.empty())
    how.span = std::chrono::floor<std::chrono::seconds>(MH_TRY(base::parse_duration(options.span)));
  base::PosixDisk disk;
  const auto counts = MH_TRY(sim::write_documents(how, disk, options.documents));
  fmt::print("packets {} heard {} receptions {} incidents {}\n", counts.packets, counts.heard, counts.receptions,
             counts.incidents);
  return {};
}

}  // namespace

void add_simulate(CLI::App& program, Exit& exit) {
  auto* command =
      program.add_subcommand("simulate", "Run a simulated fleet against a hub, or write its documents to files");
  const auto options = std::make_shared<SimulateOptions>();
  auto* where = command->add_option_group("where");
  auto* hub = where->add_option("--hub", options->hub, "amqps://host[:port]");
  where->add_option(
      "--documents", options->documents,
      "Directory for readings.jsonl, decoded.jsonl, Meters.csv and truth.jsonl: hours of stream time at once, without a hub");
  where->require_option(1);
  command->add_option("--begin", options->begin, "With --documents: stream time of the first packets")
      ->capture_default_str();
  auto* meters = command->add_option("--meters", options->meters, "Size of a new town")
                     ->check(CLI::Range(1U, sim::kTownMetersMax))
                     ->capture_default_str();
  command->add_option("--interval", options->interval, "Between two packets of a meter")
      ->check(check_interval)
      ->capture_default_str();
  command->add_option("--for", options->span, "How long, as 60s; when not given, until Ctrl-C (4h of --documents)")
      ->check(check_span);
  command->add_option("--fleet", options->fleet, "Directory of the fleet's files")->capture_default_str();
  command->add_option("--sent", options->sent, "The truth; sent.mhs in the fleet's directory when not given");
  command->add_option("--ca", options->ca, "File with the hub's CA certificate");
  auto* seed = command->add_option("--seed", options->seed,
                                   "Of a new town; drawn when not given (1 for --documents). Who knows it knows all keys");
  auto* registry = command->add_option(
      "--registry", options->registry,
      "Directory with gateways.csv and meters.csv, keys included, as `registry import` takes them: their meters send instead of a new town's");
  registry->needs(hub)->excludes(meters)->excludes(seed);
  command->add_option("--profile", options->profiles, "With --registry: payload profiles that its meters name, files")->needs(registry);
  command
      ->add_option(
          "--bodies", options->bodies,
          "What gateways send: lorawan, datagrams (the same, never the JSON alone), or xor:FILE, the vendor's bodies of examples/plugin-xor with the key in FILE")
      ->capture_default_str();
  command->add_option("--per-message", options->per_message, "Packets that a gateway puts into one message at most")
      ->capture_default_str();
  command->add_option("--token-life", options->token_life, "Of the tokens that gateways make")
      ->check(check_span)
      ->capture_default_str();
  command->add_flag("--let-tokens-expire", options->let_tokens_expire,
                    "Gateways make a new token once the hub has ended the connection of the old one");
  command->add_flag("--faults", options->faults,
                    "With the demo's one-time faults; with --documents, what the queries of queries/ look for");
  command->add_option("--troubled", options->troubled,
                      "Share of meters in trouble: never heard, falling silent, valve closed, case opened, flow sensor "
                      "faulty, balance low, leaking, running backwards, each equally often")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(hub);
  command->callback([options, &exit] {
    std::signal(SIGINT, [](int) { stop_asked = true; });
    std::signal(SIGTERM, [](int) { stop_asked = true; });
    if (auto done = options->documents.empty() ? simulate(*options) : simulate_documents(*options); !done) {
      fmt::print(stderr, "meterhub simulate: {}\n", done.error().text);
      exit.code = done.error().code == base::Errc::kInvalidArgument ? 2 : 1;
    }
  });
}

}  // namespace meterhub::app
