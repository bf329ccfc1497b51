// A link on which a device sends: messages to the log, credit by rate, answers by the intake.
#pragma once

#include <string>

#include <meterhub/log/record.h>

#include "link_endpoint.h"
#include "session_host.h"

namespace meterhub::hub {

// Loop thread.
class TelemetryEndpoint final : public LinkEndpoint {
 public:
  TelemetryEndpoint(Session& session, amqp::LinkId link, const std::string& gateway);

  // A claim of the session permits it, and the gateway is there and enabled.
  static bool may_send(Session& session, std::string_view gateway);

  void on_delivery(const amqp::Delivery& delivery) override;
  void update_window() override;
  bool permitted() const override { return may_send(session_, properties_.gateway); }

 private:
  bool is_flooding();
  void count_rate(std::size_t messages);
  void reject(const amqp::Delivery& delivery, std::string_view condition, std::string_view text, std::string_view reason);

  Session& session_;
  const amqp::LinkId link_;
  log::Properties properties_;  // of all that comes here
  Seat seat_;
  bool open_window_ = true;
};

}  // namespace meterhub::hub
