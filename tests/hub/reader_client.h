// A reader of events: our own engine as a client, over a real connection.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/amqp/engine.h>
#include <meterhub/amqp/message.h>
#include <meterhub/net/connection.h>

namespace meterhub::hub::test {

class ReaderClient final : public net::ConnectionHandler, public amqp::Listener {
 public:
  explicit ReaderClient(net::EventLoop& loop) : loop_(loop) {}
  ~ReaderClient() override {
    if (connection_) connection_->abort();
  }

  std::map<amqp::LinkId, std::vector<std::int64_t>> sequences;  // of what came, in its order
  std::map<amqp::LinkId, std::vector<std::string>> bodies;
  std::map<amqp::LinkId, std::string> detached;
  std::vector<amqp::LinkId> attached;
  std::vector<std::int64_t> last_enqueued;  // that messages told of
  std::map<std::string, base::Bytes> answers;  // of $management, by correlation-id
  std::optional<net::CloseReason> closed;
  bool settles = true;  // gives credit again for what came

  void dial(const net::Address& to, std::shared_ptr<net::TlsContext> tls) {
    net::ConnectOptions options;
    options.tls = std::move(tls);
    options.server_name = "localhost";
    amqp::Options engine_options;
    engine_options.role = amqp::Role::kClient;
    engine_options.hostname = "localhost";
    engine_ = std::make_unique<amqp::Connection>(engine_options, *this, loop_.clock().monotonic());
    connection_ = std::move(*net::connect(loop_, to, options, *this));
    session_ = engine_->begin();
  }
  void put_token(const std::string& token, const std::string& audience) {
    base::Bytes request;
    amqp::MessageWriter writer(request);
    amqp::Properties properties;
    const auto id = text_value("token");
    properties.message_id = *amqp::Value::parse(id);
    writer.properties(properties);
    writer.begin_application_properties();
    for (const auto* text : {"operation", "put-token", "type", "servicebus.windows.net:sastoken", "name"}) writer.writer().string(text);
    writer.writer().string(audience);
    writer.end();
    writer.begin_value();
    writer.writer().string(token);
    request_ = std::move(request);
    cbs_out_ = *engine_->attach(session_, {.name = "cbs-out", .target = "$cbs"});
    const auto in = *engine_->attach(session_, {.name = "cbs-in", .receiver = true, .source = "$cbs"});
    engine_->set_window(in, 10);
    pump();
  }
  bool has_claim() const { return answers.contains("token"); }

  struct How {
    std::string selector{};
    std::optional<std::int64_t> epoch{};
    bool tracks = false;
    std::uint32_t credit = 0;
  };
  amqp::LinkId receive(const std::string& address, const How& how) {
    const auto filter = filter_of(how.selector);
    const auto properties = epoch_of(how.epoch);
    base::Bytes wish;
    amqp::Writer(wish).symbol("com.microsoft:enable-receiver-runtime-metric");
    amqp::AttachOptions options;
    const auto name = "reader-" + std::to_string(attached.size() + detached.size() + ++links_);
    options.name = name;
    options.receiver = true;
    options.source = address;
    options.target = "here";
    if (!how.selector.empty()) options.filter = *amqp::Value::parse(filter);
    if (how.epoch) options.properties = *amqp::Value::parse(properties);
    if (how.tracks) options.desired_capabilities = *amqp::Value::parse(wish);
    const auto link = *engine_->attach(session_, options);
    if (how.credit > 0) engine_->set_window(link, how.credit);
    pump();
    return link;
  }
  // Credit and what is not settled, together.
  void grant(amqp::LinkId link, std::uint32_t messages) {
    engine_->set_window(link, messages);
    pump();
  }
  void detach(amqp::LinkId link) {
    engine_->detach(link);
    pump();
  }
  void stop_taking() { connection_->pause_reading(); }
  void take_again() { connection_->resume_reading(); }
  bool is_open() const { return connection_ && !closed; }

  void on_open() override { pump(); }
  void on_data(base::BytesView bytes) override {
    engine_->feed(bytes, loop_.clock().monotonic());
    pump();
  }
  void on_closed(net::CloseReason reason, std::string_view) override { closed = reason; }
  void on_attached(const amqp::PeerAttach& attach) override { attached.push_back(attach.link); }
  void on_credit(amqp::LinkId link) override {
    if (link == cbs_out_ && !request_.empty()) {
      EXPECT_TRUE(engine_->send(link, std::exchange(request_, {}), {}));
    }
  }
  void on_delivery(const amqp::Delivery& delivery) override {
    const auto message = amqp::Message::parse(delivery.payload);
    if (const auto sequence = message->message_annotations.find("x-opt-sequence-number")) {
      sequences[delivery.link].push_back(sequence->signed_integer().value_or(-1));
      bodies[delivery.link].emplace_back(base::as_text(message->data));
      const auto last = message->delivery_annotations.find("last_enqueued_sequence_number");
      if (last) last_enqueued.push_back(last->signed_integer().value_or(-2));
    } else {
      const auto id = message->properties()->correlation_id.string().value_or("");
      answers[std::string(id)] = base::Bytes(delivery.payload.begin(), delivery.payload.end());
    }
    if (settles && !delivery.settled) engine_->settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  }
  void on_detached(amqp::LinkId link, const amqp::ErrorView& error) override { detached[link] = error.condition; }

 private:
  static base::Bytes text_value(std::string_view text) {
    base::Bytes out;
    amqp::Writer(out).string(text);
    return out;
  }
  static base::Bytes filter_of(const std::string& selector) {
    base::Bytes out;
    amqp::Writer writer(out);
    writer.begin_map();
    writer.symbol("apache.org:selector-filter:string");
    writer.descriptor(0x468C00000004);
    writer.string(selector);
    writer.end();
    return out;
  }
  static base::Bytes epoch_of(std::optional<std::int64_t> epoch) {
    base::Bytes out;
    amqp::Writer writer(out);
    writer.begin_map();
    writer.symbol("com.microsoft:epoch");
    writer.int64(epoch.value_or(0));
    writer.end();
    return out;
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
  amqp::SessionId session_{};
  amqp::LinkId cbs_out_{};
  base::Bytes request_;
  std::size_t links_ = 0;
};

}  // namespace meterhub::hub::test
