// A vendor's network server: own cipher, UDP in, JSON over TCP out, ragged and with NULs between, no `ns`.
#pragma once

#include <meterhub/base/encoding.h>
#include <meterhub/net/connection.h>

#include "wire_fixture.h"

namespace meterhub::connector::test {

// Body: 'V' | device (1) | counter (1) | payload ^ 0x5A. No LoRaWAN, no JSON.
inline std::string vendor_body(std::uint8_t device, std::uint8_t counter, std::string payload) {
  for (char& c : payload) c = static_cast<char>(c ^ 0x5A);
  return std::string("V") + static_cast<char>(device) + static_cast<char>(counter) + payload;
}

class ForeignServer final : public net::UdpHandler, public net::ConnectionHandler {
 public:
  ForeignServer(net::EventLoop& loop, const net::Address& answers_to) : loop_(loop), answers_to_(answers_to) {
    socket_ = std::move(*net::UdpSocket::bind(loop, net::Address::loopback(), {}, *this));
  }
  ~ForeignServer() override {
    if (connection_) connection_->abort();
  }
  const net::Address& address() const { return socket_->address(); }
  void answer_to(const net::Address& to) { answers_to_ = to; }

  std::size_t received = 0;
  std::vector<std::string> bodies;
  std::function<bool(std::size_t)> ignores = [](std::size_t) { return false; };  // by number of the datagram

  void on_datagrams(std::span<const net::Datagram> block) override {
    for (const auto& one : block) {
      bodies.emplace_back(base::as_text(one.bytes));
      if (!ignores(received++)) answer(bodies.back());
    }
  }
  void on_data(base::BytesView /*bytes*/) override {}
  void on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) override { connection_.reset(); }

 private:
  void answer(const std::string& body) {
    if (body.size() < 3 || body[0] != 'V') return;
    std::string plain = body.substr(3);
    for (char& c : plain) c = static_cast<char>(c ^ 0x5A);
    const auto json = R"({"app":{"moteeui":"00000000000000)" + base::hex_encode(base::as_bytes(body.substr(1, 1))) +
                      R"(","userdata":{"seqno":)" + std::to_string(static_cast<unsigned char>(body[2])) + R"(,"port":1,"payload":")" +
                      base::base64_encode(base::as_bytes(plain)) +
                      R"("},"gwrx":{"eui":"fffe020100000011","time":"2023-11-14T22:13:20Z"}}})";
    // NULs, a newline or nothing behind.
    waiting_ += json + std::string(received % 3 == 0 ? std::string(2, '\0') : received % 3 == 1 ? "\n" : "");
    if (!std::exchange(writing_, true)) write_some();
  }

  // A ragged piece in each iteration of the loop.
  void write_some() {
    if (!connection_) connection_ = *net::connect(loop_, answers_to_, {}, *this);
    const auto size = std::min<std::size_t>(waiting_.size(), 97);
    connection_->write(base::as_bytes(waiting_.substr(0, size)));
    waiting_.erase(0, size);
    writing_ = !waiting_.empty();
    if (!writing_) return;
    loop_.post([alive = std::weak_ptr(alive_), this] {
      if (!alive.expired()) write_some();
    });
  }

  net::EventLoop& loop_;
  net::Address answers_to_;
  net::ConnectionPtr connection_;
  std::string waiting_;
  bool writing_ = false;
  std::unique_ptr<net::UdpSocket> socket_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace meterhub::connector::test
