// The sockets and readers of the transport `udp`. Private.
#pragma once

#include <utility>

#include "udp_state.h"

namespace meterhub::connector {

struct UdpTransport::State::Source final : net::UdpHandler {
  Source(State& s, std::size_t n) : state(s), number(n) {}
  void on_datagrams(std::span<const net::Datagram> block) override {
    for (const auto& datagram : block) state.acknowledged(number, datagram);
    state.pump();
  }

  State& state;
  const std::size_t number;
  std::unique_ptr<net::UdpSocket> socket;
  std::unique_ptr<net::UdpSocket> before{};  // of the port used last: late acknowledgements come there
};

// Lines end with '\n'; what is left waits for its rest.
struct UdpTransport::State::LineReader final : AnswerReader {
  explicit LineReader(State& s) : state(s) {}
  bool feed(std::string_view bytes) override;

  State& state;
  std::string rest;
};

}  // namespace meterhub::connector
