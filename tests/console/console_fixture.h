// The console on a loop that the test steps, over a small town.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <future>
#include <string>

#include <meterhub/console/console.h>
#include <meterhub/http/client.h>

#include "followed_fleet.h"
#include "town.h"

namespace meterhub::console::test {

class ConsoleFixture : public testing::Test {
 protected:
  base::ManualClock clock_;
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create(clock_));
  fleet::test::Town town_{clock_};
  ConsoleOptions options_;
  std::uint32_t ring_meters_max_ = 20'000;
  std::unique_ptr<fleet::test::FollowedFleet> fleet_;
  std::unique_ptr<Console> console_;

  ConsoleFixture() {
    options_.key = "0123456789abcdef";
    options_.control_socket = (town_.directory / "control.sock").string();
    options_.started = clock_.now();
  }
  void start() {
    fleet_ = std::make_unique<fleet::test::FollowedFleet>(*loop_, town_, ring_meters_max_);
    console_ = std::move(*Console::create(
        *loop_,
        {town_.log, town_.directory_of_meters, *town_.database, fleet_->state, town_.metrics, town_.disk, *loop_}, options_));
    turn();
  }
  void turn(int times = 20) {
    for (int i = 0; i < times; ++i) loop_->run_once(std::chrono::milliseconds(0));
  }
  // The loop's timers follow.
  void pass(std::chrono::seconds time) {
    for (auto left = time; left > std::chrono::seconds(0); left -= std::chrono::seconds(1)) {
      clock_.advance(std::chrono::seconds(1));
      turn();
    }
  }
  template <class F>
  auto beside(F call) {
    auto future = std::async(std::launch::async, std::move(call));
    while (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      loop_->run_once(std::chrono::milliseconds(5));
    return future.get();
  }
  http::Response get(std::string target, http::Fields headers = {{"Authorization", "Bearer 0123456789abcdef"}},
                     http::Method method = http::Method::kGet) {
    return *beside(
        [=, at = *console_->address()] { return http::Client::tcp(at).request(method, target, {}, headers); });
  }
  http::Response local(std::string target) {
    return *beside([target, path = options_.control_socket] { return http::Client::unix_domain(path).get(target); });
  }
  nlohmann::json read(std::string target) {
    const auto answer = get(target);
    EXPECT_EQ(answer.status, 200u) << target << " " << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/json; charset=utf-8");
    return nlohmann::json::parse(answer.body, nullptr, false);
  }
};

}  // namespace meterhub::console::test
