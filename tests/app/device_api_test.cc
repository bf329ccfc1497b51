#include "device_api.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <deque>
#include <future>

#include <meterhub/http/client.h>
#include <meterhub/registry/follower.h>
#include <meterhub/sas/token.h>

#include "folder.h"
#include "presence_keeper.h"

namespace meterhub::app {
namespace {

using http::Method;

// Runs what is posted only when told to.
class HeldExecutor final : public base::Executor {
 public:
  explicit HeldExecutor(const base::Clock& clock) : clock_(clock) {}
  void post(base::Task task) override { tasks_.push_back(std::move(task)); }
  TimerId after(std::chrono::nanoseconds, base::Task) override { return TimerId::kNone; }
  void cancel(TimerId) override {}
  const base::Clock& clock() const override { return clock_; }
  void run() {
    while (!tasks_.empty()) {
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }
  std::size_t waiting() const { return tasks_.size(); }

 private:
  const base::Clock& clock_;
  std::deque<base::Task> tasks_;
};

class DeviceApiTest : public testing::Test {
 protected:
  DeviceApiTest() {
    EXPECT_TRUE(store_->add_tenant("test", "Chongqing Gas"));
    follower_ = std::make_unique<registry::Follower>(*store_, directory_, executor_, metrics_);
    EXPECT_TRUE(follower_->start());
    options_.waiting_max = 4;
    api_ = std::make_unique<DeviceApi>(world_, options_);
    server_ = http::Server::create(*loop_, metrics_, {});
    add_device_routes(*server_, *api_, world_, options_, executor_);
    address_ = *server_->listen(net::Address::loopback(), {});
  }
  std::unique_ptr<registry::Store> opened() const {
    registry::Store::Options how;
    how.file = folder_.path() + "/registry.sqlite";
    how.master_key.fill(7);
    return std::move(*registry::Store::open(how, clock_));
  }
  std::string token(std::string_view policy) {
    auto found = store_->policy(registry::kHubScope, policy);
    if (!found) found = store_->policy(registry::kAllEventHubs, policy);
    const auto key = found->primary_key;
    return *sas::make_token("localhost", key,
                            std::chrono::floor<std::chrono::seconds>(clock_.now()) + std::chrono::hours(1), policy);
  }
  std::future<base::Result<http::Response>> ask(Method method, std::string target, std::string body = {},
                                                std::string_view policy = "iothubowner") {
    return std::async(std::launch::async, [=, at = address_, fields = http::Fields{{"Authorization", token(policy)}}] {
      return http::Client::tcp(at).request(method, target, body, fields);
    });
  }
  void turn() { loop_->run_once(std::chrono::milliseconds(5)); }
  http::Response answer(std::future<base::Result<http::Response>> asked) {
    while (asked.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      turn();
      executor_.run();
    }
    return *asked.get();
  }

  const Folder folder_;
  base::ManualClock clock_;
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create(clock_));
  HeldExecutor executor_{clock_};
  base::Metrics metrics_;
  std::unique_ptr<registry::Store> store_ = opened();
  registry::Directory directory_;
  hub::PresenceBoard presence_;
  std::unique_ptr<registry::Follower> follower_;
  const DeviceApiWorld world_{*store_, directory_, presence_, clock_, metrics_, [this](base::Task then) {
                                executor_.post([this, then = std::move(then)]() mutable {
                                  EXPECT_TRUE(follower_->poll());
                                  then();
                                });
                              }};
  DeviceApiOptions options_;
  std::unique_ptr<DeviceApi> api_;
  std::unique_ptr<http::Server> server_;
  net::Address address_;
};

TEST_F(DeviceApiTest, AnEditIsAnsweredWhenTheDirectoryHasIt) {
  EXPECT_EQ(answer(ask(Method::kPut, "/devices/gw-1", "{}")).status, 200u);
  ASSERT_NE(directory_.gateway("gw-1"), nullptr);
  EXPECT_EQ(answer(ask(Method::kDelete, "/devices/gw-1")).status, 204u);
  EXPECT_EQ(directory_.gateway("gw-1"), nullptr);
}

TEST_F(DeviceApiTest, WhoMayNotIsAnsweredWithoutTheStore) {
  auto asked = ask(Method::kGet, "/devices", {}, "RootManageSharedAccessKey");
  while (asked.wait_for(std::chrono::seconds(0)) != std::future_status::ready) turn();
  EXPECT_EQ(asked.get()->status, 401u);
  EXPECT_EQ(executor_.waiting(), 0u);
}

TEST_F(DeviceApiTest, OnlySoManyWait) {
  std::vector<std::future<base::Result<http::Response>>> asked;
  for (int i = 0; i < 4; ++i) asked.push_back(ask(Method::kGet, "/devices"));
  while (executor_.waiting() < 4) turn();
  auto fifth = ask(Method::kGet, "/devices");
  while (fifth.wait_for(std::chrono::seconds(0)) != std::future_status::ready) turn();
  const auto refused = fifth.get();
  EXPECT_EQ(refused->status, 503u);
  EXPECT_NE(refused->body.find("ErrorCode:ServiceUnavailable;"), std::string::npos);
  for (auto& one : asked) EXPECT_EQ(answer(std::move(one)).status, 200u);
  EXPECT_EQ(answer(ask(Method::kGet, "/devices")).status, 200u);
}

TEST_F(DeviceApiTest, AfterTheDrainItSaysSo) {
  api_->drain([] {});
  EXPECT_EQ(answer(ask(Method::kGet, "/devices")).status, 503u);
}

TEST_F(DeviceApiTest, ShowsWhoIsConnected) {
  answer(ask(Method::kPut, "/devices/gw-1", "{}"));
  presence_.connected("gw-1", clock_.now());
  const auto shown = nlohmann::json::parse(answer(ask(Method::kGet, "/devices/gw-1")).body);
  EXPECT_EQ(shown["connectionState"], "Connected");
}

TEST_F(DeviceApiTest, WhatTheHubSawIsKnownAfterARestart) {
  answer(ask(Method::kPut, "/devices/gw-1", "{}"));
  const std::string etag = store_->gateway("gw-1")->etag;
  {
    PresenceKeeper keeper(*store_, presence_, executor_);
    presence_.connected("gw-1", clock_.now());
    clock_.advance(std::chrono::seconds(5));
    presence_.disconnected("gw-1", clock_.now());
    presence_.connected("no-device", clock_.now());
    keeper.stop([] {});
  }
  hub::PresenceBoard later;
  const PresenceKeeper keeper(*store_, later, executor_);
  EXPECT_EQ(later.of("gw-1"), (hub::Presence{false, clock_.now(), clock_.now() - std::chrono::seconds(5)}));
  EXPECT_EQ(later.of("no-device"), hub::Presence());
  EXPECT_EQ(store_->gateway("gw-1")->etag, etag);
}

}  // namespace
}  // namespace meterhub::app
