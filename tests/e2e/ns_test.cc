// Network servers as processes of their own: sessions over mutual TLS, datagrams out, answers back.
#include <algorithm>
#include <cerrno>
#include <csignal>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "servers.h"

namespace meterhub::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(NsProcess, TwoOfThemOpenEverythingAndOneMayDie) {
  const Folder folder;
  const auto first = free_address(), second = free_address(), feed = free_address();
  const Environment environment({{"MH_NS_TRANSPORT", "udp"}, {"MH_NS_SERVERS", first + "," + second}, {"MH_NS_FEED_LISTEN", feed}});
  Process demo(folder.path(), {"demo", "--data", folder.data(), "--meters", "100", "--interval", "3s", "--seed", "7", "--for", "18s"});
  ASSERT_TRUE(demo.wait_for("--sample", seconds(30))) << demo.err();
  const auto a = start_ns(folder, "ns-1", first, feed);
  const auto b = start_ns(folder, "ns-2", second, feed);
  ASSERT_TRUE(a->wait_for("ns_listens", seconds(30))) << a->err();
  ASSERT_TRUE(b->wait_for("ns_listens", seconds(30))) << b->err();
  ASSERT_TRUE(demo.wait_for(" archived", seconds(30), 2)) << demo.err();
  a->signal(SIGKILL);
  const auto outcome = demo.wait(seconds(60));
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("missing 0 duplicate 0 wrong 0"));
  b->signal(SIGTERM);
  EXPECT_EQ(b->wait(seconds(20)).code, 0);
}

// What a listener says to a client that speaks plain; empty when it just ends the connection.
std::string said_to_plain(const std::string& address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  const std::string line = "{\"gw\":null,\"mote\":null,\"app\":null}\n";
  EXPECT_EQ(::send(fd, line.data(), line.size(), 0), static_cast<ssize_t>(line.size()));
  std::string out(64, '\0');
  const auto size = ::recv(fd, out.data(), out.size(), 0);
  EXPECT_FALSE(size < 0 && errno == EAGAIN) << "it goes on listening";
  out.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  ::close(fd);
  return out;
}

// 0.0.0.0 is no loopback address and yet leads to this machine alone.
TEST(NsProcess, BringsItsAnswersOverTlsWhereTheConnectorListensBeyondLoopback) {
  const Folder folder;
  const auto ns = free_address(), feed = free_address();
  auto answers = free_address();
  answers.replace(0, answers.find(':'), "0.0.0.0");
  const Environment environment({{"MH_NS_TRANSPORT", "udp"},
                                 {"MH_NS_SERVERS", ns},
                                 {"MH_NS_FEED_LISTEN", feed},
                                 {"MH_NS_ANSWER_LISTEN", answers},
                                 {"MH_NS_ANSWER_TO", answers},
                                 {"MH_NS_NETWORKS", "127.0.0.0/8,0.0.0.0"}});
  Process demo(folder.path(), {"demo", "--data", folder.data(), "--meters", "50", "--interval", "3s", "--seed", "7", "--for", "8s"});
  ASSERT_TRUE(demo.wait_for("--sample", seconds(30))) << demo.err();
  const auto server = start_ns(folder, "ns-1", ns, feed);
  ASSERT_TRUE(server->wait_for("ns_listens", seconds(30))) << server->err();
  const auto said = said_to_plain(answers);
  EXPECT_TRUE(said.empty() || said[0] == '\x15') << "an alert of TLS at most";
  const auto outcome = demo.wait(seconds(60));
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("missing 0 duplicate 0 wrong 0"));
}

TEST(NsProcess, SaysWhatItNeeds) {
  const Folder folder;
  const Environment environment(Variables{{"MH_NS_FEED_SERVERS", "127.0.0.1:1"}});
  const auto outcome = run(folder.path(), {"serve", "--roles", "ns"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("ns.ca_file"));
}

}  // namespace
}  // namespace meterhub::e2e
