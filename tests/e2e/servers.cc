#include "servers.h"

#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace meterhub::e2e {

Environment::Environment(Variables values) : values_(std::move(values)) {
  for (const auto& [name, value] : values_) ::setenv(name.c_str(), value.c_str(), 1);
}

Environment::~Environment() {
  for (const auto& [name, value] : values_) ::unsetenv(name.c_str());
}

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

std::unique_ptr<Process> start_ns(const Folder& folder, const std::string& name, const std::string& listen, const std::string& feed,
                                  const Variables& more) {
  const auto certificates = (folder.path() / "certificates").string();
  const auto made = run(folder.path(), {"tls", "issue", "--name", name, "--to", certificates, "--data", folder.data()});
  EXPECT_EQ(made.code, 0) << made.err;
  Variables settings{{"MH_NS_LISTEN", listen},
                     {"MH_NS_FEED_SERVERS", feed},
                     {"MH_NS_CA_FILE", certificates + "/ca.pem"},
                     {"MH_NS_CERTIFICATE_FILE", certificates + "/" + name + ".pem"},
                     {"MH_NS_KEY_FILE", certificates + "/" + name + ".key"},
                     {"MH_NS_SESSIONS_DIRECTORY", (folder.path() / name).string()}};
  settings.insert(settings.end(), more.begin(), more.end());
  const Environment environment(std::move(settings));
  const auto output = folder.path() / (name + "-output");
  std::filesystem::create_directories(output);
  return std::make_unique<Process>(output, std::vector<std::string>{"serve", "--roles", "ns"});
}

}  // namespace meterhub::e2e
