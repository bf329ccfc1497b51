#include "simulated_network.h"

#include <algorithm>
#include <utility>

namespace meterhub::simulation {

using namespace std::chrono_literals;

// One end of a connection. Bytes leave at the end of the loop's iteration, in pieces, and
// arrive in their order.
class SimulatedNetwork::End final : public net::Connection, public std::enable_shared_from_this<End> {
 public:
  End(SimulatedNetwork& network, net::EventLoop& loop, const net::Address& peer, std::uint64_t seed)
      : network_(network), loop_(loop), peer_(peer), random_(seed) {}
  ~End() override { abort(); }

  static void join(const std::shared_ptr<End>& a, const std::shared_ptr<End>& b) {
    a->other_ = b;
    b->other_ = a;
  }
  void opened() {
    if (closed_) return;
    open_ = true;
    if (handler_ != nullptr) handler_->on_open();
    plan_flush();
  }

  void set_handler(net::ConnectionHandler& handler) override { handler_ = &handler; }
  void write(base::BytesView bytes) override {
    if (closed_ || closing_) return;
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    bytes_out_ += bytes.size();
    plan_flush();
  }
  std::size_t output_waiting() const override { return out_.size(); }
  void pause_reading() override { paused_ = true; }
  void resume_reading() override {
    paused_ = false;
    loop_.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->take(std::exchange(self->held_, {}));
    });
  }
  void close() override {
    if (closed_ || std::exchange(closing_, true)) return;
    plan_flush();
  }
  void abort() override {
    handler_ = nullptr;
    if (std::exchange(closed_, true)) return;
    tell_other(net::CloseReason::kReset, random_() % 2 == 0);
  }
  const net::Address& peer() const override { return peer_; }
  bool is_tls() const override { return false; }
  bool is_local() const override { return false; }
  std::string peer_name() const override { return {}; }
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }

  // The network breaks it: this end hears of it, and the other by itself.
  void broken() {
    if (closed_) return;
    end(net::CloseReason::kReset, "cut");
  }
  bool alive() const { return open_ && !closed_; }
  std::shared_ptr<End> other() const { return other_.lock(); }
  net::EventLoop& loop() { return loop_; }
  std::chrono::nanoseconds latency() { return network_.latency(random_); }

 private:
  void plan_flush() {
    if (!open_ || std::exchange(flush_planned_, true)) return;
    loop_.before_wait([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->flush();
    });
  }
  void flush() {
    flush_planned_ = false;
    if (closed_) return;
    base::Bytes rest = std::exchange(out_, {});
    while (!rest.empty()) {
      const auto size = random_() % 4 == 0 ? 1 + random_() % rest.size() : rest.size();
      base::Bytes piece(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
      rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
      at_other(false, [piece = std::move(piece)](End& other) mutable { other.take(std::move(piece)); });
    }
    if (!closing_) return;
    tell_other(net::CloseReason::kPeer, false);
    loop_.post([weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && !self->closed_) self->end(net::CloseReason::kLocal, "closed");
    });
  }
  void take(base::Bytes bytes) {
    if (closed_ || closing_ || bytes.empty()) return;
    if (paused_) {
      held_.insert(held_.end(), bytes.begin(), bytes.end());
      return;
    }
    bytes_in_ += bytes.size();
    const auto self = shared_from_this();
    if (handler_ != nullptr) handler_->on_data(bytes);
  }
  void end(net::CloseReason reason, std::string_view text) {
    const auto self = shared_from_this();
    closed_ = true;
    if (auto* const handler = std::exchange(handler_, nullptr)) handler->on_closed(reason, text);
  }
  void tell_other(net::CloseReason reason, bool overtakes) {
    at_other(overtakes, [reason](End& other) {
      if (!other.closed_) other.end(other.closing_ ? net::CloseReason::kLocal : reason, "ended by the peer");
    });
  }
  template <class F>
  void at_other(bool overtakes, F what) {
    const auto other = other_.lock();
    if (!other) return;
    const auto now = loop_.clock().monotonic();
    auto at = now + latency();
    if (!overtakes) at = last_arrival_ = std::max(at, last_arrival_ + 1ns);
    other->loop_.after(at - now, [weak = other_, what = std::move(what)]() mutable {
      if (const auto end = weak.lock()) what(*end);
    });
  }

  SimulatedNetwork& network_;
  net::EventLoop& loop_;
  const net::Address peer_;
  std::mt19937_64 random_;  // its own: ends are moved on in any order
  net::ConnectionHandler* handler_ = nullptr;
  std::weak_ptr<End> other_;
  base::Bytes out_;
  base::Bytes held_;
  base::MonotonicTime last_arrival_{};
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  bool open_ = false, closing_ = false, closed_ = false, paused_ = false, flush_planned_ = false;
};

class SimulatedNetwork::Port final : public net::Listener {
 public:
  Port(SimulatedNetwork& network, net::EventLoop& at_loop, const net::Address& at, net::Accept accept)
      : loop(at_loop), network_(network), address_(at), accept_(std::move(accept)) {
    network_.listeners_[at] = this;
  }
  ~Port() override {
    if (network_.listeners_[address_] == this) network_.listeners_.erase(address_);
  }
  const net::Address& address() const override { return address_; }
  std::size_t connections() const override { return 0; }
  void take(const std::shared_ptr<End>& end) { accept_(end); }

  net::EventLoop& loop;

 private:
  SimulatedNetwork& network_;
  const net::Address address_;
  net::Accept accept_;
};

class SimulatedNetwork::Socket final : public net::UdpSocket {
 public:
  Socket(SimulatedNetwork& network, net::EventLoop& at_loop, const net::Address& at, net::UdpHandler& to)
      : loop(at_loop), handler(to), random(network.random_()), network_(network), address_(at) {
    network_.sockets_[at] = this;
  }
  ~Socket() override {
    if (network_.sockets_[address_] == this) network_.sockets_.erase(address_);
  }
  void send(const net::Address& to, base::BytesView bytes) override { network_.post_datagram(address_, to, bytes); }
  const net::Address& address() const override { return address_; }
  const net::UdpStats& stats() const override { return stats_; }

  net::EventLoop& loop;
  net::UdpHandler& handler;
  std::mt19937_64 random;

 private:
  SimulatedNetwork& network_;
  const net::Address address_;
  net::UdpStats stats_;
};

SimulatedNetwork::SimulatedNetwork(std::uint64_t seed) : random_(seed ^ 0x6e65747770) {}
SimulatedNetwork::~SimulatedNetwork() = default;

std::chrono::nanoseconds SimulatedNetwork::latency(std::mt19937_64& random) const {
  const auto most = random() % 50 == 0 ? 250'000'000 : 3'000'000;  // now and then a packet is sent again
  return std::chrono::nanoseconds(50'000 + random() % static_cast<std::uint64_t>(most));
}

net::Address SimulatedNetwork::free_address(const net::Address& asked) {
  auto out = asked;
  if (out.port == 0) out.port = next_port_++;
  return out;
}

base::Result<std::unique_ptr<net::Listener>> SimulatedNetwork::listen(net::EventLoop& loop, const net::Address& at, net::Accept accept) {
  return std::make_unique<Port>(*this, loop, free_address(at), std::move(accept));
}

base::Result<net::ConnectionPtr> SimulatedNetwork::connect(net::EventLoop& loop, const net::Address& to, net::ConnectionHandler& handler) {
  const auto from = free_address(net::Address::loopback());
  const auto client = std::make_shared<End>(*this, loop, to, random_());
  client->set_handler(handler);
  const auto refuse = [weak = std::weak_ptr(client)] {
    if (const auto end = weak.lock()) end->broken();
  };
  const auto port = listeners_.find(to);
  if (port == listeners_.end()) {
    loop.after(client->latency(), refuse);
    return client;
  }
  const auto server = std::make_shared<End>(*this, port->second->loop, from, random_());
  End::join(client, server);
  std::erase_if(ends_, [](const auto& end) { return end.expired(); });
  ends_.push_back(client);
  // The server's end is kept by this task until it is accepted; gone with its loop, it resets the client.
  port->second->loop.after(client->latency(), [this, server, to, weak = std::weak_ptr(client)] {
    const auto client_end = weak.lock();
    const auto listening = listeners_.find(to);
    if (!client_end || listening == listeners_.end()) return;
    listening->second->take(server);
    server->opened();
    client_end->loop().after(server->latency(), [weak] {
      if (const auto end = weak.lock()) end->opened();
    });
  });
  return client;
}

base::Result<std::unique_ptr<net::UdpSocket>> SimulatedNetwork::bind(net::EventLoop& loop, const net::Address& at, net::UdpHandler& handler) {
  return std::make_unique<Socket>(*this, loop, free_address(at), handler);
}

void SimulatedNetwork::post_datagram(const net::Address& from, const net::Address& to, base::BytesView bytes) {
  auto& random = sockets_.at(from)->random;
  const auto copies = (std::bernoulli_distribution(datagrams_lost)(random) ? 0 : 1) + (std::bernoulli_distribution(datagrams_doubled)(random) ? 1 : 0);
  for (int i = 0; i < copies; ++i) {
    const auto target = sockets_.find(to);
    if (target == sockets_.end()) return;
    target->second->loop.after(latency(random), [this, from, to, copy = base::Bytes(bytes.begin(), bytes.end())] {
      const auto socket = sockets_.find(to);
      if (socket == sockets_.end()) return;
      const net::Datagram datagram{from, copy};
      socket->second->handler.on_datagrams({&datagram, 1});
    });
  }
}

std::size_t SimulatedNetwork::connections() const {
  return static_cast<std::size_t>(std::ranges::count_if(ends_, [](const auto& weak) {
    const auto end = weak.lock();
    return end && end->alive();
  }));
}

void SimulatedNetwork::cut(std::uint64_t which) {
  std::vector<std::shared_ptr<End>> open;
  for (const auto& weak : ends_) {
    if (const auto end = weak.lock(); end && end->alive()) open.push_back(end);
  }
  if (open.empty()) return;
  const auto chosen = open[which % open.size()];
  for (const auto& end : {chosen, chosen->other()}) {
    if (!end) continue;
    end->loop().after(end->latency(), [weak = std::weak_ptr(end)] {
      if (const auto still = weak.lock()) still->broken();
    });
  }
}

}  // namespace meterhub::simulation
