#include "gateway_session.h"

#include <algorithm>
#include <utility>

#include <meterhub/amqp/message.h>
#include <meterhub/base/logging.h>

namespace meterhub::hub {
namespace {

constexpr std::size_t kClaimsMax = 64;
constexpr std::size_t kRepliesMax = 64;
// Tokens of one connection that may be refused; a device client connects anew after the first. One that speaks
// for many devices is not ended for a few that are unknown.
constexpr int kRefusalsMax = 3;
constexpr int kRefusalsMaxOfMany = 64;
constexpr std::chrono::milliseconds kFirstRefusalDelay{1'000};
constexpr std::uint32_t kCbsWindow = 100;
constexpr std::size_t kResourceShown = 200;
constexpr std::string_view kUnauthorized = "amqp:unauthorized-access";

amqp::Options engine_options(const HubOptions& options) {
  amqp::Options out;
  out.role = amqp::Role::kServer;
  out.idle_timeout = options.idle_timeout;
  out.limits.max_frame_size = options.frame_max;
  return out;
}

base::Bytes encoded(const amqp::Value& value) {
  base::Bytes out;
  value.append_to(out);
  return out;
}

std::string_view text_of(const std::optional<amqp::Value>& value) {
  return value ? value->text().value_or(std::string_view()) : std::string_view();
}

}  // namespace

GatewaySession::GatewaySession(SessionHost& host, net::ConnectionPtr connection)
    : host_(host),
      connection_(std::move(connection)),
      engine_(engine_options(host.options()), *this, host.clock().monotonic()),
      began_(host.clock().monotonic()) {}

GatewaySession::~GatewaySession() {
  for (auto& held : claims_) host_.leave(*held.device, *this);
  connection_->abort();
}

void GatewaySession::on_data(base::BytesView bytes) {
  engine_.feed(bytes, host_.clock().monotonic());
  read_or_not();
  mark_dirty();
}

// Whoever sends beyond its credit or floods waits behind TCP.
void GatewaySession::read_or_not() {
  paused_ || refusal_waits_ || engine_.input_held() ? connection_->pause_reading() : connection_->resume_reading();
}

void GatewaySession::go_on() {
  engine_.feed({}, host_.clock().monotonic());
  read_or_not();
  mark_dirty();
}

void GatewaySession::mark_dirty() {
  if (!std::exchange(dirty_, true)) host_.dirty(*this);
}

void GatewaySession::pump() {
  dirty_ = false;
  while (true) {
    const auto out = engine_.output();
    if (out.empty()) break;
    connection_->write(out);
    engine_.consumed(out.size());
  }
  if (engine_.input_ready()) host_.call_again(*this);
  if (engine_.finished() || ending_) connection_->close();
}

void GatewaySession::on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) {
  const auto self = shared_from_this();
  host_.ended(*this);
}

void GatewaySession::on_closed(const amqp::ErrorView& error, bool by_peer) {
  if (!by_peer) {
    host_.metrics().dropped("protocol");
    base::logging::info(
        "gateway_protocol_error",
        {{"peer", connection_->peer().ip_text()}, {"condition", error.condition}, {"text", error.description}});
  }
  mark_dirty();
}

void GatewaySession::sweep() {
  const auto now = host_.clock().monotonic();
  if (engine_.next_deadline() <= now) {
    engine_.tick(now);
    mark_dirty();
  }
  if (claims_.empty() && !ending_ && now - began_ >= host_.options().claim_timeout) {
    ending_ = true;
    host_.metrics().dropped("no_claim");
    mark_dirty();
  }
  std::vector<std::string> expired;
  for (const auto& held : claims_)
    if (held.claim.expires <= host_.clock().now()) expired.push_back(held.claim.gateway);
  for (const auto& gateway : expired) drop_claim(gateway, "the token has expired", "expired");
}

void GatewaySession::gateway_changed(const std::string& id) {
  std::vector<std::string> gone;
  for (const auto& held : claims_) {
    if (!id.empty() && held.claim.gateway != id) continue;
    const auto gateway = host_.gateways().find(held.claim.gateway);
    if (!still_good(held.claim, gateway.get())) gone.push_back(held.claim.gateway);
  }
  for (const auto& gateway : gone)
    drop_claim(gateway, "the device was disabled, removed or has other keys", "gateway_changed");
}

// Spec 11: the links are detached with an error, then TCP is dropped; never an AMQP close,
// after which the device client stalls for 45 s.
void GatewaySession::drop_claim(const std::string& gateway, std::string_view text, std::string_view reason) {
  const auto held = std::ranges::find(claims_, gateway, [](const Held& h) { return h.claim.gateway; });
  if (held == claims_.end()) return;
  host_.leave(*held->device, *this);
  claims_.erase(held);
  for (auto it = links_.begin(); it != links_.end();) {
    if (it->second.gateway != gateway) {
      ++it;
      continue;
    }
    engine_.detach(it->first, {kUnauthorized, text});
    it = links_.erase(it);
  }
  if (claims_.empty()) {
    host_.metrics().dropped(reason);
    ending_ = true;
  }
  mark_dirty();
}

void GatewaySession::end(const amqp::ErrorView& error, std::string_view reason) {
  if (ending_) return;
  for (const auto& [id, link] : links_) engine_.detach(id, error);
  links_.clear();
  ending_ = true;
  host_.metrics().dropped(reason);
  mark_dirty();
}

// ---- links ----

void GatewaySession::on_attach(const amqp::PeerAttach& attach) {
  const auto address = parse_link_address(attach.address());
  switch (address.node) {
    case Node::kCbs: return attach_cbs(attach);
    case Node::kTelemetry: return attach_telemetry(attach, address.gateway);
    case Node::kOtherOfDevice:
      return refuse_link(attach.link, "amqp:not-found", "this hub offers a device messages/events only");
    case Node::kUnknown: break;
  }
  refuse_link(attach.link, claims_.empty() ? kUnauthorized : "amqp:not-found", "there is no such address");
}

void GatewaySession::refuse_link(amqp::LinkId link, std::string_view condition, std::string_view text) {
  host_.metrics().link_refused(condition);
  engine_.refuse(link, {condition, text});
}

void GatewaySession::attach_cbs(const amqp::PeerAttach& attach) {
  engine_.accept(attach.link, {.max_message_size = 65536});
  if (!attach.peer_sends) {
    cbs_out_ = attach.link;
    return send_replies();
  }
  cbs_in_.push_back(attach.link);
  engine_.set_window(attach.link, kCbsWindow);
}

void GatewaySession::attach_telemetry(const amqp::PeerAttach& attach, std::string_view gateway) {
  const auto held =
      std::ranges::find(claims_, gateway, [](const Held& h) -> std::string_view { return h.claim.gateway; });
  if (held == claims_.end()) return refuse_link(attach.link, kUnauthorized, "no valid token for this device was shown");
  if (!attach.peer_sends) return refuse_link(attach.link, kUnauthorized, "a device may only send here");
  engine_.accept(attach.link, {.max_message_size = host_.options().message_max});
  TelemetryLink link{held->claim.gateway, {}, held->device, true};
  link.properties.gateway = link.gateway;
  const auto [at, added] = links_.insert_or_assign(attach.link, std::move(link));
  set_window(attach.link, at->second);
}

void GatewaySession::on_detached(amqp::LinkId link, const amqp::ErrorView& /*error*/) {
  links_.erase(link);
  std::erase(cbs_in_, link);
  if (cbs_out_ == link) cbs_out_.reset();
}

void GatewaySession::set_window(amqp::LinkId id, TelemetryLink& link) {
  link.open_window = host_.granting() && link.device->bucket.tokens(host_.clock().monotonic()) >= 1;
  // Without tokens it is looked at again, a link that is new and never had a window too.
  throttled_ = throttled_ || (host_.granting() && !link.open_window);
  engine_.set_window(id, link.open_window ? host_.options().link_credit : 0);
}

void GatewaySession::update_windows() {
  throttled_ = false;
  if (std::exchange(paused_, false)) read_or_not();
  for (auto& [id, link] : links_) set_window(id, link);
  mark_dirty();
}

// ---- $cbs ----

void GatewaySession::on_delivery(const amqp::Delivery& delivery) {
  if (const auto it = links_.find(delivery.link); it != links_.end()) return telemetry(delivery, it->second);
  if (std::ranges::find(cbs_in_, delivery.link) != cbs_in_.end()) put_token(delivery);
}

void GatewaySession::put_token(const amqp::Delivery& delivery) {
  std::string text;
  base::Bytes message_id;
  base::Bytes reply_to;
  const int status = handle_put_token(delivery, text, message_id, reply_to);
  if (!delivery.settled) engine_.settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  reply(status, text, message_id, reply_to);
}

// Returns the status; `text` becomes the SDK's error message.
int GatewaySession::handle_put_token(const amqp::Delivery& delivery, std::string& text, base::Bytes& message_id,
                                     base::Bytes& reply_to) {
  const auto message = amqp::Message::parse(delivery.payload);
  const auto properties = message ? message->properties() : std::unexpected(message.error());
  if (!properties) {
    host_.metrics().claim("malformed");
    text = "the request is not an AMQP message: " + properties.error().text;
    return 400;
  }
  message_id = encoded(properties->message_id);
  reply_to = encoded(properties->reply_to);
  const auto& request = message->application_properties;
  const auto type = text_of(request.find("type"));
  const auto token = message->value.text();
  if (text_of(request.find("operation")) != "put-token" || type != "servicebus.windows.net:sastoken" || !token) {
    host_.metrics().claim("malformed");
    text = "$cbs takes put-token with a servicebus.windows.net:sastoken";
    return 400;
  }
  auto claim = check_token(*token, text_of(request.find("name")), host_.gateways(), host_.options().host_names,
                           host_.clock().now());
  if (!claim) {
    host_.metrics().claim(claim.error().reason);
    say_refused(text_of(request.find("name")), claim.error().reason);
    slow_down();
    text = claim.error().text;
    return claim.error().status;
  }
  if (!hold(std::move(*claim))) {
    host_.metrics().claim("too_many");
    text = "a connection may speak for " + std::to_string(kClaimsMax) + " devices, and this one does";
    return 403;
  }
  host_.metrics().claim("accepted");
  text = "OK";
  return 200;
}

// Whoever has shown nothing good yet waits for the answer, each time longer, and is not read meanwhile: it may come
// again at once, and every handshake costs more than its token.
void GatewaySession::slow_down() {
  ++refusals_;
  if (claims_.empty()) {
    if (std::exchange(refusal_waits_, true)) return;
    return host_.answer_later(*this, kFirstRefusalDelay * (1 << std::min(refusals_ - 1, kRefusalsMax)));
  }
  if (refusals_ < kRefusalsMaxOfMany || std::exchange(ending_, true)) return;
  host_.metrics().dropped("tokens_refused");
}

void GatewaySession::answer_refusals() {
  if (!std::exchange(refusal_waits_, false)) return;
  send_replies();
  if (claims_.empty() && refusals_ >= kRefusalsMax && !std::exchange(ending_, true))
    host_.metrics().dropped("tokens_refused");
  read_or_not();
  mark_dirty();
}

// Once a connection: whoever is at the other end chooses how often it asks.
void GatewaySession::say_refused(std::string_view resource, std::string_view reason) {
  if (std::exchange(refusal_said_, true)) return;
  base::logging::info(
      "gateway_token_refused",
      {{"peer", connection_->peer().ip_text()}, {"resource", resource.substr(0, kResourceShown)}, {"reason", reason}});
}

bool GatewaySession::hold(Claim claim) {
  const auto same = std::ranges::find(claims_, claim.gateway, [](const Held& h) { return h.claim.gateway; });
  if (same != claims_.end()) {
    same->claim = std::move(claim);  // a renewal
    return true;
  }
  if (claims_.size() >= kClaimsMax) return false;
  auto device = host_.join(claim.gateway, *this);
  claims_.push_back({std::move(claim), std::move(device)});
  return true;
}

void GatewaySession::reply(int status, std::string_view text, base::BytesView correlation_id, base::BytesView to) {
  if (replies_.size() >= kRepliesMax) {
    // It asks without ever reading the answers.
    if (!std::exchange(ending_, true)) host_.metrics().dropped("cbs_unread");
    return;
  }
  base::Bytes out;
  amqp::MessageWriter writer(out);
  amqp::Properties properties;
  properties.correlation_id = amqp::Value::parse(correlation_id).value_or(amqp::Value());
  properties.to = amqp::Value::parse(to).value_or(amqp::Value());
  writer.properties(properties);
  writer.begin_application_properties();
  writer.writer().string("status-code");
  writer.writer().int32(status);
  writer.writer().string("status-description");
  writer.writer().string(text);
  writer.end();
  writer.begin_value();
  writer.writer().null();
  replies_.push_back(std::move(out));
  send_replies();
}

void GatewaySession::send_replies() {
  while (cbs_out_ && !refusal_waits_ && !replies_.empty() && engine_.sendable(*cbs_out_) > 0) {
    if (!engine_.send(*cbs_out_, replies_.front(), {}, {.settled = true})) return;
    replies_.erase(replies_.begin());
  }
}

void GatewaySession::on_credit(amqp::LinkId link) {
  if (cbs_out_ == link) send_replies();
}

// ---- telemetry ----

void GatewaySession::telemetry(const amqp::Delivery& delivery, TelemetryLink& link) {
  if (delivery.settled) host_.metrics().presettled.add();
  if (is_flooding(link))
    return reject(delivery, "com.microsoft:device-container-throttled", "the device sends too fast", "throttled");
  const auto records = host_.records().read(delivery.payload, delivery.message_format, link.properties);
  if (!records)
    return reject(delivery, base::error_class(records.error().code).amqp_condition, records.error().text, "malformed");
  count_rate(link, delivery.link, records->size());
  host_.intake().add(link.gateway, *records, weak_from_this(),
                     {static_cast<std::uint64_t>(delivery.session), delivery.id}, !delivery.settled);
}

// A gateway that keeps to its credit is slowed and not refused: what it had credit for when its
// tokens ran out is still taken. One that sends on is refused before its message is looked at, and read again
// only when the hub next looks at credit.
bool GatewaySession::is_flooding(const TelemetryLink& link) {
  const auto& bucket = link.device->bucket;
  if (!bucket.limited() || bucket.tokens(host_.clock().monotonic()) > -2.0 * host_.options().link_credit) return false;
  throttled_ = paused_ = true;
  return true;
}

void GatewaySession::count_rate(TelemetryLink& link, amqp::LinkId id, std::size_t messages) {
  auto& bucket = link.device->bucket;
  if (!bucket.limited()) return;
  const auto now = host_.clock().monotonic();
  bucket.take(static_cast<double>(messages), now);
  if (bucket.tokens(now) < 1 && link.open_window) {
    link.open_window = false;
    throttled_ = true;
    engine_.let_window_close(id, 0);
    host_.metrics().throttled.add();
  }
}

void GatewaySession::reject(const amqp::Delivery& delivery, std::string_view condition, std::string_view text,
                            std::string_view reason) {
  host_.metrics().rejected(reason);
  if (delivery.settled) return;
  engine_.settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kRejected, {condition, text});
}

void GatewaySession::on_oversized(amqp::LinkId /*link*/, std::uint64_t /*bytes*/) {
  host_.metrics().rejected("too_large");
}

void GatewaySession::stored(Ticket ticket) {
  const auto id = static_cast<amqp::DeliveryId>(ticket.delivery);
  engine_.settle(static_cast<amqp::SessionId>(ticket.session), id, id, amqp::Outcome::kAccepted);
  mark_dirty();
}

void GatewaySession::refused(Ticket ticket, const base::Error& error) {
  const auto id = static_cast<amqp::DeliveryId>(ticket.delivery);
  engine_.settle(static_cast<amqp::SessionId>(ticket.session), id, id, amqp::Outcome::kRejected,
                 {base::error_class(error.code).amqp_condition, error.text});
  mark_dirty();
}

}  // namespace meterhub::hub
