// One gateway as an AMQP client: connect, put-token, attach, send with credit, and again
// from the start whenever something breaks. Everything on the loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <meterhub/amqp/engine.h>
#include <meterhub/net/connection.h>
#include <meterhub/sim/driver.h>

namespace meterhub::sim {

// How one behaves; as written here, well.
struct Manners {
  bool insists = false;                // comes again at once, and shows a refused token again
  bool deaf = false;                   // reads nothing once its link stands
  std::optional<net::Address> from{};  // where it comes from
  bool keeps_tickets = false;          // and resumes its TLS session with them
};

class GatewayClient final : public net::ConnectionHandler, public amqp::Listener {
 public:
  // The hub's verdict on a message of this gateway.
  using Ended = std::function<void(std::uint64_t delivery, DeliveryEnd end)>;

  // All outlive the client.
  GatewayClient(net::EventLoop& loop, const DriverOptions& options, const SimGateway& gateway, DriverCounts& counts,
                Ended ended, Manners manners = {});
  ~GatewayClient() override;
  GatewayClient(const GatewayClient&) = delete;
  GatewayClient& operator=(const GatewayClient&) = delete;

  void store(Uplink uplink);
  bool is_ready() const { return ready_; }  // its link stands
  bool wants_to_connect() const { return !connection_ && loop_.clock().monotonic() >= retry_at_; }
  void connect();
  // Heartbeats, a fresh token, and what waits to be sent.
  void tick();
  // Drops the connection; what is unsettled waits for the next one.
  void drop();
  // The same, and it may connect again at once.
  void come_again();
  std::size_t waiting() const { return stored_.size() + in_flight_.size(); }

  using amqp::Listener::on_open;  // of the peer's frame; the other is of the socket
  void on_open() override;
  void on_data(base::BytesView bytes) override;
  void on_writable() override { send_stored(); }
  void on_closed(net::CloseReason reason, std::string_view text) override;

  void on_credit(amqp::LinkId link) override;
  void on_attached(const amqp::PeerAttach& attach) override;
  void on_delivery(const amqp::Delivery& delivery) override;
  void on_outcome(amqp::LinkId link, amqp::DeliveryId first, amqp::DeliveryId last, amqp::Outcome outcome,
                  const amqp::ErrorView& error) override;
  void on_detached(amqp::LinkId link, const amqp::ErrorView& error) override;
  void on_closed(const amqp::ErrorView& error, bool by_peer) override;

 private:
  struct InFlight {
    amqp::DeliveryId id = 0;
    Uplink uplink;
  };

  void open_links();
  void put_token();
  void token_refused();
  void attach_events();
  void send_stored();
  void end_one(InFlight item, amqp::Outcome outcome);
  void flush();
  void fail(std::string text);
  void lose_connection(std::string_view text);
  std::string resource() const;

  net::EventLoop& loop_;
  const DriverOptions& options_;
  const SimGateway& gateway_;
  DriverCounts& counts_;
  const Ended ended_;
  const Manners manners_;

  std::deque<Uplink> stored_;
  std::deque<InFlight> in_flight_;  // in order of sending

  std::shared_ptr<net::TlsSession> tls_session_;
  net::ConnectionPtr connection_;
  std::optional<amqp::Connection> engine_;
  amqp::SessionId session_{};
  amqp::LinkId cbs_out_{}, cbs_in_{}, events_{};
  bool token_asked_ = false;
  bool events_asked_ = false;
  bool ready_ = false;
  bool failed_ = false;               // to be dropped once the engine's call is over
  base::MonotonicTime token_due_{};
  base::MonotonicTime retry_at_{};
  std::chrono::milliseconds backoff_;
};

}  // namespace meterhub::sim
