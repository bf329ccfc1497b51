#include "devicebound_endpoints.h"

#include <utility>

#include "devicebound_message.h"
#include "session.h"

namespace meterhub::hub {
namespace {

constexpr std::uint32_t kSendWindow = 100;
// A device that answers nothing gets no more than this on a link: its locks end, but the engine remembers each delivery.
constexpr std::uint32_t kUnansweredMax = 256;

}  // namespace

// ---- services send ----

bool ServiceSendEndpoint::may_send(const Session& session) { return session.may({.node = Node::kServiceSend}); }

void ServiceSendEndpoint::update_window() {
  session_.engine().set_window(link_, session_.host().granting() ? kSendWindow : 0);
}

base::Result<DeviceboundMessage> ServiceSendEndpoint::read(const amqp::Delivery& delivery) const {
  if (delivery.message_format != 0)
    return base::fail(base::Errc::kInvalidArgument, "messages to devices come one by one");
  auto& host = session_.host();
  auto message = MH_TRY(read_devicebound(delivery.payload, host.clock().now(), host.options().devicebound->expiry));
  if (host.gateways().find(message.device) == nullptr)
    return base::fail(base::Errc::kNotFound, "there is no device " + message.device);
  return message;
}

void ServiceSendEndpoint::on_delivery(const amqp::Delivery& delivery) {
  auto message = read(delivery);
  const Ticket ticket{static_cast<std::uint64_t>(delivery.session), delivery.id};
  const auto taken =
      message ? devicebound_.enqueue(std::move(*message), session_.weak_from_this(), ticket, !delivery.settled)
              : base::Result<void>(std::unexpected(message.error()));
  if (taken) return;
  session_.host().metrics().rejected(base::error_class(taken.error().code).name);
  if (!delivery.settled) session_.refused(ticket, taken.error());
}

// ---- what both receivers share ----

LockedSender::LockedSender(Session& session, const amqp::PeerAttach& attach)
    : session_(session),
      link_(attach.link),
      presettled_(attach.fields.snd_settle_mode == static_cast<std::uint8_t>(amqp::SettleMode::kSettled)) {}

void LockedSender::ready() {
  if (std::exchange(sending_, true)) return;  // giving back what could not be sent tells of it
  bool any = false;
  while (sent_.size() < kUnansweredMax && session_.engine().sendable(link_) > 0 && send_next()) any = true;
  sending_ = false;
  if (any) session_.mark_dirty();
}

void LockedSender::on_drain() {
  ready();
  session_.engine().drained(link_);
}

bool LockedSender::send(DeliveryLock lock, base::BytesView head, base::BytesView body, base::BytesView tag) {
  const auto id = session_.engine().send(link_, head, body, {.settled = presettled_, .tag = tag});
  if (!id) {
    answered(lock, amqp::Outcome::kReleased);
    // Of this one message: it ends when it has been tried often enough.
    return id.error().code == base::Errc::kTooLarge;
  }
  if (presettled_) answered(lock, amqp::Outcome::kAccepted);
  else sent_.emplace(*id, lock);
  return true;
}

void LockedSender::on_outcome(amqp::DeliveryId first, amqp::DeliveryId last, amqp::Outcome outcome,
                              const amqp::ErrorView& /*error*/) {
  std::vector<DeliveryLock> locks;
  std::erase_if(sent_, [&](const auto& entry) {
    if (entry.first - first > last - first) return false;  // ids wrap around
    locks.push_back(entry.second);
    return true;
  });
  for (const auto lock : locks) answered(lock, outcome);
  ready();
}

void LockedSender::give_all_back() {
  sending_ = true;  // this link takes nothing of it
  for (const auto& [id, lock] : std::exchange(sent_, {})) answered(lock, amqp::Outcome::kReleased);
}

// ---- devices receive ----

DeviceboundEndpoint::DeviceboundEndpoint(Session& session, const amqp::PeerAttach& attach, Devicebound& devicebound,
                                         std::string device)
    : LockedSender(session, attach),
      devicebound_(devicebound),
      device_(std::move(device)),
      seat_(session.host(), device_, session) {
  devicebound_.watch(device_, *this);
}

DeviceboundEndpoint::~DeviceboundEndpoint() {
  devicebound_.unwatch(device_, *this);
  give_all_back();
}

bool DeviceboundEndpoint::may_receive(Session& session, std::string_view device) {
  if (!session.may({.node = Node::kDevicebound, .gateway = device})) return false;
  const auto known = session.host().gateways().find(device);
  return known && known->enabled;
}

bool DeviceboundEndpoint::send_next() {
  const auto taken = devicebound_.take(device_);
  if (!taken) return false;
  const auto token = lock_token(taken->message->number, taken->lock);
  return send(taken->lock, devicebound_head(*taken, token), base::as_bytes(taken->message->payload), token);
}

void DeviceboundEndpoint::answered(DeliveryLock lock, amqp::Outcome outcome) {
  switch (outcome) {
    case amqp::Outcome::kAccepted: return devicebound_.end(lock, Fate::kSuccess);
    case amqp::Outcome::kRejected: return devicebound_.end(lock, Fate::kRejected);
    case amqp::Outcome::kReleased:
    case amqp::Outcome::kModified: return devicebound_.give_back(lock);
  }
}

// ---- services hear ----

FeedbackEndpoint::FeedbackEndpoint(Session& session, const amqp::PeerAttach& attach, Devicebound& devicebound)
    : LockedSender(session, attach), devicebound_(devicebound) {
  devicebound_.watch({}, *this);
}

FeedbackEndpoint::~FeedbackEndpoint() {
  devicebound_.unwatch({}, *this);
  give_all_back();
}

bool FeedbackEndpoint::may_receive(const Session& session) { return session.may({.node = Node::kFeedback}); }

bool FeedbackEndpoint::send_next() {
  const auto batch = devicebound_.take_feedback();
  if (!batch) return false;
  return send(batch->lock, feedback_message(batch->records, session_.host().clock().now()), {});
}

void FeedbackEndpoint::answered(DeliveryLock lock, amqp::Outcome outcome) {
  if (outcome == amqp::Outcome::kAccepted || outcome == amqp::Outcome::kRejected)
    return devicebound_.feedback_heard(lock);
  devicebound_.give_feedback_back(lock);
}

}  // namespace meterhub::hub
