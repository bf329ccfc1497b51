// The session feed over sockets: a registry's owner, an NS process, and the copy on its disk.
#include <meterhub/ns/feed_client.h>
#include <meterhub/ns/feed_server.h>

#include <gtest/gtest.h>

#include "registry_fixture.h"
#include "test_identity.h"

namespace meterhub::ns {
namespace {

using namespace std::chrono_literals;

class FeedTest : public registry::RegistryTest {
 protected:
  FeedTest() { EXPECT_TRUE(disk_.make_directories("ns")); }
  ~FeedTest() override { client_.reset(); }

  static std::shared_ptr<net::TlsContext> server_tls() {
    const auto& ca = net::test::authority();
    return *net::TlsContext::server({ca.issue("feed", "DNS:localhost,IP:127.0.0.1"), ca.identity.certificate_pem});
  }
  static std::shared_ptr<net::TlsContext> client_tls(const std::string& name) {
    const auto& ca = net::test::authority();
    return *net::TlsContext::client({ca.identity.certificate_pem, ca.issue(name, "DNS:ns"), {}});
  }

  void start_server(net::Address at = net::Address::loopback()) {
    feed_ = std::make_unique<registry::SessionFeed>(*store_, *loop_);
    FeedServerOptions options;
    options.listen = at;
    options.tls = server_tls();
    options.client_name = "meterhub-ns";
    options.output_high = 20'000;
    auto made = FeedServer::create(*loop_, *feed_, metrics_, options);
    ASSERT_TRUE(made) << made.error().text;
    server_ = std::move(*made);
    address_ = server_->address();
  }
  void stop_server() {
    server_.reset();
    feed_.reset();
  }
  void start_client(const std::string& name = "meterhub-ns") {
    FeedClientOptions options;
    options.servers = {address_};
    options.tls = client_tls(name);
    options.file = "ns/sessions";
    options.file_key.fill(3);
    options.reconnect_first = 20ms;
    client_.reset();
    table_ = std::make_unique<decrypt::SessionTable>();
    auto made = FeedClient::create(*loop_, *table_, disk_, metrics_, options);
    ASSERT_TRUE(made) << made.error().text;
    client_ = std::move(*made);
  }
  bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 1000 && !done(); ++i) {
      clock_.advance(5ms);
      loop_->run_once(2ms);
    }
    return done();
  }
  bool is_current() { return table_->fresh_as_of() >= clock_.now() - 500ms; }

  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create(clock_));
  base::Metrics metrics_;
  base::MemoryDisk disk_;
  std::unique_ptr<registry::SessionFeed> feed_;
  std::unique_ptr<FeedServer> server_;
  net::Address address_;
  std::unique_ptr<decrypt::SessionTable> table_;
  std::unique_ptr<FeedClient> client_;
};

TEST_F(FeedTest, FillsTheTableAndKeepsItCurrent) {
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  start_server();
  start_client();
  ASSERT_TRUE(run_until([&] { return client_->has_sessions() && is_current(); }));
  EXPECT_EQ(table_->size(), 1U);
  ASSERT_TRUE(store_->add_meter("test", abp(2)));
  ASSERT_TRUE(run_until([&] { return table_->size() == 2; }));
  ASSERT_TRUE(store_->remove_meter("test", base::Eui64(1)));
  ASSERT_TRUE(run_until([&] { return table_->size() == 1; }));
}

TEST_F(FeedTest, CarriesASnapshotOfManyBlocksThroughASmallBuffer) {
  auto import = store_->begin_import("test");
  for (std::uint64_t eui = 1; eui <= 10'000; ++eui) ASSERT_TRUE((*import)->put_meter(abp(eui), false));
  ASSERT_TRUE((*import)->commit());
  import->reset();
  start_server();
  start_client();
  ASSERT_TRUE(run_until([&] { return client_->has_sessions() && is_current(); }));
  EXPECT_EQ(table_->size(), 10'000U);
}

TEST_F(FeedTest, StartsFromItsCopyWithoutTheFeedAndConnectsWhenItIsBack) {
  ASSERT_TRUE(store_->add_meter("test", abp(1)));
  start_server();
  start_client();
  ASSERT_TRUE(run_until([&] { return client_->has_sessions() && is_current(); }));
  stop_server();
  start_client();
  EXPECT_TRUE(client_->has_sessions());
  EXPECT_EQ(table_->size(), 1U);
  EXPECT_NE(table_->fresh_as_of(), base::Timestamp{});
  ASSERT_TRUE(store_->add_meter("test", abp(2)));
  start_server(address_);
  EXPECT_TRUE(run_until([&] { return table_->size() == 2 && client_->connected(); }));
}

TEST_F(FeedTest, ConnectsAnewWhenTheFeedWasAway) {
  start_server();
  start_client();
  ASSERT_TRUE(run_until([&] { return client_->connected() && is_current(); }));
  stop_server();
  ASSERT_TRUE(run_until([&] { return !client_->connected(); }));
  start_server(address_);
  EXPECT_TRUE(run_until([&] { return client_->connected() && is_current(); }));
}

TEST_F(FeedTest, RefusesACertificateOfAnotherName) {
  start_server();
  start_client("a-gateway");
  ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_feed_refused_total") > 0; }));
  EXPECT_FALSE(client_->has_sessions());
  EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(FeedTest, NeverCarriesKeysInTheClearOverANetwork) {
  registry::SessionFeed feed(*store_, *loop_);
  FeedServerOptions server;
  server.listen = *net::Address::parse("0.0.0.0:0");
  EXPECT_EQ(FeedServer::create(*loop_, feed, metrics_, server).error().code, base::Errc::kInvalidArgument);
  FeedClientOptions client;
  client.servers = {*net::Address::parse("192.0.2.1:1")};
  decrypt::SessionTable table;
  EXPECT_EQ(FeedClient::create(*loop_, table, disk_, metrics_, client).error().code, base::Errc::kInvalidArgument);
}

}  // namespace
}  // namespace meterhub::ns
