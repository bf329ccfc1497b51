#include <meterhub/net/udp.h>

#include "loop_fixture.h"

namespace meterhub::net {
namespace {

struct Sink final : UdpHandler {
  std::vector<std::string> received;
  std::vector<Address> peers;
  std::size_t blocks = 0;
  UdpSocket* answer_with = nullptr;
  void on_datagrams(std::span<const Datagram> block) override {
    ++blocks;
    for (const auto& datagram : block) {
      received.emplace_back(base::as_text(datagram.bytes));
      peers.push_back(datagram.peer);
      if (answer_with != nullptr) answer_with->send(datagram.peer, datagram.bytes);
    }
  }
};

class UdpTest : public test::LoopFixture {
 protected:
  Sink server_sink_;
  Sink client_sink_;
  std::unique_ptr<UdpSocket> server_ = bound(server_sink_, {});
  std::unique_ptr<UdpSocket> client_ = bound(client_sink_, {});

  std::unique_ptr<UdpSocket> bound(Sink& sink, UdpOptions options) {
    return std::move(*UdpSocket::bind(*loop_, Address::loopback(), options, sink));
  }
};

TEST_F(UdpTest, CarriesDatagramsInBlocksAndBack) {
  server_sink_.answer_with = server_.get();
  for (int i = 0; i < 60; ++i) client_->send(server_->address(), base::as_bytes("n" + std::to_string(i)));
  ASSERT_TRUE(run_until([&] { return client_sink_.received.size() == 60; }));
  EXPECT_EQ(client_sink_.received.front(), "n0");
  EXPECT_EQ(client_sink_.received.back(), "n59");
  EXPECT_EQ(server_sink_.blocks, 1u);
  EXPECT_EQ(server_sink_.peers.front(), client_->address());
  EXPECT_EQ(server_->stats().received, 60u);
  EXPECT_EQ(server_->stats().sent, 60u);
}

TEST_F(UdpTest, TakesTheLargestDatagram) {
  const std::string large(65'507, 'x');
  client_->send(server_->address(), base::as_bytes(large));
  ASSERT_TRUE(run_until([&] { return server_sink_.received.size() == 1; }));
  EXPECT_EQ(server_sink_.received.front(), large);
}

// Equal sizes with a shorter end, another size, another address between them, an empty one, more than one message takes.
TEST_F(UdpTest, CutsWhatItPutTogetherInTheSamePlaces) {
  Sink other_sink;
  const auto other = bound(other_sink, {});
  std::vector<std::string> sent;
  const auto send = [&](std::string text) {
    client_->send(server_->address(), base::as_bytes(text));
    sent.push_back(std::move(text));
  };
  for (int i = 0; i < 150; ++i) send(std::string(1400, static_cast<char>('a' + i % 26)));
  send("short end");
  for (int i = 0; i < 10; ++i) send("equal" + std::to_string(i));
  client_->send(other->address(), base::as_bytes("equal7"));
  send("equal8");
  send("");
  send("");
  send("x");
  for (int i = 0; i < 3; ++i) send(std::string(40'000, static_cast<char>('0' + i)));  // no two of them fit one message
  ASSERT_TRUE(run_until([&] { return server_sink_.received.size() == sent.size() && !other_sink.received.empty(); }));
  EXPECT_EQ(server_sink_.received, sent);
  EXPECT_EQ(other_sink.received, std::vector<std::string>{"equal7"});
  EXPECT_EQ(client_->stats().sent, sent.size() + 1);
  EXPECT_EQ(server_->stats().received, sent.size());
  EXPECT_EQ(client_->stats().send_errors, 0u);
}

// Over a way whose packets are smaller the kernel refuses segments of that size; as packets of their own they are cut by IP.
TEST_F(UdpTest, SendsOneByOneWhereTheKernelTakesNoSegments) {
  std::vector<std::string> sent;
  for (int i = 0; i < 3; ++i) {
    sent.emplace_back(30'000, static_cast<char>('a' + i));
    client_->send(server_->address(), base::as_bytes(sent.back()));
  }
  for (int i = 0; i < 2; ++i) {
    sent.emplace_back(100, 'x');
    client_->send(server_->address(), base::as_bytes(sent.back()));
  }
  ASSERT_TRUE(run_until([&] { return server_sink_.received.size() == sent.size(); }));
  EXPECT_EQ(server_sink_.received, sent);
}

struct Closing final : UdpHandler {
  std::unique_ptr<UdpSocket> socket;
  std::size_t calls = 0;
  void on_datagrams(std::span<const Datagram>) override {
    ++calls;
    socket.reset();
  }
};

TEST_F(UdpTest, MayBeDestroyedByWhatItHandsOver) {
  Closing closing;
  closing.socket = std::move(*UdpSocket::bind(*loop_, Address::loopback(), {}, closing));
  for (int i = 0; i < 200; ++i) client_->send(closing.socket->address(), base::as_bytes(std::string(100, 'x')));
  ASSERT_TRUE(run_until([&] { return closing.calls > 0; }));
  EXPECT_EQ(closing.calls, 1u);
}

TEST_F(UdpTest, OneThatCannotBeSentDoesNotHoldBackTheOthers) {
  client_->send(server_->address(), base::as_bytes(std::string(65'508, 'x')));
  client_->send(server_->address(), base::as_bytes("after"));
  ASSERT_TRUE(run_until([&] { return server_sink_.received.size() == 1; }));
  EXPECT_EQ(server_sink_.received.front(), "after");
  EXPECT_EQ(client_->stats().send_errors, 1u);
}

TEST_F(UdpTest, DropsAndCountsWhatDoesNotFitItsQueue) {
  Sink sink;
  UdpOptions options;
  options.send_queue_max = 10;
  const auto small = bound(sink, options);
  small->send(server_->address(), base::as_bytes("12345678"));
  small->send(server_->address(), base::as_bytes("12345678"));
  EXPECT_EQ(small->stats().dropped_queue_full, 1u);
  ASSERT_TRUE(run_until([&] { return server_sink_.received.size() == 1; }));
}

}  // namespace
}  // namespace meterhub::net
