// A small hub for gateways to talk to: the same engine, as a server, over real TCP.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <meterhub/amqp/engine.h>
#include <meterhub/amqp/message.h>
#include <meterhub/net/connection.h>
#include <meterhub/sas/token.h>

namespace meterhub::sim {

// What the hub has taken, over all connections.
struct HubBooks {
  std::multiset<std::string> bodies;  // settled
  std::set<std::string> devices;
  std::string key_refused;            // a gateway id whose tokens are no good
  int drop_after = -1;                // messages until a connection is cut without an answer
};

class HubConnection final : public net::ConnectionHandler, public amqp::Listener {
 public:
  HubConnection(net::ConnectionPtr connection, HubBooks& books)
      : books_(books), connection_(std::move(connection)), engine_({}, *this, {}) {
    connection_->set_handler(*this);
  }
  ~HubConnection() override { connection_->abort(); }

  void on_data(base::BytesView bytes) override {
    engine_.feed(bytes, {});
    flush();
  }
  void on_closed(net::CloseReason, std::string_view) override {}
  void on_attach(const amqp::PeerAttach& attach) override {
    engine_.accept(attach.link, {});
    if (!attach.peer_sends) {
      replies_ = attach.link;
      return;
    }
    engine_.set_window(attach.link, 50);
    if (attach.address() == "$cbs") cbs_ = attach.link;
  }
  void on_credit(amqp::LinkId) override { send_replies(); }
  void on_delivery(const amqp::Delivery& delivery) override {
    if (delivery.link == cbs_) return answer(delivery);
    if (books_.drop_after == 0) {
      books_.drop_after = -1;
      cut_ = true;
    }
    if (cut_) return;
    if (books_.drop_after > 0) --books_.drop_after;
    const auto message = amqp::Message::parse(delivery.payload);
    ASSERT_TRUE(message);
    books_.bodies.insert(std::string(base::as_text(message->data)));
    engine_.settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  }

 private:
  void answer(const amqp::Delivery& delivery) {
    const auto message = amqp::Message::parse(delivery.payload);
    ASSERT_TRUE(message);
    const auto token = sas::parse_token(message->value.text().value_or(""));
    ASSERT_TRUE(token) << token.error().text;
    books_.devices.insert(token->resource.device_id);
    base::Bytes bytes;
    amqp::MessageWriter reply(bytes);
    reply.begin_application_properties();
    reply.writer().string("status-code");
    reply.writer().int32(token->resource.device_id == books_.key_refused ? 401 : 200);
    reply.end();
    reply.begin_value();
    reply.writer().null();
    waiting_.push_back(std::move(bytes));
    send_replies();
  }
  void send_replies() {
    while (!waiting_.empty() && engine_.send(replies_, waiting_.front(), {}, {.settled = true})) {
      waiting_.erase(waiting_.begin());
    }
  }
  void flush() {
    if (cut_) return connection_->abort();
    for (auto out = engine_.output(); !out.empty(); out = engine_.output()) {
      connection_->write(out);
      engine_.consumed(out.size());
    }
  }

  HubBooks& books_;
  net::ConnectionPtr connection_;
  amqp::Connection engine_;
  amqp::LinkId cbs_{}, replies_{};
  std::vector<base::Bytes> waiting_;  // for the client's credit
  bool cut_ = false;
};

}  // namespace meterhub::sim
