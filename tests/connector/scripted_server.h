// A network server that does what a test tells it: which packets kill it, which lines it writes.
#pragma once

#include <functional>

#include <meterhub/decrypt/opener.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/net/connection.h>

#include "wire_fixture.h"

namespace meterhub::connector::test {

struct Asked {
  lorawan::RequestExtra extra;
  std::string json;
  std::vector<lorawan::Answer> answers;  // what a good server would say
};

class ScriptedServer final : public net::UdpHandler, public net::ConnectionHandler {
 public:
  // Gives the text to write; nullopt: dies on this datagram (acknowledged, as our server does).
  using Script = std::function<std::optional<std::string>(const Asked&)>;

  ScriptedServer(net::EventLoop& loop, const decrypt::SessionTable& table, Script script)
      : loop_(loop), opener_(table), script_(std::move(script)) {
    socket_ = std::move(*net::UdpSocket::bind(loop, net::Address::loopback(), {}, *this));
  }
  ~ScriptedServer() override {
    if (connection_) connection_->abort();
  }
  const net::Address& address() const { return socket_->address(); }
  bool dead() const { return dead_; }
  const std::deque<Asked>& asked() const { return asked_; }

  void on_datagrams(std::span<const net::Datagram> block) override {
    for (const auto& one : block) {
      const auto datagram = lorawan::parse_datagram(one.bytes);
      if (dead_ || !datagram) continue;
      if (const auto ack = lorawan::acknowledgement(*datagram)) socket_->send(one.peer, *ack);
      if (datagram->type == lorawan::GwmpType::kPushData) serve(*datagram);
    }
  }
  void on_data(base::BytesView /*bytes*/) override {}
  void on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) override { connection_.reset(); }

  static std::string good_lines(const Asked& asked) {
    std::string out;
    lorawan::append_lines(out, asked.answers, {asked.extra.rid, 0, 0, {}});
    return out;
  }

 private:
  void serve(const lorawan::Datagram& datagram) {
    auto opened = opener_.open_request(datagram, loop_.clock().now());
    asked_.push_back({*opened.extra, std::string(base::as_text(datagram.body)), std::move(opened.answers)});
    const auto text = script_(asked_.back());
    dead_ = !text;
    if (dead_) return;
    if (!connection_) connection_ = *net::connect(loop_, *net::Address::parse(asked_.back().extra.answer_to), {}, *this);
    connection_->write(base::as_bytes(*text));
  }

  net::EventLoop& loop_;
  decrypt::Opener opener_;
  Script script_;
  bool dead_ = false;
  std::deque<Asked> asked_;
  net::ConnectionPtr connection_;
  std::unique_ptr<net::UdpSocket> socket_;
};

}  // namespace meterhub::connector::test
