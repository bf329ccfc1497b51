#include "session.h"

#include <algorithm>
#include <utility>

#include <meterhub/base/logging.h>

#include "devicebound_endpoints.h"
#include "not_offered_endpoint.h"
#include "event_receiver.h"
#include "sender_endpoint.h"
#include "telemetry_endpoint.h"

namespace meterhub::hub {
namespace {

constexpr std::size_t kDevicesMax = 64;        // that one connection speaks for
constexpr std::size_t kPolicyClaimsMax = 512;  // Event Hubs clients show a token for each link
// An Event Hubs client takes a session for each link.
constexpr std::uint16_t kSessionsMax = 256;
// A client that has not answered its links' detach when TCP goes stalls: azure-iot-device for 45 s.
constexpr std::chrono::milliseconds kGoodbye{2'000};
constexpr std::string_view kUnauthorized = "amqp:unauthorized-access";
constexpr std::string_view kNotFound = "amqp:not-found";
constexpr std::string_view kNotAllowed = "amqp:not-allowed";
constexpr std::string_view kNotImplemented = "amqp:not-implemented";
constexpr std::string_view kNoDevicebound = "this hub has no cloud-to-device messages";

amqp::Options engine_options(const HubOptions& options) {
  amqp::Options out;
  out.role = amqp::Role::kServer;
  out.idle_timeout = options.idle_timeout;
  out.limits.max_frame_size = options.frame_max;
  out.limits.sessions = kSessionsMax;
  // Batches that come on several links at once are taken apart as they arrive.
  out.limits.assembly_bytes = std::max<std::size_t>(out.limits.assembly_bytes, 4 * std::size_t{options.batch_max});
  return out;
}

}  // namespace

Session::Session(SessionHost& host, net::ConnectionPtr connection)
    : host_(host),
      connection_(std::move(connection)),
      engine_(engine_options(host.options()), *this, host.clock().monotonic()),
      began_(host.clock().monotonic()) {}

Session::~Session() { connection_->abort(); }

// ---- bytes ----

void Session::on_data(base::BytesView bytes) {
  engine_.feed(bytes, host_.clock().monotonic());
  read_or_not();
  mark_dirty();
}

// Whoever sends beyond its credit or floods waits behind TCP.
void Session::read_or_not() {
  paused_ || input_held_ || engine_.input_held() ? connection_->pause_reading() : connection_->resume_reading();
}

void Session::go_on() {
  engine_.feed({}, host_.clock().monotonic());
  read_or_not();
  if (std::exchange(turn_wanted_, false)) on_writable();
  mark_dirty();
}

void Session::want_turn() {
  if (!std::exchange(turn_wanted_, true)) host_.call_again(*this);
}

void Session::mark_dirty() {
  if (!std::exchange(dirty_, true)) host_.dirty(*this);
}

void Session::pump() {
  dirty_ = false;
  while (true) {
    const auto out = engine_.output();
    if (out.empty()) break;
    connection_->write(out);
    engine_.consumed(out.size());
  }
  if (engine_.input_ready()) host_.call_again(*this);
  if (engine_.finished() || (ending_ && !goodbye_)) connection_->close();
}

// Each time another link begins: the first ones may use up the room again.
void Session::on_writable() {
  std::vector<amqp::LinkId> turns;
  for (const auto& [id, link] : links_) turns.push_back(id);
  if (!turns.empty()) std::ranges::rotate(turns, turns.begin() + static_cast<std::ptrdiff_t>(first_turn_++ % turns.size()));
  for (const auto id : turns) on_credit(id);
  mark_dirty();
}

bool Session::has_room() const { return connection_->output_waiting() < net::ConnectionLimits().output_high; }

void Session::on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) {
  const auto self = shared_from_this();
  host_.ended(*this);
}

void Session::on_closed(const amqp::ErrorView& error, bool by_peer) {
  if (!by_peer) {
    host_.metrics().dropped("protocol");
    base::logging::info("gateway_protocol_error",
                        {{"peer", peer().ip_text()}, {"condition", error.condition}, {"text", error.description}});
  }
  mark_dirty();
}

void Session::hold_input(bool held) {
  input_held_ = held;
  read_or_not();
}

void Session::pause() { throttled_ = paused_ = true; }

void Session::drop(std::string_view reason) {
  if (std::exchange(ending_, true)) return;
  host_.metrics().dropped(reason);
  mark_dirty();
}

void Session::drop_after_goodbye(std::string_view reason) {
  if (ending_) return;
  goodbye_ = true;
  drop(reason);
  host_.close_later(*this, kGoodbye);
}

void Session::goodbye_over() {
  goodbye_ = false;
  mark_dirty();
}

void Session::end(const amqp::ErrorView& error, std::string_view reason) {
  if (ending_) return;
  const auto detached = std::erase_if(links_, [&](const auto& entry) {
    if (entry.second->is_request_node()) return false;
    engine_.detach(entry.first, error);
    return true;
  });
  detached > 0 ? drop_after_goodbye(reason) : drop(reason);
}

// ---- claims ----

bool Session::may(const LinkAddress& address) const {
  return std::ranges::any_of(claims_, [&](const Held& held) { return permits(held.claim, address); });
}

bool Session::hold(Claim claim) {
  const auto same = std::ranges::find(claims_, claim.audience, [](const Held& h) -> std::string_view { return h.claim.audience; });
  if (same != claims_.end()) {
    same->claim = std::move(claim);  // a renewal
    drop_links("the new token permits less than the one before");
    return true;
  }
  const bool for_device = !claim.gateway.empty();
  const auto alike = std::ranges::count_if(claims_, [&](const Held& h) { return h.seat.has_value() == for_device; });
  if (static_cast<std::size_t>(alike) >= (for_device ? kDevicesMax : kPolicyClaimsMax)) return false;
  Held held{std::move(claim), std::nullopt};
  if (for_device) held.seat.emplace(host_, held.claim.gateway, *this);
  claims_.push_back(std::move(held));
  return true;
}

bool Session::on_sasl(const amqp::SaslLogin& login) {
  if (login.mechanism != amqp::SaslMechanism::kPlain) return true;
  auto claims = host_.access().check_plain(login.user, login.password, host_.clock().now());
  if (!claims) {
    cbs_.say_refused(login.user, claims.error().reason);
    host_.metrics().claim(claims.error().reason);
    return false;
  }
  for (auto& claim : *claims) hold(std::move(claim));
  host_.metrics().claim("accepted");
  return true;
}

void Session::sweep() {
  const auto now = host_.clock().monotonic();
  if (engine_.next_deadline() <= now) {
    engine_.tick(now);
    mark_dirty();
  }
  if (claims_.empty() && now - began_ >= host_.options().claim_timeout) drop("no_claim");
  const auto time = host_.clock().now();
  drop_claims([&](const Claim& claim) { return claim.expires <= time; }, "the token has expired", "expired");
  for (const auto& [id, link] : links_) link->sweep();
}

void Session::gateway_changed(const std::string& id) {
  drop_claims(
      [&](const Claim& claim) {
        return !claim.gateway.empty() && (id.empty() || claim.gateway == id) && !host_.access().still_good(claim);
      },
      "the device was disabled, removed or has other keys", "gateway_changed");
  drop_links("the device was disabled or removed");
}

void Session::policies_changed() {
  drop_claims([&](const Claim& claim) { return !claim.of_device() && !host_.access().still_good(claim); },
              "the policy was removed or has other keys", "policy_changed");
}

template <class Gone>
void Session::drop_claims(Gone gone, std::string_view text, std::string_view reason) {
  if (std::erase_if(claims_, [&](const Held& held) { return gone(held.claim); }) == 0) return;
  const bool detached = drop_links(text);
  if (claims_.empty()) detached ? drop_after_goodbye(reason) : drop(reason);
  mark_dirty();
}

// Spec 11: the links are detached with an error, then, a little later, TCP is dropped; never an AMQP close,
// after which the device client stalls for 45 s.
bool Session::drop_links(std::string_view text) {
  const auto gone = std::erase_if(links_, [&](const auto& entry) {
    if (entry.second->permitted()) return false;
    engine_.detach(entry.first, {kUnauthorized, text});
    return true;
  });
  if (gone > 0) mark_dirty();
  return gone > 0;
}

// ---- links ----

void Session::on_attach(const amqp::PeerAttach& attach) {
  const auto address = parse_link_address(attach.address());
  auto made = address.node == Node::kCbs ? open_cbs(attach) : open_link(attach, address);
  if (!made) return;
  const auto [at, added] = links_.insert_or_assign(attach.link, std::move(made));
  at->second->update_window();
}

std::unique_ptr<LinkEndpoint> Session::refuse(const amqp::PeerAttach& attach, std::string_view condition, std::string_view text) {
  host_.metrics().link_refused(condition);
  engine_.refuse(attach.link, {condition, text});
  return nullptr;
}

void Session::refuse_link(amqp::LinkId link, const amqp::ErrorView& error) {
  host_.metrics().link_refused(error.condition);
  engine_.refuse(link, error);
  links_.erase(link);
  mark_dirty();
}

void Session::close_link(amqp::LinkId link, const amqp::ErrorView& error) {
  engine_.detach(link, error);
  links_.erase(link);
  mark_dirty();
}

std::unique_ptr<LinkEndpoint> Session::open_cbs(const amqp::PeerAttach& attach) {
  engine_.accept(attach.link, {.max_message_size = Cbs::kRequestMax});
  if (!attach.peer_sends) return std::make_unique<ReplyLink>(cbs_.replies(), attach.link);
  engine_.set_window(attach.link, Cbs::kWindow);
  return std::make_unique<RequestLink>(cbs_);
}

void Session::claim_by_certificate(std::string_view gateway) {
  const auto speaks_for = [&](const Held& held) { return held.claim.of_device() && held.claim.gateway == gateway; };
  if (gateway.empty() || std::ranges::any_of(claims_, speaks_for)) return;
  if (!std::exchange(certificate_read_, true)) certificate_ = connection_->peer_certificate();
  if (!certificate_) return;
  auto claim = host_.access().check_certificate(*certificate_, gateway, host_.clock().now());
  if (!claim) cbs_.say_refused(gateway, claim.error().reason);
  const std::string_view outcome = !claim ? claim.error().reason : hold(std::move(*claim)) ? "accepted" : "too_many";
  host_.metrics().claim(outcome);
}

std::unique_ptr<LinkEndpoint> Session::open_link(const amqp::PeerAttach& attach, const LinkAddress& address) {
  claim_by_certificate(address.gateway);
  switch (address.node) {
    case Node::kTelemetry: return open_telemetry(attach, address);
    case Node::kManagement: return open_management(attach, address);
    case Node::kEvents: return open_events(attach, address);
    case Node::kEventHub: return open_event_hub(attach, address);
    case Node::kDevicebound: return open_devicebound(attach, address);
    case Node::kServiceSend: return open_service_send(attach);
    case Node::kFeedback: return open_feedback(attach);
    case Node::kNotOffered: return open_not_offered(attach, address);
    case Node::kOtherOfDevice:
      return refuse(attach, kNotFound, "a device has messages/events and messages/devicebound only");
    default: break;
  }
  return refuse(attach, claims_.empty() ? kUnauthorized : kNotFound, "there is no such address");
}

std::unique_ptr<LinkEndpoint> Session::open_management(const amqp::PeerAttach& attach, const LinkAddress& address) {
  if (!may(address)) return refuse(attach, kUnauthorized, "no token that was shown permits this");
  if (!management_) management_ = std::make_unique<Management>(*this);
  engine_.accept(attach.link, {.max_message_size = Management::kRequestMax});
  if (!attach.peer_sends) return std::make_unique<ReplyLink>(management_->replies(), attach.link);
  engine_.set_window(attach.link, Management::kWindow);
  return std::make_unique<RequestLink>(*management_);
}

std::unique_ptr<LinkEndpoint> Session::open_events(const amqp::PeerAttach& attach, const LinkAddress& address) {
  if (!may(address)) return refuse(attach, kUnauthorized, "no token that was shown permits to read here");
  if (attach.peer_sends) return refuse(attach, kNotAllowed, "events are read here; they are sent to the event hub itself");
  auto request = read_request(attach, address, host_.event_hubs());
  if (!request) return refuse(attach, request.error().condition, request.error().text);
  return std::make_unique<EventReceiver>(*this, attach.link, std::move(*request));
}

std::unique_ptr<LinkEndpoint> Session::open_event_hub(const amqp::PeerAttach& attach, const LinkAddress& address) {
  const auto* const event_hub = host_.event_hubs().find(address.event_hub);
  // The words by which the SDKs know an entity that is not there (spec/azure-amqp.md 10).
  if (event_hub == nullptr && !claims_.empty())
    return refuse(attach, kNotFound, "The messaging entity '" + std::string(address.event_hub) + "' could not be found.");
  if (event_hub == nullptr || !may(address)) return refuse(attach, kUnauthorized, "no token that was shown permits to send here");
  const auto objection = SenderEndpoint::objection(*event_hub, address, attach);
  if (objection) return refuse(attach, objection->condition, objection->description);
  engine_.accept(attach.link, {.max_message_size = host_.options().batch_max});
  return std::make_unique<SenderEndpoint>(*this, attach.link, *event_hub, address);
}

std::unique_ptr<LinkEndpoint> Session::open_telemetry(const amqp::PeerAttach& attach, const LinkAddress& address) {
  const std::string gateway(address.gateway);
  if (!TelemetryEndpoint::may_send(*this, gateway))
    return refuse(attach, kUnauthorized, "neither a valid token nor a certificate of this device was shown");
  if (!attach.peer_sends) return refuse(attach, kUnauthorized, "a device may only send here");
  engine_.accept(attach.link, {.max_message_size = host_.options().message_max});
  return std::make_unique<TelemetryEndpoint>(*this, attach.link, gateway);
}

std::unique_ptr<LinkEndpoint> Session::open_service_send(const amqp::PeerAttach& attach) {
  if (!ServiceSendEndpoint::may_send(*this))
    return refuse(attach, kUnauthorized, "no token that was shown permits to send to devices");
  if (!attach.peer_sends) return refuse(attach, kNotAllowed, "a service may only send here");
  if (host_.devicebound() == nullptr) return refuse(attach, kNotImplemented, kNoDevicebound);
  engine_.accept(attach.link, {.max_message_size = ServiceSendEndpoint::kMessageMax});
  return std::make_unique<ServiceSendEndpoint>(*this, attach.link, *host_.devicebound());
}

std::unique_ptr<LinkEndpoint> Session::open_devicebound(const amqp::PeerAttach& attach, const LinkAddress& address) {
  if (!DeviceboundEndpoint::may_receive(*this, address.gateway))
    return refuse(attach, kUnauthorized, "no valid token for this device was shown");
  if (attach.peer_sends) return refuse(attach, kNotAllowed, "a device may only receive here");
  if (host_.devicebound() == nullptr) return refuse(attach, kNotImplemented, kNoDevicebound);
  engine_.accept(attach.link, {});
  return std::make_unique<DeviceboundEndpoint>(*this, attach, *host_.devicebound(), std::string(address.gateway));
}

std::unique_ptr<LinkEndpoint> Session::open_feedback(const amqp::PeerAttach& attach) {
  if (!FeedbackEndpoint::may_receive(*this))
    return refuse(attach, kUnauthorized, "no token that was shown permits to hear feedback");
  if (attach.peer_sends) return refuse(attach, kNotAllowed, "a service may only receive here");
  if (host_.devicebound() == nullptr) return refuse(attach, kNotImplemented, kNoDevicebound);
  engine_.accept(attach.link, {});
  return std::make_unique<FeedbackEndpoint>(*this, attach, *host_.devicebound());
}

// The device client attaches a sender, then a receiver. Refused at the first, it detaches the second while that is being
// answered, which its AMQP library does not survive: it stalls for 45 s (azure-iot-device-amqp 1.14.4). So its sender
// stands, without credit, until the receiver has been refused, or nothing has followed.
std::unique_ptr<LinkEndpoint> Session::open_not_offered(const amqp::PeerAttach& attach, const LinkAddress& address) {
  const bool stands = attach.peer_sends && may({.node = Node::kDevicebound, .gateway = address.gateway});
  if (!stands) return refuse(attach, kNotImplemented, NotOfferedEndpoint::kText);
  engine_.accept(attach.link, {});
  return std::make_unique<NotOfferedEndpoint>(*this, attach.link);
}

LinkEndpoint* Session::endpoint(amqp::LinkId link) {
  const auto found = links_.find(link);
  return found == links_.end() ? nullptr : found->second.get();
}

void Session::on_detached(amqp::LinkId link, const amqp::ErrorView& /*error*/) { links_.erase(link); }

void Session::on_delivery(const amqp::Delivery& delivery) {
  if (auto* link = endpoint(delivery.link)) link->on_delivery(delivery);
}

void Session::on_oversized(amqp::LinkId id, std::uint64_t bytes) {
  host_.metrics().rejected("too_large");
  if (auto* link = endpoint(id)) link->on_oversized(bytes);
}

void Session::on_credit(amqp::LinkId id) {
  if (auto* link = endpoint(id)) link->on_credit();
}

void Session::on_drain(amqp::LinkId id) {
  if (auto* link = endpoint(id)) link->on_drain();
}

void Session::on_outcome(amqp::LinkId id, amqp::DeliveryId first, amqp::DeliveryId last, amqp::Outcome outcome,
                         const amqp::ErrorView& error) {
  if (auto* link = endpoint(id)) link->on_outcome(first, last, outcome, error);
}

void Session::update_windows() {
  throttled_ = false;
  if (std::exchange(paused_, false)) read_or_not();
  for (const auto& [id, link] : links_) link->update_window();
  mark_dirty();
}

void Session::stored(Ticket ticket) {
  const auto id = static_cast<amqp::DeliveryId>(ticket.delivery);
  engine_.settle(static_cast<amqp::SessionId>(ticket.session), id, id, amqp::Outcome::kAccepted);
  mark_dirty();
}

void Session::refused(Ticket ticket, const base::Error& error) {
  const auto id = static_cast<amqp::DeliveryId>(ticket.delivery);
  engine_.settle(static_cast<amqp::SessionId>(ticket.session), id, id, amqp::Outcome::kRejected,
                 {base::error_class(error.code).amqp_condition, error.text});
  mark_dirty();
}

}  // namespace meterhub::hub
