// Meters whose cipher is their vendor's own, from the gateway's message to the lake: opened by a plug-in in the
// platform, by one in an NS process, and by the vendor's own server, which knows nothing of Meterhub.
#include <csignal>
#include <fstream>
#include <functional>
#include <regex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/http/client.h>

#include "servers.h"

namespace meterhub::e2e {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class OwnCipher : public testing::Test {
 protected:
  OwnCipher() {
    const std::filesystem::path plugins(plugins_);
    std::filesystem::create_directories(plugins);
    std::filesystem::copy_file(METERHUB_PLUGIN_XOR, plugins / "xor.so");
    std::ofstream(key_) << "a vendor's key";
  }

  void serve(Variables settings) {
    settings.insert(settings.end(), {{"MH_HUB_AMQPS_LISTEN", hub_}, {"MH_CONSOLE_LISTEN", "127.0.0.1:0"}, {"MH_HISTORY_FLUSH_AFTER", "1s"}});
    const Environment environment(std::move(settings));
    platform_ = std::make_unique<Process>(folder_.path(), std::vector<std::string>{"serve", "--data", folder_.data()});
    ASSERT_TRUE(platform_->wait_for("platform_started", seconds(30))) << platform_->err();
  }

  std::unique_ptr<Process> start_vendors_server() {
    auto out = std::make_unique<Process>(folder_.path(), std::vector<std::string>{METERHUB_FOREIGN_NS, server_, answers_, key_}, METERHUB_PYTHON);
    EXPECT_TRUE(out->wait_for("foreign_ns listens", seconds(30))) << out->err();
    return out;
  }
  Variables foreign(const std::string& answer_wait) const {
    return {{"MH_NS_TRANSPORT", "foreign"}, {"MH_NS_SERVERS", server_}, {"MH_NS_ANSWER_LISTEN", answers_}, {"MH_NS_ANSWER_WAIT", answer_wait}};
  }

  // The registry learns of the town while its gateways already knock.
  std::unique_ptr<Process> start_town(const std::string& span, const std::string& per_message) {
    auto out = std::make_unique<Process>(
        folder_.path(), std::vector<std::string>{"simulate", "--hub", "amqps://" + hub_, "--ca", folder_.data() + "/tls/ca.pem", "--fleet", fleet_,
                                                 "--meters", "300", "--interval", "2s", "--seed", "7", "--for", span,
                                                 "--bodies", "xor:" + key_, "--per-message", per_message});
    EXPECT_TRUE(out->wait_for("gateways,", seconds(30))) << out->err();
    const auto imported = run(folder_.path(), {"registry", "import", "--data", folder_.data(), "--tenants", fleet_ + "/tenants.csv",
                                               "--gateways", fleet_ + "/gateways.csv", "--meters", fleet_ + "/meters.csv"});
    EXPECT_EQ(imported.code, 0) << imported.err;
    return out;
  }
  void expect_settled(Process& town) {
    const auto outcome = town.wait(seconds(90));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("rejected 0 dropped 0"));
  }

  // Whether every stage has read all there is.
  bool has_passed() const {
    const auto status = http::Client::unix_domain(folder_.data() + "/control.sock").get("/api/v1/status");
    if (!status) return false;
    const auto json = nlohmann::json::parse(status->body);
    for (const auto& stage : json["lag"]["stages"]) {
      if (stage["records"] != 0) return false;
    }
    return true;
  }
  // A counter of the platform; 0 while it is not there.
  double total(const std::string& name) const {
    const auto metrics = http::Client::unix_domain(folder_.data() + "/control.sock").get("/metrics");
    std::smatch value;
    return metrics && std::regex_search(metrics->body, value, std::regex("\n" + name + " (\\S+)")) ? std::stod(value[1]) : 0;
  }
  static bool wait_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + seconds(60);
    while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return done();
  }
  bool more_is_answered() const {
    const auto before = total("meterhub_connector_foreign_answered_total");
    return wait_until([&] { return total("meterhub_connector_foreign_answered_total") > before; });
  }
  void stop_when_all_has_passed() {
    EXPECT_TRUE(wait_until([&] { return has_passed(); }));
    platform_->signal(SIGTERM);
    EXPECT_EQ(platform_->wait(seconds(60)).code, 0) << platform_->err();
  }

  void expect_clean() {
    const auto verdict = run(folder_.path(), {"verify", "--data", folder_.data(), "--sent", fleet_ + "/sent.mhs"});
    EXPECT_EQ(verdict.code, 0) << verdict.out << verdict.err;
    EXPECT_THAT(verdict.out, HasSubstr("missing 0 duplicate 0 wrong 0"));
    std::smatch rows;
    ASSERT_TRUE(std::regex_search(verdict.out, rows, std::regex("rows in the lake (\\d+) from (\\d+) copies"))) << verdict.out;
    EXPECT_GT(std::stoi(rows[1]), 500);
    EXPECT_GT(std::stoi(rows[2]), std::stoi(rows[1])) << "some were heard twice";
    const auto letters = run(folder_.path(), {"deadletter", "list", "--data", folder_.data()});
    EXPECT_EQ(letters.code, 0) << letters.err;
    EXPECT_EQ(letters.out, "");
  }

  const Folder folder_;
  const std::string plugins_ = (folder_.path() / "plugins").string();
  const std::string key_ = plugins_ + "/xor.conf";
  const std::string fleet_ = (folder_.path() / "fleet").string();
  const std::string hub_ = free_address();
  const std::string server_ = free_address();
  const std::string answers_ = free_address();
  std::unique_ptr<Process> platform_;
};

TEST_F(OwnCipher, IsOpenedByAPluginInThePlatform) {
  serve({{"MH_NS_PLUGINS", plugins_}});
  expect_settled(*start_town("6s", "8"));
  stop_when_all_has_passed();
  expect_clean();
}

TEST_F(OwnCipher, IsOpenedByAPluginInAnNsProcess) {
  const auto feed = free_address();
  serve({{"MH_NS_TRANSPORT", "udp"}, {"MH_NS_SERVERS", server_}, {"MH_NS_FEED_LISTEN", feed}});
  const auto ns = start_ns(folder_, "ns-1", server_, feed, {{"MH_NS_PLUGINS", plugins_}});
  ASSERT_TRUE(ns->wait_for("ns_listens", seconds(30))) << ns->err();
  expect_settled(*start_town("6s", "8"));
  stop_when_all_has_passed();
  expect_clean();
}

TEST_F(OwnCipher, IsOpenedByTheVendorsOwnServer) {
  const auto server = start_vendors_server();
  serve(foreign("2s"));
  expect_settled(*start_town("6s", "1"));
  stop_when_all_has_passed();
  expect_clean();
}

TEST_F(OwnCipher, WaitsForTheVendorsServerWhileItHangsAndWhileItIsDead) {
  auto server = start_vendors_server();
  serve(foreign("500ms"));
  const auto town = start_town("15s", "1");
  ASSERT_TRUE(wait_until([&] { return total("meterhub_connector_foreign_repeated_total") > 0; })) << "answers a body twice";
  server->signal(SIGSTOP);
  ASSERT_TRUE(platform_->wait_for("vendors_server_is_silent", seconds(30), 3)) << platform_->err();
  server->signal(SIGCONT);
  ASSERT_TRUE(more_is_answered());
  server.reset();  // killed
  ASSERT_TRUE(platform_->wait_for("vendors_server_is_silent", seconds(120), 5)) << platform_->err();
  server = start_vendors_server();
  expect_settled(*town);
  stop_when_all_has_passed();
  expect_clean();
}

}  // namespace
}  // namespace meterhub::e2e
