// Deliveries for the transports over the wire: real frames, real servers, a relay that loses.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <random>

#include <meterhub/connector/udp_transport.h>
#include <meterhub/decrypt/session_table.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/report.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/udp.h>

namespace meterhub::connector::test {

using namespace std::chrono_literals;

constexpr base::Eui64 kGateway{0xfffe020100000011};

inline lorawan::Session session(std::uint32_t meter) {
  lorawan::Session out;
  out.dev_addr = base::DevAddr(0x01000000 + meter);
  out.dev_eui = base::Eui64(0xAA00 + meter);
  out.meter = base::MeterNumber(meter);
  out.number = base::SessionNumber(2);
  out.nwk_skey.fill(static_cast<std::uint8_t>(meter));
  out.app_skey.fill(static_cast<std::uint8_t>(meter + 1));
  return out;
}

// One element of rxpk: a frame of this meter with this counter.
inline std::string packet(std::uint32_t meter, std::uint32_t fcnt) {
  const auto keys = session(meter);
  lorawan::DataFrameSpec spec;
  spec.dev_addr = keys.dev_addr;
  spec.fcnt = fcnt;
  spec.port = 1;
  const base::Bytes payload(20, static_cast<std::uint8_t>(fcnt));
  spec.payload = payload;
  lorawan::Rxpk rxpk;
  rxpk.tx.modu = "LORA";
  rxpk.tx.datr = "SF7BW125";
  rxpk.tx.freq = 481.5;
  rxpk.phy = *lorawan::build_data_frame(spec, keys.nwk_skey, keys.app_skey);
  std::string out;
  lorawan::append_rxpk(out, rxpk);
  return out;
}

inline std::string body_of(std::initializer_list<std::string> packets) {
  std::string out = R"({"rxpk":[)";
  for (const auto& one : packets) out += (out.back() == '[' ? "" : ",") + one;
  return out + "]}";
}

// A block that owns its bodies.
inline Block block_of(std::vector<std::string> bodies, std::string_view plugin = {}) {
  const auto kept = std::make_shared<std::vector<std::string>>(std::move(bodies));
  Block out;
  for (std::size_t i = 0; i < kept->size(); ++i) {
    Delivery delivery;
    delivery.origin = {"telemetry", base::PartitionId(3), base::Offset(1000 + i), 0, {}};
    delivery.gateway = kGateway;
    delivery.plugin = plugin;
    delivery.enqueued = base::Timestamp(1'700'000'000s);
    delivery.body = (*kept)[i];
    out.deliveries.push_back(delivery);
  }
  out.storage = kept;
  return out;
}

// Everything on one loop, in real time: resending is what is tested.
class WireTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint32_t meter = 1; meter <= 50; ++meter) ASSERT_TRUE(table_.upsert(session(meter)));
    table_.set_fresh_as_of(base::Timestamp(1'800'000'000s));
  }
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds patience = 20s) {
    const auto end = loop_->clock().monotonic() + patience;
    while (!done() && loop_->clock().monotonic() < end) loop_->run_once(5ms);
    return done();
  }
  std::uint64_t total(std::string_view name) const { return metrics_.total(name); }

  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create());
  base::Metrics metrics_;
  decrypt::SessionTable table_;
};

// Stands between a transport and a server: loses, doubles, delays and so reorders datagrams, both ways.
class Relay final : public net::UdpHandler {
 public:
  Relay(net::EventLoop& loop, net::Address server, double loss, unsigned seed)
      : loop_(loop), server_(server), loss_(loss), random_(seed) {
    front_ = std::move(*net::UdpSocket::bind(loop, net::Address::loopback(), {}, *this));
  }
  const net::Address& address() const { return front_->address(); }
  std::size_t lost() const { return lost_; }
  std::size_t clients() const { return sources_.size(); }  // addresses that something came from

  void on_datagrams(std::span<const net::Datagram> block) override {
    for (const auto& one : block) pass(*source(one.peer).socket, server_, one.bytes);
  }

 private:
  // Towards the server each client has a socket of its own, where the acknowledgements come.
  struct Source final : net::UdpHandler {
    Source(Relay& r, net::Address c) : relay(r), client(c) {}
    void on_datagrams(std::span<const net::Datagram> block) override {
      for (const auto& one : block) relay.pass(*relay.front_, client, one.bytes);
    }
    Relay& relay;
    net::Address client;
    std::unique_ptr<net::UdpSocket> socket;
  };

  Source& source(const net::Address& client) {
    auto& out = sources_[client];
    if (!out) {
      out = std::make_unique<Source>(*this, client);
      out->socket = std::move(*net::UdpSocket::bind(loop_, net::Address::loopback(), {}, *out));
    }
    return *out;
  }
  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  void pass(net::UdpSocket& by, const net::Address& to, base::BytesView bytes) {
    if (chance(loss_)) {
      ++lost_;
      return;
    }
    by.send(to, bytes);
    if (chance(loss_ / 3)) by.send(to, bytes);
    if (!chance(loss_ / 3)) return;
    loop_.after(std::chrono::milliseconds(30), [alive = std::weak_ptr(alive_), &by, to, copy = base::Bytes(bytes.begin(), bytes.end())] {
      if (!alive.expired()) by.send(to, copy);
    });
  }

  net::EventLoop& loop_;
  const net::Address server_;
  const double loss_;
  std::mt19937 random_;
  std::size_t lost_ = 0;
  std::map<net::Address, std::unique_ptr<Source>> sources_;
  std::unique_ptr<net::UdpSocket> front_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace meterhub::connector::test
