#include "telemetry_endpoint.h"

#include "session.h"

namespace meterhub::hub {

TelemetryEndpoint::TelemetryEndpoint(Session& session, amqp::LinkId link, const std::string& gateway)
    : session_(session), link_(link), seat_(session.host(), gateway, session) {
  properties_.gateway = gateway;
}

bool TelemetryEndpoint::may_send(Session& session, std::string_view gateway) {
  if (!session.may({.node = Node::kTelemetry, .gateway = gateway})) return false;
  const auto known = session.host().gateways().find(gateway);
  return known && known->enabled;
}

void TelemetryEndpoint::update_window() {
  auto& host = session_.host();
  open_window_ = host.granting() && seat_.device().bucket.tokens(host.clock().monotonic()) >= 1;
  // Without tokens it is looked at again, a link that is new and never had a window too.
  if (host.granting() && !open_window_) session_.note_throttled();
  session_.engine().set_window(link_, open_window_ ? host.options().link_credit : 0);
}

void TelemetryEndpoint::on_delivery(const amqp::Delivery& delivery) {
  auto& host = session_.host();
  seat_.device().heard = true;
  if (delivery.settled) host.metrics().presettled.add();
  if (is_flooding())
    return reject(delivery, "com.microsoft:device-container-throttled", "the device sends too fast", "throttled");
  const auto records = host.records().read(delivery.payload, delivery.message_format, properties_);
  if (!records)
    return reject(delivery, base::error_class(records.error().code).amqp_condition, records.error().text, "malformed");
  count_rate(records->size());
  host.intake().add(properties_.gateway, *records, session_.weak_from_this(),
                    {static_cast<std::uint64_t>(delivery.session), delivery.id}, !delivery.settled);
}

// A gateway that keeps to its credit is slowed and not refused: what it had credit for when its
// tokens ran out is still taken. One that sends on is refused before its message is looked at, and read again
// only when the hub next looks at credit.
bool TelemetryEndpoint::is_flooding() {
  auto& host = session_.host();
  const auto& bucket = seat_.device().bucket;
  if (!bucket.limited() || bucket.tokens(host.clock().monotonic()) > -2.0 * host.options().link_credit) return false;
  session_.pause();
  return true;
}

void TelemetryEndpoint::count_rate(std::size_t messages) {
  auto& bucket = seat_.device().bucket;
  if (!bucket.limited()) return;
  auto& host = session_.host();
  const auto now = host.clock().monotonic();
  bucket.take(static_cast<double>(messages), now);
  if (bucket.tokens(now) >= 1 || !open_window_) return;
  open_window_ = false;
  session_.note_throttled();
  session_.engine().let_window_close(link_, 0);
  host.metrics().throttled.add();
}

void TelemetryEndpoint::reject(const amqp::Delivery& delivery, std::string_view condition, std::string_view text,
                               std::string_view reason) {
  session_.host().metrics().rejected(reason);
  if (delivery.settled) return;
  session_.engine().settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kRejected, {condition, text});
}

}  // namespace meterhub::hub
