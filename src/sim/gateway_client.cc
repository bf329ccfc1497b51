#include "gateway_client.h"

#include <algorithm>

#include <fmt/format.h>

#include <meterhub/amqp/message.h>
#include <meterhub/sas/token.h>

namespace meterhub::sim {
namespace {

constexpr std::chrono::milliseconds kFirstBackoff{500};
constexpr std::chrono::milliseconds kLongestBackoff{30'000};
// For connection and handshake: a hub to which thousands return lets them wait.
constexpr std::chrono::seconds kPatience{30};
constexpr std::uint32_t kReplies = 10;
constexpr std::int64_t kTokenTaken = 200;

base::Bytes put_token_message(const std::string& id, const std::string& resource, const std::string& token) {
  base::Bytes bytes;
  amqp::MessageWriter message(bytes);
  base::Bytes id_bytes;
  amqp::Writer(id_bytes).string(id);
  amqp::Properties properties;
  if (auto value = amqp::Value::parse(id_bytes)) properties.message_id = *value;
  message.properties(properties);
  message.begin_application_properties();
  auto& map = message.writer();
  for (const auto& [key, value] : {std::pair<std::string_view, std::string_view>{"operation", "put-token"},
                                   {"type", "servicebus.windows.net:sastoken"},
                                   {"name", resource}}) {
    map.string(key);
    map.string(value);
  }
  message.end();
  message.begin_value();
  message.writer().string(token);
  return bytes;
}

base::Bytes data_message(std::string_view body) {
  base::Bytes bytes;
  amqp::MessageWriter message(bytes);
  message.data(base::as_bytes(body));
  return bytes;
}

}  // namespace

GatewayClient::GatewayClient(net::EventLoop& loop, const DriverOptions& options, const SimGateway& gateway,
                             DriverCounts& counts, Ended ended, Manners manners)
    : loop_(loop), options_(options), gateway_(gateway), counts_(counts), ended_(std::move(ended)),
      manners_(manners), tls_session_(manners.keeps_tickets ? std::make_shared<net::TlsSession>() : nullptr), backoff_(kFirstBackoff) {}

GatewayClient::~GatewayClient() {
  if (connection_) connection_->abort();
}

std::string GatewayClient::resource() const {
  return sas::percent_encode(options_.host + "/devices/" + gateway_.id);
}

void GatewayClient::store(Uplink uplink) {
  if (stored_.size() >= options_.store_messages) {
    ended_(stored_.front().delivery, DeliveryEnd::kDropped);
    stored_.pop_front();
  }
  stored_.push_back(std::move(uplink));
}

void GatewayClient::connect() {
  net::ConnectOptions how;
  how.tls = options_.tls;
  how.server_name = options_.host;
  how.from = manners_.from;
  how.limits.open_timeout = kPatience;
  how.session = tls_session_;
  auto connection = net::connect(loop_, options_.hub, std::move(how), *this);
  if (connection) {
    connection_ = std::move(*connection);
  } else {
    lose_connection(connection.error().text);
  }
}

void GatewayClient::on_open() {
  amqp::Options how;
  how.role = amqp::Role::kClient;
  how.container_id = gateway_.id;
  how.hostname = options_.host;
  engine_.emplace(std::move(how), *this, loop_.clock().monotonic());
  open_links();
  flush();
}

void GatewayClient::open_links() {
  session_ = engine_->begin();
  auto out = engine_->attach(session_, {.name = "cbs-out", .target = "$cbs"});
  auto in = engine_->attach(session_, {.name = "cbs-in", .receiver = true, .source = "$cbs"});
  if (!out || !in) return fail("no room for links");
  cbs_out_ = *out;
  cbs_in_ = *in;
  engine_->set_window(cbs_in_, kReplies);
}

void GatewayClient::put_token() {
  const auto now = std::chrono::floor<std::chrono::seconds>(loop_.clock().now());
  const auto token = sas::make_token(resource(), gateway_.key, now + options_.token_lifetime);
  if (!token) return fail(token.error().text);
  const auto message = put_token_message("token", resource(), *token);
  if (!engine_->send(cbs_out_, message, {}, {.settled = true})) return;
  token_asked_ = true;
  token_due_ = loop_.clock().monotonic() + options_.token_lifetime * 4 / 5;
}

void GatewayClient::attach_events() {
  const auto address = fmt::format("/devices/{}/messages/events", gateway_.id);
  const auto link = engine_->attach(session_, {.name = "events", .target = address});
  if (!link) return fail("no room for links");
  events_ = *link;
  events_asked_ = true;
}

void GatewayClient::on_credit(amqp::LinkId link) {
  if (link == cbs_out_ && !token_asked_) put_token();
  if (ready_ && link == events_) send_stored();
}

void GatewayClient::on_attached(const amqp::PeerAttach& attach) {
  if (!events_asked_ || attach.link != events_ || ready_) return;
  if (!attach.target) return;  // refused: the detach follows and says why
  ready_ = true;
  backoff_ = kFirstBackoff;
  counts_.connected += 1;
  counts_.connects += 1;
  send_stored();
  if (manners_.deaf) connection_->pause_reading();
}

void GatewayClient::on_delivery(const amqp::Delivery& delivery) {
  engine_->settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  if (delivery.link != cbs_in_) return;
  const auto message = amqp::Message::parse(delivery.payload);
  if (!message) return fail("the answer to put-token is no message");
  const auto code = message->application_properties.find("status-code");
  if (!code || code->integer() != kTokenTaken) return token_refused();
  if (!events_asked_) attach_events();
}

void GatewayClient::token_refused() {
  counts_.tokens_refused += 1;
  if (!manners_.insists) return fail("the hub refused the token");
  token_asked_ = false;
  put_token();
}

void GatewayClient::send_stored() {
  if (!engine_ || !ready_) return;
  while (!stored_.empty() && in_flight_.size() < options_.in_flight && engine_->sendable(events_) > 0) {
    const auto message = data_message(stored_.front().body);
    const auto id = engine_->send(events_, message, {});
    if (!id) break;
    in_flight_.push_back({*id, std::move(stored_.front())});
    stored_.pop_front();
  }
}

void GatewayClient::on_outcome(amqp::LinkId link, amqp::DeliveryId first, amqp::DeliveryId last,
                               amqp::Outcome outcome, const amqp::ErrorView& error) {
  if (!ready_ || link != events_) return;
  if (outcome == amqp::Outcome::kRejected) counts_.last_error = std::string(error.condition);
  const auto named = [&](const InFlight& item) { return item.id - first <= last - first; };  // ids wrap around
  while (!in_flight_.empty() && named(in_flight_.front())) {  // hubs answer in order of sending
    auto item = std::move(in_flight_.front());
    in_flight_.pop_front();
    end_one(std::move(item), outcome);
  }
  const auto others = std::ranges::stable_partition(in_flight_, std::not_fn(named));
  for (auto& item : others) end_one(std::move(item), outcome);
  in_flight_.erase(others.begin(), others.end());
  send_stored();
}

void GatewayClient::end_one(InFlight item, amqp::Outcome outcome) {
  switch (outcome) {
    case amqp::Outcome::kAccepted: return ended_(item.uplink.delivery, DeliveryEnd::kSettled);
    case amqp::Outcome::kRejected: return ended_(item.uplink.delivery, DeliveryEnd::kRejected);
    case amqp::Outcome::kReleased:
    case amqp::Outcome::kModified: stored_.push_front(std::move(item.uplink)); return;
  }
}

void GatewayClient::on_detached(amqp::LinkId /*link*/, const amqp::ErrorView& error) {
  fail(fmt::format("{}: {}", error.condition, error.description));
}

void GatewayClient::on_closed(const amqp::ErrorView& error, bool /*by_peer*/) {
  fail(fmt::format("{}: {}", error.condition, error.description));
}

// The engine may be in the middle of a call, so the connection is dropped by flush().
void GatewayClient::fail(std::string text) {
  if (!failed_) counts_.last_error = std::move(text);
  failed_ = true;
}

void GatewayClient::on_data(base::BytesView bytes) {
  if (!engine_) return;
  engine_->feed(bytes, loop_.clock().monotonic());
  flush();
}

void GatewayClient::flush() {
  if (!engine_ || !connection_) return;
  for (auto bytes = engine_->output(); !bytes.empty(); bytes = engine_->output()) {
    connection_->write(bytes);
    engine_->consumed(bytes.size());
  }
  if (failed_ || engine_->finished()) drop();
}

void GatewayClient::tick() {
  if (!engine_) return;
  const auto now = loop_.clock().monotonic();
  if (engine_->next_deadline() <= now) engine_->tick(now);
  if (token_asked_ && options_.renew_tokens && now >= token_due_) put_token();
  send_stored();
  flush();
}

void GatewayClient::drop() {
  if (!connection_) return;
  connection_->abort();
  lose_connection(counts_.last_error);
}

void GatewayClient::come_again() {
  drop();
  retry_at_ = {};
}

void GatewayClient::on_closed(net::CloseReason reason, std::string_view text) {
  lose_connection(fmt::format("{}: {}", net::close_reason_name(reason), text));
}

void GatewayClient::lose_connection(std::string_view text) {
  counts_.last_error = std::string(text);
  counts_.disconnects += 1;
  counts_.connected -= ready_ ? 1 : 0;
  for (auto item = in_flight_.rbegin(); item != in_flight_.rend(); ++item) stored_.push_front(std::move(item->uplink));
  in_flight_.clear();
  engine_.reset();
  connection_.reset();
  token_asked_ = events_asked_ = ready_ = failed_ = false;
  cbs_out_ = cbs_in_ = events_ = {};
  retry_at_ = loop_.clock().monotonic() + (manners_.insists ? std::chrono::milliseconds(0) : backoff_);
  backoff_ = std::min(backoff_ * 2, kLongestBackoff);
}

}  // namespace meterhub::sim
