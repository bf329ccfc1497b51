// One AMQP connection: its engine, its claims, and an endpoint for each of its links.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <meterhub/amqp/engine.h>
#include <meterhub/net/connection.h>

#include "access.h"
#include "cbs.h"
#include "link_endpoint.h"
#include "management.h"
#include "session_host.h"

namespace meterhub::hub {

// Loop thread. Held by the hub until it has ended.
class Session final : public net::ConnectionHandler,
                      public amqp::Listener,
                      public Sender,
                      public std::enable_shared_from_this<Session> {
 public:
  Session(SessionHost& host, net::ConnectionPtr connection);
  ~Session() override;
  void start() { connection_->set_handler(*this); }

  // --- by the hub
  // Writes what the engine has.
  void pump();
  // Takes up the input that waited for credit, and links that want their turn.
  void go_on();
  // Whoever was refused has waited long enough for the answer.
  void answer_refusals() { cbs_.answer_refusals(); }
  // The peer has had its time to hang up.
  void goodbye_over();
  // Once a second: heartbeats, claims, deadlines.
  void sweep();
  // The hub began or stopped granting; a rate limit may have eased.
  void update_windows();
  bool throttled() const { return throttled_; }
  // The gateway was changed: ends what its claims no longer permit. "" = any may have been.
  void gateway_changed(const std::string& id);
  void policies_changed();
  // Detaches all links with this error, then drops the connection, after a goodbye where links were.
  void end(const amqp::ErrorView& error, std::string_view reason);

  // --- by endpoints
  SessionHost& host() { return host_; }
  amqp::Connection& engine() { return engine_; }
  const net::Address& peer() const { return connection_->peer(); }
  // The engine has output.
  void mark_dirty();
  // A claim permits this node.
  bool may(const LinkAddress& address) const;
  bool has_claims() const { return !claims_.empty(); }
  // False: it holds as many as a connection may.
  bool hold(Claim claim);
  // While held, nothing is read; $cbs holds back whoever was refused.
  void hold_input(bool held);
  // Not read until the hub next looks at credit.
  void pause();
  // A link waits for its device's rate: update_windows() is wanted.
  void note_throttled() { throttled_ = true; }
  // What is sent now is not more than the peer takes soon.
  bool has_room() const;
  // Its links' on_credit() is called in the next iteration.
  void want_turn();
  // Ends one link; its endpoint is gone when these return.
  void close_link(amqp::LinkId link, const amqp::ErrorView& error);
  void refuse_link(amqp::LinkId link, const amqp::ErrorView& error);
  // Ends the connection once what waits is written.
  void drop(std::string_view reason);
  // The same when links were detached before: the peer is given the time to answer and to hang up itself.
  void drop_after_goodbye(std::string_view reason);

  // net::ConnectionHandler
  void on_data(base::BytesView bytes) override;
  void on_writable() override;
  void on_closed(net::CloseReason reason, std::string_view text) override;
  // Sender
  void stored(Ticket ticket) override;
  void refused(Ticket ticket, const base::Error& error) override;
  // amqp::Listener
  bool on_sasl(const amqp::SaslLogin& login) override;
  void on_attach(const amqp::PeerAttach& attach) override;
  void on_credit(amqp::LinkId link) override;
  void on_drain(amqp::LinkId link) override;
  void on_delivery(const amqp::Delivery& delivery) override;
  void on_oversized(amqp::LinkId link, std::uint64_t bytes) override;
  void on_outcome(amqp::LinkId link, amqp::DeliveryId first, amqp::DeliveryId last, amqp::Outcome outcome,
                  const amqp::ErrorView& error) override;
  void on_detached(amqp::LinkId link, const amqp::ErrorView& error) override;
  void on_closed(const amqp::ErrorView& error, bool by_peer) override;

 private:
  struct Held {
    Claim claim;
    std::optional<Seat> seat;  // of a claim for one device
  };

  void read_or_not();
  // A TLS client with this device's certificate needs no token (spec/azure-amqp.md 2.1).
  void claim_by_certificate(std::string_view gateway);
  std::unique_ptr<LinkEndpoint> open_cbs(const amqp::PeerAttach& attach);
  std::unique_ptr<LinkEndpoint> open_management(const amqp::PeerAttach& attach, const LinkAddress& address);
  std::unique_ptr<LinkEndpoint> open_events(const amqp::PeerAttach& attach, const LinkAddress& address);
  std::unique_ptr<LinkEndpoint> open_event_hub(const amqp::PeerAttach& attach, const LinkAddress& address);
  std::unique_ptr<LinkEndpoint> open_telemetry(const amqp::PeerAttach& attach, const LinkAddress& address);
  std::unique_ptr<LinkEndpoint> open_service_send(const amqp::PeerAttach& attach);
  std::unique_ptr<LinkEndpoint> open_devicebound(const amqp::PeerAttach& attach, const LinkAddress& address);
  std::unique_ptr<LinkEndpoint> open_feedback(const amqp::PeerAttach& attach);
  std::unique_ptr<LinkEndpoint> open_not_offered(const amqp::PeerAttach& attach, const LinkAddress& address);
  std::unique_ptr<LinkEndpoint> open_link(const amqp::PeerAttach& attach, const LinkAddress& address);
  std::unique_ptr<LinkEndpoint> refuse(const amqp::PeerAttach& attach, std::string_view condition, std::string_view text);
  LinkEndpoint* endpoint(amqp::LinkId link);
  // Ends the claims for which `gone` is true, and what only they permitted.
  template <class Gone>
  void drop_claims(Gone gone, std::string_view text, std::string_view reason);
  bool drop_links(std::string_view text);  // true: there were some

  SessionHost& host_;
  net::ConnectionPtr connection_;
  amqp::Connection engine_;
  const base::MonotonicTime began_;
  std::vector<Held> claims_;
  std::optional<net::PeerCertificate> certificate_;  // that TLS has shown, read when a device is named first
  bool certificate_read_ = false;
  Cbs cbs_{*this};
  std::unique_ptr<Management> management_;  // once it is asked for
  std::unordered_map<amqp::LinkId, std::unique_ptr<LinkEndpoint>> links_;  // goes before what they refer to
  std::size_t first_turn_ = 0;  // whose turn comes first when there is room again
  bool dirty_ = false;  // the host knows of output
  bool ending_ = false;
  bool goodbye_ = false;  // until the peer hangs up, or its time is over
  bool throttled_ = false;
  bool paused_ = false;  // not read until the next look at credit
  bool input_held_ = false;
  bool turn_wanted_ = false;
};

}  // namespace meterhub::hub
