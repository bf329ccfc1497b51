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
