// A server on a loop that the test steps, and clients on threads.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <string>

#include <meterhub/http/client.h>
#include <meterhub/http/server.h>

namespace meterhub::http::test {

class ServerFixture : public ::testing::Test {
 protected:
  base::ManualClock clock_;
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create(clock_));
  base::Metrics metrics_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
  net::Address address_;

  void start() {
    server_ = Server::create(*loop_, metrics_, options_);
    address_ = *server_->listen(net::Address::loopback(), {});
  }
  bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) loop_->run_once(std::chrono::milliseconds(5));
    return done();
  }
  // Runs `call` on another thread while the loop goes on.
  template <class F>
  auto beside(F call) {
    auto future = std::async(std::launch::async, std::move(call));
    run_until([&] { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    return future.get();
  }
  base::Result<Response> ask(Method method, std::string_view target, std::string body = {}, Fields headers = {}) {
    return beside([=, this] { return Client::tcp(address_).request(method, target, body, headers); });
  }
};

}  // namespace meterhub::http::test
