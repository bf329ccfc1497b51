// The legacy entrance: GWMP over UDP straight from gateways (spec/lorawan-ns.md 2).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>

#include <meterhub/hub/hub.h>
#include <meterhub/net/udp.h>

#include "device.h"
#include "session_host.h"

namespace meterhub::hub {

// Loop thread.
class GwmpPort final : public net::UdpHandler, public Sender, public std::enable_shared_from_this<GwmpPort> {
 public:
  explicit GwmpPort(SessionHost& host) : host_(host) {}
  base::Result<void> bind(net::EventLoop& loop, const net::Address& at);
  const net::Address& address() const { return socket_->address(); }

  void on_datagrams(std::span<const net::Datagram> block) override;
  void stored(Ticket ticket) override;
  void refused(Ticket ticket, const base::Error& error) override;
  // Once a second: forgets the rates of gateways that were quiet.
  void sweep();

 private:
  struct Ack {
    net::Address to;
    std::array<std::uint8_t, 4> bytes;
  };
  std::string_view take(const net::Datagram& datagram);
  std::string_view push(const net::Datagram& datagram, const Gateway& gateway);
  bool heard(const net::Address& from) const;
  TokenBucket& bucket(const std::string& gateway);

  SessionHost& host_;
  std::unique_ptr<net::UdpSocket> socket_;
  std::unordered_map<std::uint64_t, Ack> waiting_;  // bounded: nothing is taken while the intake is full
  std::unordered_map<std::string, TokenBucket> buckets_;
  std::uint64_t next_ = 1;
};

}  // namespace meterhub::hub
