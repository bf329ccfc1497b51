// Independent AMQP implementations against the engine over TCP: rhea (on which the
// vendor's SDKs are built) and Qpid Proton. They see a small broker that keeps what
// it is sent and gives it to whoever reads.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <meterhub/amqp/engine.h>

namespace meterhub::amqp {
namespace {

class Broker final : public Listener {
 public:
  Connection* connection = nullptr;

  void on_attach(const PeerAttach& attach) override {
    if (attach.address() == "refused") return connection->refuse(attach.link, {"amqp:not-found", "no such node"});
    connection->accept(attach.link, {});
    if (attach.peer_sends) connection->set_window(attach.link, 50);
  }
  void on_delivery(const Delivery& d) override {
    kept_.emplace_back(d.payload.begin(), d.payload.end());
    connection->settle(d.session, d.id, d.id, Outcome::kAccepted);
  }
  void on_credit(LinkId link) override {
    while (next_ < kept_.size() && connection->sendable(link) > 0) {
      if (!connection->send(link, {}, kept_[next_])) return;
      ++next_;
    }
  }

 private:
  std::vector<base::Bytes> kept_;
  std::size_t next_ = 0;
};

// Listens on a free port of the loopback.
int listen_on_loopback(std::uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(fd, 1), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port = ntohs(address.sin_port);
  return fd;
}

bool write_out(Connection& connection, int fd) {
  while (!connection.output().empty()) {
    const auto view = connection.output();
    const ssize_t written = send(fd, view.data(), view.size(), MSG_NOSIGNAL);
    if (written <= 0) return false;
    connection.consumed(static_cast<std::size_t>(written));
  }
  return true;
}

// One connection, from accept to its end.
void serve(int listener) {
  pollfd waiting{listener, POLLIN, 0};
  if (poll(&waiting, 1, 20'000) != 1) return;
  const int fd = accept(listener, nullptr, nullptr);
  const base::SystemClock clock;
  Broker broker;
  Connection connection({}, broker, clock.monotonic());
  broker.connection = &connection;
  std::array<std::uint8_t, 3000> buffer;  // odd cuts on purpose
  while (!connection.finished()) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) break;
    connection.feed(base::BytesView(buffer).first(static_cast<std::size_t>(got)), clock.monotonic());
    if (!write_out(connection, fd)) break;
  }
  write_out(connection, fd);
  close(fd);
}

std::string result_of(const std::string& program, const std::string& sasl) {
  std::uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  const std::string command = program + " " + std::to_string(port) + " " + sasl + " 2>&1";
  FILE* peer = popen(command.c_str(), "r");
  serve(listener);
  close(listener);
  std::string output;
  std::array<char, 1000> line{};
  while (std::fgets(line.data(), line.size(), peer) != nullptr) output += line.data();
  pclose(peer);
  return output;
}

const std::string kPeers = METERHUB_SOURCE_DIR "/tests/amqp/peers/";

class Peers : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Sasl, Peers, testing::Values("none", "anonymous"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Peers, RheaSendsReadsAndIsRefused) {
  EXPECT_EQ(result_of("node " + kPeers + "rhea.mjs", GetParam()), "PASS\n");
}

TEST_P(Peers, ProtonSendsReadsAndIsRefused) {
  EXPECT_EQ(result_of("/usr/bin/python3 " + kPeers + "proton_peer.py", GetParam()), "PASS\n");
}

}  // namespace
}  // namespace meterhub::amqp
