#include <meterhub/http/websocket.h>

#include <atomic>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include "server_fixture.h"

namespace meterhub::http {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using namespace std::chrono_literals;

constexpr std::string_view kProtocol = "AMQPWSB10";

struct Peer final : net::ConnectionHandler {
  bool echo = true;
  std::string received;
  std::optional<net::CloseReason> closed;
  std::string text;
  net::ConnectionPtr connection;
  std::function<void()> then;
  void on_data(base::BytesView bytes) override {
    received += base::as_text(bytes);
    if (echo) connection->write(bytes);
    if (then) then();
  }
  void on_closed(net::CloseReason reason, std::string_view why) override {
    closed = reason;
    text = why;
  }
};

// Blocking, on a thread of its own.
class WebSocketClient {
 public:
  explicit WebSocketClient(const net::Address& server) : socket_(context_) {
    socket_.next_layer().connect({boost::asio::ip::make_address("127.0.0.1"), server.port});
  }
  std::string shake_hands(const std::string& protocols = std::string(kProtocol)) {
    websocket::response_type response;
    socket_.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
      if (!protocols.empty()) request.set(beast::http::field::sec_websocket_protocol, protocols);
    }));
    beast::error_code error;
    socket_.handshake(response, "localhost", "/socket", error);
    socket_.binary(true);
    return error ? error.message() + " " + std::to_string(response.result_int())
                 : std::string(response[beast::http::field::sec_websocket_protocol]);
  }
  // Reads as many bytes, from however many messages.
  std::string read(std::size_t bytes) {
    beast::flat_buffer buffer;
    while (buffer.size() < bytes) socket_.read(buffer);
    return beast::buffers_to_string(buffer.data());
  }
  // Which close the server sent.
  std::uint16_t read_close() {
    beast::flat_buffer buffer;
    beast::error_code error;
    while (!error) socket_.read(buffer, error);
    return socket_.reason().code;
  }
  websocket::stream<boost::asio::ip::tcp::socket>& socket() { return socket_; }
  void write(std::string_view bytes) { socket_.write(boost::asio::buffer(bytes)); }

 private:
  boost::asio::io_context context_;
  websocket::stream<boost::asio::ip::tcp::socket> socket_;
};

class WebSocketTest : public test::ServerFixture {
 protected:
  void SetUp() override {
    start();
    server_->upgrade("/socket", [this](const Request& request, net::ConnectionPtr below, std::string rest) {
      fit_ = check_websocket(request, kProtocol);
      if (!fit_) return refuse_upgrade(std::move(below), fit_.error());
      peer_.connection = sockets_->accept(request, std::move(below), std::move(rest), kProtocol);
      peer_.connection->set_handler(peer_);
    });
  }
  void TearDown() override {
    if (peer_.connection) peer_.connection->abort();
  }

  std::shared_ptr<WebSockets> sockets_ = WebSockets::create(*loop_);
  base::Result<void> fit_;
  Peer peer_;
};

TEST_F(WebSocketTest, CarriesBytesOfMessagesOfAnySizeBothWays) {
  std::string sent;
  const auto received = beside([&] {
    WebSocketClient client(address_);
    EXPECT_EQ(client.shake_hands("other, amqpwsb10"), "amqpwsb10");
    for (const std::size_t size : {1, 125, 126, 4095, 4096, 65'535, 65'536, 1'000'000}) {
      const std::string message(size, static_cast<char>('a' + size % 26));
      client.write(message);
      sent += message;
      EXPECT_EQ(client.read(size), message) << size;
    }
    // In fragments with a ping between them.
    client.socket().write_some(false, boost::asio::buffer("frag", 4));
    client.socket().ping("are you there");
    client.socket().write_some(true, boost::asio::buffer("ments", 5));
    sent += "fragments";
    auto last = client.read(9);
    client.socket().close(websocket::close_code::normal);
    return last;
  });
  EXPECT_EQ(received, "fragments");
  EXPECT_EQ(peer_.received, sent);
  ASSERT_TRUE(run_until([&] { return peer_.closed.has_value(); }));
  EXPECT_EQ(peer_.closed, net::CloseReason::kPeer) << peer_.text;
}

TEST_F(WebSocketTest, TakesWhatCameBehindTheRequest) {
  const auto answer = beside([&] {
    boost::asio::io_context context;
    boost::asio::ip::tcp::socket socket(context);
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), address_.port});
    // A masked binary message "hi", the mask all zero, in the same segment.
    std::string request = "GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Protocol: AMQPWSB10\r\n\r\n";
    request.append("\x82\x82\0\0\0\0hi", 8);
    boost::asio::write(socket, boost::asio::buffer(request));
    std::string out;
    boost::system::error_code error;
    std::array<char, 512> bytes;
    while (!error && !out.ends_with("hi")) out.append(bytes.data(), socket.read_some(boost::asio::buffer(bytes), error));
    return out;
  });
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101")) << answer;
  // The answer to this key in RFC 6455, 1.3.
  EXPECT_NE(answer.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with(std::string("\x82\x02hi"))) << answer;
}

TEST_F(WebSocketTest, AnotherSubprotocolOrNoneIsNotFit) {
  const Fields handshake{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  const auto answer = [&](Field one, Field two) {
    auto headers = handshake;
    headers.insert(headers.end(), {one, two});
    const auto response = ask(Method::kGet, "/socket", {}, headers);
    return response ? response->status : 0;
  };
  EXPECT_EQ(answer({"Sec-WebSocket-Protocol", "AMQPWSB10"}, {"Sec-WebSocket-Version", "12"}), 426u);
  EXPECT_EQ(answer({"Sec-WebSocket-Protocol", "mqtt, amqp"}, {"Sec-WebSocket-Version", "13"}), 400u);
  EXPECT_EQ(answer({"X-Nothing", ""}, {"Sec-WebSocket-Version", "13"}), 400u);
  ASSERT_FALSE(fit_);
  EXPECT_NE(fit_.error().text.find("AMQPWSB10"), std::string::npos);
}

TEST_F(WebSocketTest, TextEndsItWithItsCode) {
  const auto code = beside([&] {
    WebSocketClient client(address_);
    client.shake_hands();
    client.socket().text(true);
    client.write("hello");
    return client.read_close();
  });
  EXPECT_EQ(code, websocket::close_code::unknown_data);
  ASSERT_TRUE(run_until([&] { return peer_.closed.has_value(); }));
  EXPECT_EQ(peer_.closed, net::CloseReason::kReset);
  EXPECT_EQ(peer_.received, "");
}

TEST_F(WebSocketTest, WhatBreaksTheProtocolEndsIt) {
  for (const std::string broken : {"\x82\x02hi",                    // not masked
                                   "\xF2\x80....",                  // reserved bits
                                   "\x8B\x80....",                  // unknown control frame
                                   "\x89\xFE\x01\x02....",          // a ping of more than 125 bytes
                                   "\x80\x81....x"}) {              // a continuation of nothing
    peer_.closed.reset();
    const auto code = beside([&] {
      WebSocketClient client(address_);
      client.shake_hands();
      boost::asio::write(client.socket().next_layer(), boost::asio::buffer(broken));
      return client.read_close();
    });
    EXPECT_EQ(code, websocket::close_code::protocol_error) << broken;
    ASSERT_TRUE(run_until([&] { return peer_.closed.has_value(); })) << broken;
    EXPECT_EQ(peer_.closed, net::CloseReason::kReset) << broken;
  }
  EXPECT_EQ(peer_.received, "");
}

TEST_F(WebSocketTest, ClosesWithAllThatWasWrittenBefore) {
  peer_.then = [&] { peer_.connection->close(); };
  const auto code = beside([&] {
    WebSocketClient client(address_);
    client.shake_hands();
    client.write("last words");
    EXPECT_EQ(client.read(10), "last words");
    return client.read_close();
  });
  EXPECT_EQ(code, websocket::close_code::normal);
  ASSERT_TRUE(run_until([&] { return peer_.closed.has_value(); }));
  EXPECT_EQ(peer_.closed, net::CloseReason::kLocal);
}

TEST_F(WebSocketTest, HoldsBackAPeerThatIsNotRead) {
  peer_.echo = false;
  peer_.then = [&] {
    if (peer_.received.size() < 10) peer_.connection->pause_reading();
  };
  const std::string large(32u << 20, 'x');
  std::atomic<bool> written = false;
  auto client = std::async(std::launch::async, [&] {
    WebSocketClient out(address_);
    out.shake_hands();
    out.write("first");
    out.write(large);
    written = true;
    out.socket().close(websocket::close_code::normal);
  });
  ASSERT_TRUE(run_until([&] { return !peer_.received.empty(); }));
  for (int i = 0; i < 100; ++i) loop_->run_once(5ms);
  EXPECT_EQ(peer_.received, "first");
  EXPECT_FALSE(written);
  EXPECT_LT(peer_.connection->bytes_in(), 1u << 20);
  peer_.connection->resume_reading();
  while (peer_.received.size() < large.size() + 5 && !peer_.closed) loop_->run_once(5ms);
  EXPECT_EQ(peer_.received, "first" + large);
  run_until([&] { return client.wait_for(0s) == std::future_status::ready; });
  client.get();
}

TEST_F(WebSocketTest, APeerThatVanishesIsTold) {
  beside([&] {
    WebSocketClient client(address_);
    client.shake_hands();
    client.write("here");
    client.read(4);
    client.socket().next_layer().set_option(boost::asio::socket_base::linger(true, 0));
    client.socket().next_layer().close();
    return 0;
  });
  ASSERT_TRUE(run_until([&] { return peer_.closed.has_value(); }));
}

TEST_F(WebSocketTest, MayBeDroppedByItsHandler) {
  peer_.echo = false;
  peer_.then = [&] { std::exchange(peer_.connection, nullptr)->abort(); };
  const std::weak_ptr<net::Connection> gone = [&] {
    std::weak_ptr<net::Connection> out;
    beside([&] {
      WebSocketClient client(address_);
      client.shake_hands();
      out = peer_.connection;
      client.write("drop me");
      return client.read_close();
    });
    return out;
  }();
  run_until([&] { return gone.expired(); });
  EXPECT_TRUE(gone.expired());
  EXPECT_FALSE(peer_.closed);
}

}  // namespace
}  // namespace meterhub::http
