#include "sender.h"

#include <optional>

#include <fmt/format.h>

#include <meterhub/amqp/engine.h>
#include <meterhub/amqp/message.h>
#include <meterhub/base/settings.h>
#include <meterhub/net/connection.h>
#include <meterhub/sas/token.h>

namespace meterhub::app {
namespace {

constexpr std::chrono::minutes kTokenLife{5};
constexpr std::uint32_t kReplies = 1;
constexpr std::int64_t kTokenTaken = 200;

base::Bytes put_token_message(const std::string& audience, const std::string& token) {
  base::Bytes bytes;
  amqp::MessageWriter message(bytes);
  message.begin_application_properties();
  auto& map = message.writer();
  for (const auto& [key, value] : {std::pair<std::string_view, std::string_view>{"operation", "put-token"},
                                   {"type", "servicebus.windows.net:sastoken"},
                                   {"name", audience}}) {
    map.string(key);
    map.string(value);
  }
  message.end();
  message.begin_value();
  message.writer().string(token);
  return bytes;
}

// Loop thread, which is the caller's.
class Sending final : public net::ConnectionHandler, public amqp::Listener {
 public:
  Sending(net::EventLoop& loop, const ConnectionString& to, std::string_view body)
      : loop_(loop), to_(to), body_(body) {}
  ~Sending() override {
    if (connection_) connection_->abort();
  }

  base::Result<void> begin(const net::Address& at, std::shared_ptr<net::TlsContext> tls) {
    net::ConnectOptions how;
    how.tls = std::move(tls);
    how.server_name = to_.host;
    connection_ = MH_TRY(net::connect(loop_, at, std::move(how), *this));
    return {};
  }
  const std::optional<base::Result<void>>& outcome() const { return outcome_; }

  using amqp::Listener::on_open;  // of the peer's frame; the other is of the socket
  void on_open() override {
    amqp::Options how;
    how.role = amqp::Role::kClient;
    how.container_id = to_.device;
    how.hostname = to_.host;
    engine_.emplace(std::move(how), *this, loop_.clock().monotonic());
    session_ = engine_->begin();
    const auto out = engine_->attach(session_, {.name = "cbs-out", .target = "$cbs"});
    const auto in = engine_->attach(session_, {.name = "cbs-in", .receiver = true, .source = "$cbs"});
    if (!out || !in) return end(base::Errc::kInternal, "no room for links");
    token_link_ = *out;
    engine_->set_window(*in, kReplies);
    flush();
  }
  void on_data(base::BytesView bytes) override {
    if (!engine_) return;
    engine_->feed(bytes, loop_.clock().monotonic());
    flush();
  }
  void on_closed(net::CloseReason reason, std::string_view text) override {
    connection_.reset();
    const auto why = text.empty() ? net::close_reason_name(reason) : text;
    end(base::Errc::kUnavailable, fmt::format("{}:{}: {}", to_.host, to_.port, why));
  }

  void on_credit(amqp::LinkId link) override {
    if (link == token_link_ && !token_sent_) return put_token();
    if (events_ && link == *events_ && !message_sent_) send_body();
  }
  void on_delivery(const amqp::Delivery& delivery) override {
    engine_->settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
    const auto message = amqp::Message::parse(delivery.payload);
    const auto code = message ? message->application_properties.find("status-code") : std::nullopt;
    if (!code || code->integer() != kTokenTaken) return end(base::Errc::kUnauthorized, "the hub refused the token");
    attach_events();
  }
  void on_outcome(amqp::LinkId link, amqp::DeliveryId, amqp::DeliveryId, amqp::Outcome outcome,
                  const amqp::ErrorView& error) override {
    if (!events_ || link != *events_) return;
    if (outcome == amqp::Outcome::kAccepted) {
      outcome_ = base::Result<void>();
    } else {
      end(base::Errc::kInvalidArgument, fmt::format("not taken: {} {}", error.condition, error.description));
    }
  }
  void on_detached(amqp::LinkId, const amqp::ErrorView& error) override { refused(error); }
  void on_closed(const amqp::ErrorView& error, bool) override { refused(error); }

 private:
  std::string resource() const { return sas::percent_encode(to_.host + "/devices/" + to_.device); }

  void put_token() {
    const auto expiry = std::chrono::floor<std::chrono::seconds>(loop_.clock().now()) + kTokenLife;
    const auto token = sas::make_token(resource(), to_.key, expiry);
    if (!token) return end(token.error().code, token.error().text);
    token_sent_ = engine_->send(token_link_, put_token_message(resource(), *token), {}, {.settled = true}).has_value();
  }
  void attach_events() {
    const auto address = fmt::format("/devices/{}/messages/events", to_.device);
    const auto link = engine_->attach(session_, {.name = "events", .target = address});
    if (!link) return end(base::Errc::kInternal, "no room for links");
    events_ = *link;
  }
  void send_body() {
    base::Bytes bytes;
    amqp::MessageWriter(bytes).data(base::as_bytes(body_));
    message_sent_ = engine_->send(*events_, bytes, {}).has_value();
  }
  void refused(const amqp::ErrorView& error) {
    end(base::Errc::kForbidden, fmt::format("{} {}", error.condition, error.description));
  }
  void end(base::Errc code, std::string text) {
    if (!outcome_) outcome_ = base::fail(code, std::move(text));
  }
  void flush() {
    if (!connection_) return;
    for (auto bytes = engine_->output(); !bytes.empty(); bytes = engine_->output()) {
      connection_->write(bytes);
      engine_->consumed(bytes.size());
    }
  }

  net::EventLoop& loop_;
  const ConnectionString& to_;
  const std::string_view body_;
  net::ConnectionPtr connection_;
  std::optional<amqp::Connection> engine_;
  amqp::SessionId session_{};
  amqp::LinkId token_link_{};
  std::optional<amqp::LinkId> events_;
  bool token_sent_ = false;
  bool message_sent_ = false;
  std::optional<base::Result<void>> outcome_;
};

base::Result<void> take_host(ConnectionString& out, std::string_view value) {
  const auto colon = value.rfind(':');
  out.host = value.substr(0, colon);
  if (colon == std::string_view::npos) return {};
  const auto port = base::parse_setting(base::SettingKind::kInt, value.substr(colon + 1));
  const auto number = port ? std::get<std::int64_t>(*port) : 0;
  if (number < 1 || number > 65'535) return base::fail(base::Errc::kInvalidArgument, "HostName: a port is 1 to 65535");
  out.port = static_cast<std::uint16_t>(number);
  return {};
}

}  // namespace

base::Result<ConnectionString> parse_connection_string(std::string_view text) {
  ConnectionString out;
  while (!text.empty()) {
    const auto end = text.find(';');
    const auto field = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) continue;
    const auto name = field.substr(0, equals);
    const auto value = field.substr(equals + 1);
    if (name == "HostName") MH_TRY_VOID(take_host(out, value));
    if (name == "DeviceId") out.device = value;
    if (name == "SharedAccessKey") out.key = value;
  }
  if (out.host.empty() || out.device.empty() || out.key.empty()) {
    return base::fail(base::Errc::kInvalidArgument,
                      "a connection string is HostName=HOST[:PORT];DeviceId=ID;SharedAccessKey=KEY");
  }
  return out;
}

base::Result<void> send_message(const ConnectionString& to, const std::shared_ptr<net::TlsContext>& tls,
                                std::string_view body, std::chrono::milliseconds patience) {
  const auto addresses = MH_TRY(net::resolve(to.host, to.port));
  if (addresses.empty()) return base::fail(base::Errc::kNotFound, "no address for " + to.host);
  const auto loop = MH_TRY(net::EventLoop::create());
  const auto end = loop->clock().monotonic() + patience;
  base::Result<void> last;
  for (const auto& address : addresses) {  // a name may have addresses that nobody listens on
    Sending sending(*loop, to, body);
    MH_TRY_VOID(sending.begin(address, tls));
    while (!sending.outcome() && loop->clock().monotonic() < end) loop->run_once(std::chrono::milliseconds(50));
    if (!sending.outcome()) return base::fail(base::Errc::kTimeout, "the hub did not answer in time");
    last = *sending.outcome();
    if (last || last.error().code != base::Errc::kUnavailable) return last;
  }
  return last;
}

}  // namespace meterhub::app
