#include <algorithm>
#include <iostream>
#include <list>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/disk.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/sim/crowd.h>
#include <meterhub/sim/load_town.h>

#include "../program.h"
#include "storm_roles.h"

namespace meterhub::app::bench {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kStep{20};
constexpr std::chrono::seconds kGatherPatience{600};
constexpr std::chrono::seconds kReturnPatience{120};
constexpr double kGentle = 300;  // connects a second before the storm
constexpr double kAtOnce = 1e9;
constexpr std::uint32_t kWrongTokens = 1'000;
constexpr std::uint32_t kFloodConnections = 50;
constexpr std::uint32_t kDeafReaders = 200;
constexpr std::uint32_t kUnderWay = 200;
constexpr std::uint32_t kHalfOpenAddresses = 4'096;
constexpr std::uint32_t kFirstHalfOpenAddress = 0x7f08'0001;  // 127.8.0.1
constexpr char kWrongKey[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

void tell(const json& event) { std::cout << event.dump() << '\n' << std::flush; }

void wait_for_go() {
  std::string line;
  std::getline(std::cin, line);
}

double seconds(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

// RFC 8446, 4.1.2: TLS 1.3 with an X25519 share, which makes the server sign.
base::Bytes client_hello() {
  const std::string random(32, '\x2a');
  std::string extensions;
  const auto extension = [&](std::uint8_t type, const std::string& body) {
    extensions += std::string{'\0', static_cast<char>(type), '\0', static_cast<char>(body.size())} + body;
  };
  extension(43, std::string("\x02\x03\x04", 3));                          // supported_versions
  extension(10, std::string("\0\x02\0\x1d", 4));                          // supported_groups
  extension(13, std::string("\0\x04\x04\x03\x08\x04", 6));                // signature_algorithms
  extension(51, std::string("\0\x24\0\x1d\0\x20", 6) + random);           // key_share
  std::string hello =
      std::string("\x03\x03", 2) + random + std::string(1, '\0') + std::string("\0\x02\x13\x01\x01\0", 6);
  hello += std::string{'\0', static_cast<char>(extensions.size())} + extensions;
  const std::string handshake = std::string{'\x01', '\0', '\0', static_cast<char>(hello.size())} + hello;
  const std::string record =
      std::string("\x16\x03\x01", 3) + std::string{'\0', static_cast<char>(handshake.size())} + handshake;
  return base::Bytes(record.begin(), record.end());
}

// Connections that say nothing, or one word, and then wait for the hub to end them.
class HalfOpen {
 public:
  HalfOpen(net::EventLoop& loop, const net::Address& hub, std::uint32_t addresses)
      : loop_(loop), hub_(hub), addresses_(addresses), hello_(client_hello()) {}

  void run(double rate, std::chrono::milliseconds span) {
    const auto begun = loop_.clock().monotonic();
    for (auto now = begun; now < begun + span; now = loop_.clock().monotonic()) {
      while (static_cast<double>(opened_) < seconds(now - begun) * rate) open();
      loop_.run_once(5ms);
      std::erase_if(all_, [](const auto& one) { return one->closed; });
    }
  }
  std::string text() const { return fmt::format("{} opened, {} ended by the hub meanwhile", opened_, ended_); }

 private:
  struct One final : net::ConnectionHandler {
    explicit One(HalfOpen& to) : owner(to) {}
    ~One() override {
      if (connection) connection->abort();
    }
    void on_open() override {
      if (speaks) connection->write(owner.hello_);
    }
    void on_data(base::BytesView) override {}
    void on_closed(net::CloseReason, std::string_view) override {
      closed = true;
      ++owner.ended_;
    }
    HalfOpen& owner;
    net::ConnectionPtr connection;
    bool speaks = false, closed = false;
  };

  void open() {
    auto one = std::make_unique<One>(*this);
    one->speaks = opened_ % 2 == 0;
    net::ConnectOptions how;
    how.from = net::Address::v4(kFirstHalfOpenAddress + static_cast<std::uint32_t>(opened_ % addresses_), 0);
    ++opened_;
    auto connection = net::connect(loop_, hub_, std::move(how), *one);
    if (!connection) return;
    one->connection = std::move(*connection);
    all_.push_back(std::move(one));
  }

  net::EventLoop& loop_;
  const net::Address hub_;
  const std::uint32_t addresses_;
  const base::Bytes hello_;
  std::list<std::unique_ptr<One>> all_;
  std::uint64_t opened_ = 0, ended_ = 0;
};

class Maker {
 public:
  Maker(net::EventLoop& loop, const StormRole& role, sim::DriverOptions net, const sim::LoadTown& town)
      : loop_(loop), role_(role), net_(std::move(net)), town_(town) {}

  base::Result<json> play(Storm storm, std::chrono::milliseconds span) {
    switch (storm) {
      case Storm::kReturn: return returning();
      case Storm::kHalfOpen: return half_open(kHalfOpenAddresses, span);
      case Storm::kOneAddress: return half_open(1, span);
      case Storm::kTokens: return wrong_tokens(span);
      case Storm::kFlood: return flood(span);
      case Storm::kDeaf: break;
    }
    return deaf(span);
  }

 private:
  std::vector<sim::SimGateway> gateways(std::uint32_t count) const {
    const auto first = role_.town.steady + role_.town.newcomers();
    count = std::min(count, role_.town.returning);
    std::vector<sim::SimGateway> out;
    out.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) out.push_back(town_.gateway(first + i));
    return out;
  }
  bool run_until_ready(const sim::Crowd& crowd, std::chrono::seconds patience) {
    const auto until = loop_.clock().monotonic() + patience;
    while (!crowd.all_ready() && loop_.clock().monotonic() < until) loop_.run_once(kStep);
    return crowd.all_ready();
  }
  void run_for(std::chrono::milliseconds span) {
    const auto until = loop_.clock().monotonic() + span;
    while (loop_.clock().monotonic() < until) loop_.run_once(kStep);
  }
  void go() {
    tell({{"event", "ready"}});
    wait_for_go();
  }

  base::Result<json> returning() {
    sim::CrowdOptions how;
    how.keeps_tickets = role_.tickets;
    sim::Crowd crowd(loop_, gateways(role_.town.returning), net_, how);
    crowd.connect(kGentle);
    if (!run_until_ready(crowd, kGatherPatience))
      return base::fail(base::Errc::kTimeout,
                        "the gateways could not connect before the storm: " + crowd.net().last_error);
    crowd.take_return_times();
    go();
    const auto lost = crowd.net().disconnects;
    const auto begun = loop_.clock().monotonic();
    crowd.drop_all();
    crowd.connect(kAtOnce);
    const bool all = run_until_ready(crowd, kReturnPatience);
    const auto back = seconds(loop_.clock().monotonic() - begun);
    const auto times = crowd.take_return_times();
    const auto again = crowd.net().disconnects - lost - role_.town.returning;
    return json{{"seconds", back},
                {"all_back", all},
                {"text", fmt::format("{} of {} back in {:.2f} s (half of them in {:.2f} s), {} attempts refused",
                                     crowd.net().connected, role_.town.returning, back, seconds(times.percentile(0.5)),
                                     again)}};
  }

  base::Result<json> half_open(std::uint32_t addresses, std::chrono::milliseconds span) {
    HalfOpen crowd(loop_, net_.hub, addresses);
    go();
    crowd.run(role_.rate, span);
    return json{{"text", crowd.text()}};
  }

  base::Result<json> wrong_tokens(std::chrono::milliseconds span) {
    auto liars = gateways(kWrongTokens);
    for (auto& one : liars) one.key = kWrongKey;
    sim::CrowdOptions how;
    how.insists = true;
    sim::Crowd crowd(loop_, std::move(liars), net_, how);
    go();
    crowd.connect(kAtOnce);
    run_for(span);
    const auto& net = crowd.net();
    return json{{"text", fmt::format("{} tokens refused, {} connections ended by the hub", net.tokens_refused,
                                     net.disconnects)}};
  }

  base::Result<json> flood(std::chrono::milliseconds span) {
    const std::vector<sim::SimGateway> one(kFloodConnections, gateways(1).front());
    sim::CrowdOptions how;
    how.under_way = kUnderWay;
    sim::Crowd crowd(loop_, one, net_, how);
    go();
    crowd.connect(kGentle);
    run_for(span);
    return json{{"text", fmt::format("{} messages of one device settled over {} connections, {} rejected",
                                     crowd.settled(), kFloodConnections, crowd.rejected())}};
  }

  base::Result<json> deaf(std::chrono::milliseconds span) {
    sim::CrowdOptions how;
    how.deaf = true;
    how.under_way = kUnderWay;
    sim::Crowd crowd(loop_, gateways(kDeafReaders), net_, how);
    go();
    crowd.connect(kGentle);
    run_for(span);
    return json{{"text", fmt::format("{} gateways stopped reading", crowd.net().connected)}};
  }

  net::EventLoop& loop_;
  const StormRole& role_;
  const sim::DriverOptions net_;
  const sim::LoadTown& town_;
};

}  // namespace

std::string storm_name(Storm storm) {
  switch (storm) {
    case Storm::kReturn: return "return";
    case Storm::kHalfOpen: return "half-open";
    case Storm::kOneAddress: return "one-address";
    case Storm::kTokens: return "wrong-tokens";
    case Storm::kFlood: return "flood";
    case Storm::kDeaf: break;
  }
  return "deaf";
}

base::Result<int> play_storm(const StormRole& role, Storm storm, std::chrono::milliseconds span) {
  raise_descriptor_limit();
  const base::PosixDisk disk;
  const auto town = MH_TRY(sim::LoadTown::create(role.town.meters, role.town.gateways()));
  sim::DriverOptions net;
  net.hub = MH_TRY(net::Address::parse(role.hub));
  net.host = "localhost";
  const auto ca = MH_TRY(disk.read(role.ca));
  net.tls = MH_TRY(net::TlsContext::client({ca, {}, {}}));
  const auto loop = MH_TRY(net::EventLoop::create());
  auto done = MH_TRY(Maker(*loop, role, std::move(net), town).play(storm, span));
  done["event"] = "done";
  tell(done);
  return 0;
}

}  // namespace meterhub::app::bench
