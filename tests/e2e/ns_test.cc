// Network servers as processes of their own: sessions over mutual TLS, datagrams out, answers back.
#include <csignal>
#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "process.h"

namespace meterhub::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

// A port that was free a moment ago, for processes that must be told of it beforehand.
std::string free_address() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), size), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  ::close(fd);
  return "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
}

using Variables = std::vector<std::pair<std::string, std::string>>;

class Environment {
 public:
  explicit Environment(Variables values) : values_(std::move(values)) {
    for (const auto& [name, value] : values_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : values_) ::unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  Variables values_;
};

std::unique_ptr<Process> start_ns(const Folder& folder, const std::string& name, const std::string& listen, const std::string& feed) {
  const auto certificates = (folder.path() / "certificates").string();
  const auto made = run(folder.path(), {"tls", "issue", "--name", name, "--to", certificates, "--data", folder.data()});
  EXPECT_EQ(made.code, 0) << made.err;
  const Environment environment({{"MH_NS_LISTEN", listen},
                                 {"MH_NS_FEED_SERVERS", feed},
                                 {"MH_NS_CA_FILE", certificates + "/ca.pem"},
                                 {"MH_NS_CERTIFICATE_FILE", certificates + "/" + name + ".pem"},
                                 {"MH_NS_KEY_FILE", certificates + "/" + name + ".key"},
                                 {"MH_NS_SESSIONS_DIRECTORY", (folder.path() / name).string()}});
  const auto output = folder.path() / (name + "-output");
  std::filesystem::create_directories(output);
  return std::make_unique<Process>(output, std::vector<std::string>{"serve", "--roles", "ns"});
}

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

TEST(NsProcess, SaysWhatItNeeds) {
  const Folder folder;
  const Environment environment(Variables{{"MH_NS_FEED_SERVERS", "127.0.0.1:1"}});
  const auto outcome = run(folder.path(), {"serve", "--roles", "ns"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("ns.ca_file"));
}

}  // namespace
}  // namespace meterhub::e2e
