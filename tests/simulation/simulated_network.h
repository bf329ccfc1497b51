// Connections and datagrams between the loops of one World: late, in pieces, lost, doubled, cut.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <meterhub/net/event_loop.h>
#include <meterhub/net/sockets.h>

namespace meterhub::simulation {

// One thread. Loops made with it end before it.
class SimulatedNetwork final : public net::Sockets {
 public:
  explicit SimulatedNetwork(std::uint64_t seed);
  ~SimulatedNetwork() override;

  base::Result<std::unique_ptr<net::Listener>> listen(net::EventLoop& loop, const net::Address& at, net::Accept accept) override;
  base::Result<net::ConnectionPtr> connect(net::EventLoop& loop, const net::Address& to, net::ConnectionHandler& handler) override;
  base::Result<std::unique_ptr<net::UdpSocket>> bind(net::EventLoop& loop, const net::Address& at, net::UdpHandler& handler) override;

  // Cuts an open connection, one of all: both ends hear of it, each in its time. What is under
  // way may be lost.
  void cut(std::uint64_t which);
  std::size_t connections() const;

  double datagrams_lost = 0;
  double datagrams_doubled = 0;

  class End;
  class Socket;
  class Port;

 private:
  friend class End;
  friend class Socket;
  friend class Port;
  net::Address free_address(const net::Address& asked);
  void post_datagram(const net::Address& from, const net::Address& to, base::BytesView bytes);
  std::chrono::nanoseconds latency(std::mt19937_64& random) const;

  std::mt19937_64 random_;
  std::uint16_t next_port_ = 20'000;
  std::map<net::Address, Port*> listeners_;
  std::map<net::Address, Socket*> sockets_;
  std::vector<std::weak_ptr<End>> ends_;  // of those who connected, in the order of connecting
};

}  // namespace meterhub::simulation
