// A gateway: our own engine as a client, over a real connection.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/amqp/engine.h>
#include <meterhub/amqp/message.h>
#include <meterhub/net/connection.h>

namespace meterhub::hub::test {

class DeviceClient final : public net::ConnectionHandler, public amqp::Listener {
 public:
  explicit DeviceClient(net::EventLoop& loop) : loop_(loop) {}
  ~DeviceClient() override {
    if (connection_) connection_->abort();
  }

  std::vector<int> statuses;                 // answers of $cbs, in order
  std::string description;                   // the last one's
  std::map<amqp::LinkId, std::string> detached;
  std::map<amqp::DeliveryId, std::pair<amqp::Outcome, std::string>> outcomes;
  std::optional<net::CloseReason> closed;
  std::uint32_t replies_wanted = 10;         // credit for answers of $cbs
  bool attached = false;
  // What came on other links than that of $cbs, kept until the test answers.
  struct Received {
    amqp::LinkId link;
    amqp::SessionId session;
    amqp::DeliveryId id;
    base::Bytes tag, payload;
  };
  std::vector<Received> received;
  std::uint64_t max_message_size = 0;        // offered by the hub
  bool amqp_closed = false;

  void dial(const net::Address& to, std::shared_ptr<net::TlsContext> tls) {
    net::ConnectOptions options;
    options.tls = std::move(tls);
    options.server_name = "localhost";
    amqp::Options engine_options;
    engine_options.role = amqp::Role::kClient;
    engine_options.hostname = "localhost";
    engine_ = std::make_unique<amqp::Connection>(engine_options, *this, loop_.clock().monotonic());
    connection_ = std::move(*net::connect(loop_, to, options, *this));
  }
  void put_token(const std::string& token, const std::string& audience) {
    if (!cbs_out_) {
      session_ = engine_->begin();
      cbs_out_ = *engine_->attach(*session_, {.name = "cbs-out", .target = "$cbs"});
      cbs_in_ = *engine_->attach(*session_, {.name = "cbs-in", .receiver = true, .source = "$cbs"});
      engine_->set_window(*cbs_in_, replies_wanted);
    }
    base::Bytes request;
    amqp::MessageWriter writer(request);
    amqp::Properties properties;
    base::Bytes id;
    amqp::Writer(id).string("request-1");
    properties.message_id = *amqp::Value::parse(id);
    writer.properties(properties);
    writer.begin_application_properties();
    writer.writer().string("operation");
    writer.writer().string("put-token");
    writer.writer().string("type");
    writer.writer().string("servicebus.windows.net:sastoken");
    writer.writer().string("name");
    writer.writer().string(audience);
    writer.end();
    writer.begin_value();
    writer.writer().string(token);
    requests_.push_back(std::move(request));
    send_requests();
  }
  // `capability`: one that it desires.
  amqp::LinkId attach(const std::string& address, std::string_view capability = {}) {
    if (!session_) session_ = engine_->begin();
    base::Bytes desired;
    if (!capability.empty()) amqp::Writer(desired).symbol(capability);
    amqp::AttachOptions options{.name = "telemetry", .target = address};
    if (!desired.empty()) options.desired_capabilities = *amqp::Value::parse(desired);
    const auto link = *engine_->attach(*session_, options);
    pump();
    return link;
  }
  amqp::LinkId receive(const std::string& address, std::uint32_t window = 1000,
                       amqp::SettleMode mode = amqp::SettleMode::kMixed) {
    if (!session_) session_ = engine_->begin();
    const auto link = *engine_->attach(
        *session_, {.name = "receiver " + address, .receiver = true, .source = address, .settle_mode = mode});
    engine_->set_window(link, window);
    pump();
    return link;
  }
  void answer(const Received& one, amqp::Outcome outcome) {
    engine_->settle(one.session, one.id, one.id, outcome);
    pump();
  }
  void detach(amqp::LinkId link) {
    engine_->detach(link);
    pump();
  }
  std::uint32_t credit(amqp::LinkId link) const { return engine_->sendable(link); }
  std::optional<amqp::DeliveryId> send(amqp::LinkId link, base::BytesView message, amqp::SendOptions options = {}) {
    const auto id = engine_->send(link, message, {}, options);
    pump();
    return id ? std::optional(*id) : std::nullopt;
  }
  std::optional<amqp::DeliveryId> send_body(amqp::LinkId link, std::string_view body) {
    base::Bytes message;
    amqp::MessageWriter(message).data(base::as_bytes(body));
    return send(link, message);
  }
  void raw(std::string_view bytes) { connection_->write(base::as_bytes(bytes)); }
  void hang_up() { connection_->abort(); }
  bool is_open() const { return connection_ && !closed; }

  void on_open() override { pump(); }
  void on_data(base::BytesView bytes) override {
    engine_->feed(bytes, loop_.clock().monotonic());
    pump();
  }
  void on_closed(net::CloseReason reason, std::string_view) override { closed = reason; }
  void on_attached(const amqp::PeerAttach& attach) override {
    if (attach.fields.name != "telemetry") return;
    attached = true;
    max_message_size = attach.fields.max_message_size.value_or(0);
  }
  void on_credit(amqp::LinkId link) override {
    if (link == cbs_out_) send_requests();
  }
  void on_delivery(const amqp::Delivery& delivery) override {
    if (delivery.link != cbs_in_) {
      received.push_back({delivery.link,
                          delivery.session,
                          delivery.id,
                          {delivery.tag.begin(), delivery.tag.end()},
                          {delivery.payload.begin(), delivery.payload.end()}});
      return;
    }
    const auto message = amqp::Message::parse(delivery.payload);
    const auto status = message->application_properties.find("status-code");
    EXPECT_EQ(status->type(), amqp::Type::kInt);
    EXPECT_EQ(message->properties()->correlation_id.string(), "request-1");
    statuses.push_back(static_cast<int>(status->signed_integer().value_or(0)));
    description = message->application_properties.find("status-description")->string().value_or("");
    if (!delivery.settled) engine_->settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  }
  void on_outcome(amqp::LinkId link, amqp::DeliveryId first, amqp::DeliveryId last, amqp::Outcome outcome,
                  const amqp::ErrorView& error) override {
    if (link == cbs_out_) return;
    for (auto id = first; id != last + 1; ++id) outcomes[id] = {outcome, std::string(error.condition)};
  }
  void on_detached(amqp::LinkId link, const amqp::ErrorView& error) override { detached[link] = error.condition; }
  void on_closed(const amqp::ErrorView&, bool) override { amqp_closed = true; }

 private:
  void send_requests() {
    while (!requests_.empty() && engine_->sendable(*cbs_out_) > 0) {
      EXPECT_TRUE(engine_->send(*cbs_out_, requests_.front(), {}));
      requests_.erase(requests_.begin());
    }
    pump();
  }
  void pump() {
    for (auto out = engine_->output(); !out.empty(); out = engine_->output()) {
      connection_->write(out);
      engine_->consumed(out.size());
    }
  }

  net::EventLoop& loop_;
  std::unique_ptr<amqp::Connection> engine_;
  net::ConnectionPtr connection_;
  std::optional<amqp::SessionId> session_;
  std::optional<amqp::LinkId> cbs_out_;
  std::optional<amqp::LinkId> cbs_in_;
  std::vector<base::Bytes> requests_;
};

}  // namespace meterhub::hub::test
