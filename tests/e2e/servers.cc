#include "servers.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace meterhub::e2e {

Environment::Environment(Variables values) : values_(std::move(values)) {
  for (const auto& [name, value] : values_) ::setenv(name.c_str(), value.c_str(), 1);
}

Environment::~Environment() {
  for (const auto& [name, value] : values_) ::unsetenv(name.c_str());
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
