// Server and client on one loop that the test steps itself.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include <meterhub/net/connection.h>
#include <meterhub/net/event_loop.h>

#include "test_identity.h"

namespace meterhub::net::test {

// Time that a test moves while the loop waits for real.
class LoopFixture : public ::testing::Test {
 protected:
  base::ManualClock clock_;
  std::unique_ptr<EventLoop> loop_ = std::move(*EventLoop::create(clock_));
  base::Metrics metrics_;

  // Runs iterations until `done`; false after 2,000 of them.
  bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) loop_->run_once(std::chrono::milliseconds(5));
    return done();
  }
  void run_some() {
    for (int i = 0; i < 20; ++i) loop_->run_once(std::chrono::milliseconds(1));
  }
};

// Keeps what comes; optionally sends it back.
struct Peer final : ConnectionHandler {
  bool echo = false;
  bool opened = false;
  bool writable = false;
  std::string received;
  std::size_t calls = 0;
  std::optional<CloseReason> closed;
  std::string closed_text;
  ConnectionPtr connection;

  ~Peer() override {
    if (connection) connection->abort();
  }
  void take(ConnectionPtr given) {
    connection = std::move(given);
    connection->set_handler(*this);
  }
  void on_open() override { opened = true; }
  void on_data(base::BytesView bytes) override {
    ++calls;
    received += base::as_text(bytes);
    if (echo) connection->write(bytes);
  }
  void on_writable() override { writable = true; }
  void on_closed(CloseReason reason, std::string_view text) override {
    closed = reason;
    closed_text = text;
  }
};

inline std::shared_ptr<TlsContext> server_context() {
  return std::move(*TlsContext::server({authority().issue("localhost", "DNS:localhost,IP:127.0.0.1"), {}}));
}
inline std::shared_ptr<TlsContext> client_context() {
  return std::move(*TlsContext::client({authority().identity.certificate_pem, {}, {}}));
}

}  // namespace meterhub::net::test
