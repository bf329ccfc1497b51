// Answers of a request node ($cbs, $management): they leave on the link whose source is the node, whatever a request's
// reply-to says (spec/azure-amqp.md 4), and wait for its credit. Loop thread.
#pragma once

#include <vector>

#include <meterhub/amqp/engine.h>
#include <meterhub/amqp/message.h>

#include "link_endpoint.h"

namespace meterhub::hub {

// What an answer takes over from its request.
struct ReplyTo {
  base::Bytes message_id{};  // encoded values
  base::Bytes address{};
};
// kInvalidArgument: the properties are none, or the two are larger than any real ones.
base::Result<ReplyTo> reply_to(const amqp::Message& request);

// The answer's properties; the caller adds application properties and body.
void begin_reply(amqp::MessageWriter& writer, const ReplyTo& to);

class Replies {
 public:
  explicit Replies(amqp::Connection& engine) : engine_(engine) {}

  // A link that answers can leave on; the newest one is taken.
  void opened(amqp::LinkId link);
  void closed(amqp::LinkId link);
  // False: as many wait as may; the peer asks without ever reading the answers.
  bool push(base::Bytes message);
  void send();
  // While held, nothing is sent.
  void hold(bool held);

 private:
  amqp::Connection& engine_;
  std::vector<amqp::LinkId> links_;  // bounded by the engine
  std::vector<base::Bytes> waiting_;  // few: a deque takes memory while it is empty, in every connection
  bool held_ = false;
};

// The link on which answers leave.
class ReplyLink final : public LinkEndpoint {
 public:
  ReplyLink(Replies& replies, amqp::LinkId link) : replies_(replies), link_(link) { replies_.opened(link); }
  ~ReplyLink() override { replies_.closed(link_); }
  void on_credit() override { replies_.send(); }
  bool is_request_node() const override { return true; }

 private:
  Replies& replies_;
  const amqp::LinkId link_;
};

// A node that answers requests.
class RequestNode {
 public:
  explicit RequestNode(amqp::Connection& engine) : replies_(engine) {}
  virtual ~RequestNode() = default;
  virtual void request(const amqp::Delivery& delivery) = 0;
  Replies& replies() { return replies_; }

 protected:
  Replies replies_;
};

// The link on which its requests come.
class RequestLink final : public LinkEndpoint {
 public:
  explicit RequestLink(RequestNode& node) : node_(node) {}
  void on_delivery(const amqp::Delivery& delivery) override { node_.request(delivery); }
  bool is_request_node() const override { return true; }

 private:
  RequestNode& node_;
};

}  // namespace meterhub::hub
