// One AMQP connection of a gateway: $cbs, telemetry links, credit and answers.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <meterhub/amqp/engine.h>
#include <meterhub/hub/hub.h>
#include <meterhub/net/connection.h>

#include "access.h"
#include "device.h"
#include "hub_metrics.h"
#include "intake.h"
#include "message_records.h"

namespace meterhub::hub {

// What sessions need of the hub. Loop thread.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const HubOptions& options() const = 0;
  virtual GatewayDirectory& gateways() = 0;
  virtual HubMetrics& metrics() = 0;
  virtual Intake& intake() = 0;
  virtual MessageRecords& records() = 0;
  virtual const base::Clock& clock() const = 0;
  // False while nobody is given credit.
  virtual bool granting() const = 0;
  // The session has output: it is written at the iteration's end.
  virtual void dirty(GatewaySession& session) = 0;
  // Its go_on() is called in the next iteration.
  virtual void call_again(GatewaySession& session) = 0;
  // Its answer_refusals() is called after `delay`.
  virtual void answer_later(GatewaySession& session, std::chrono::milliseconds delay) = 0;
  // Gives up its hold on the session, whose call is under way.
  virtual void ended(GatewaySession& session) = 0;
  virtual std::shared_ptr<Device> join(const std::string& gateway, GatewaySession& session) = 0;
  virtual void leave(Device& device, GatewaySession& session) = 0;
};

// Loop thread.
class GatewaySession final : public net::ConnectionHandler,
                             public amqp::Listener,
                             public Sender,
                             public std::enable_shared_from_this<GatewaySession> {
 public:
  GatewaySession(SessionHost& host, net::ConnectionPtr connection);
  ~GatewaySession() override;
  void start() { connection_->set_handler(*this); }

  // Writes what the engine has.
  void pump();
  // Takes up the input that waited for credit.
  void go_on();
  // Whoever was refused has waited long enough for the answer.
  void answer_refusals();
  // Once a second: heartbeats, claims, deadlines.
  void sweep();
  // The hub began or stopped granting; a rate limit may have eased.
  void update_windows();
  bool throttled() const { return throttled_; }
  // The gateway was changed: ends what its claim no longer permits.
  void gateway_changed(const std::string& id);
  // Detaches all links with this error, then drops the connection.
  void end(const amqp::ErrorView& error, std::string_view reason);

  // net::ConnectionHandler
  void on_data(base::BytesView bytes) override;
  void on_closed(net::CloseReason reason, std::string_view text) override;
  // Sender
  void stored(Ticket ticket) override;
  void refused(Ticket ticket, const base::Error& error) override;
  // amqp::Listener
  void on_attach(const amqp::PeerAttach& attach) override;
  void on_credit(amqp::LinkId link) override;
  void on_delivery(const amqp::Delivery& delivery) override;
  void on_oversized(amqp::LinkId link, std::uint64_t bytes) override;
  void on_detached(amqp::LinkId link, const amqp::ErrorView& error) override;
  void on_closed(const amqp::ErrorView& error, bool by_peer) override;

 private:
  struct Held {
    Claim claim;
    std::shared_ptr<Device> device;
  };
  struct TelemetryLink {
    std::string gateway;
    log::Properties properties;  // of all that comes here
    std::shared_ptr<Device> device;
    bool open_window = true;
  };

  void mark_dirty();
  void read_or_not();
  void attach_cbs(const amqp::PeerAttach& attach);
  void attach_telemetry(const amqp::PeerAttach& attach, std::string_view gateway);
  void refuse_link(amqp::LinkId link, std::string_view condition, std::string_view text);
  void put_token(const amqp::Delivery& delivery);
  int handle_put_token(const amqp::Delivery& delivery, std::string& text, base::Bytes& message_id,
                       base::Bytes& reply_to);
  void say_refused(std::string_view resource, std::string_view reason);
  void slow_down();
  bool hold(Claim claim);  // false: it holds as many as a connection may
  void reply(int status, std::string_view text, base::BytesView correlation_id, base::BytesView to);
  void send_replies();
  void telemetry(const amqp::Delivery& delivery, TelemetryLink& link);
  bool is_flooding(const TelemetryLink& link);
  void count_rate(TelemetryLink& link, amqp::LinkId id, std::size_t messages);
  void reject(const amqp::Delivery& delivery, std::string_view condition, std::string_view text,
              std::string_view reason);
  void set_window(amqp::LinkId id, TelemetryLink& link);
  void drop_claim(const std::string& gateway, std::string_view text, std::string_view reason);

  SessionHost& host_;
  net::ConnectionPtr connection_;
  amqp::Connection engine_;
  const base::MonotonicTime began_;
  std::vector<Held> claims_;
  std::unordered_map<amqp::LinkId, TelemetryLink> links_;
  std::vector<amqp::LinkId> cbs_in_;
  std::optional<amqp::LinkId> cbs_out_;
  std::vector<base::Bytes> replies_;  // wait for credit on $cbs
  bool dirty_ = false;    // the host knows of output
  bool ending_ = false;
  bool throttled_ = false;
  bool paused_ = false;  // not read until the next look at credit
  bool refusal_said_ = false;
  bool refusal_waits_ = false;  // its answer does, and nothing is read meanwhile
  int refusals_ = 0;
};

}  // namespace meterhub::hub
