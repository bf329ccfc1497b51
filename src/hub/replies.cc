#include "replies.h"

namespace meterhub::hub {
namespace {

constexpr std::size_t kRepliesMax = 64;
constexpr std::size_t kReplyToMax = 2048;

base::Bytes encoded(const amqp::Value& value) {
  base::Bytes out;
  value.append_to(out);
  return out;
}

}  // namespace

base::Result<ReplyTo> reply_to(const amqp::Message& request) {
  const auto properties = MH_TRY(request.properties());
  ReplyTo out{encoded(properties.message_id), encoded(properties.reply_to)};
  if (out.message_id.size() + out.address.size() > kReplyToMax)
    return base::fail(base::Errc::kInvalidArgument, "message-id and reply-to are longer than any real ones");
  return out;
}

void begin_reply(amqp::MessageWriter& writer, const ReplyTo& to) {
  amqp::Properties properties;
  properties.correlation_id = amqp::Value::parse(to.message_id).value_or(amqp::Value());
  properties.to = amqp::Value::parse(to.address).value_or(amqp::Value());
  writer.properties(properties);
}

void Replies::opened(amqp::LinkId link) {
  links_.push_back(link);
  send();
}

void Replies::closed(amqp::LinkId link) { std::erase(links_, link); }

bool Replies::push(base::Bytes message) {
  if (waiting_.size() >= kRepliesMax) return false;
  waiting_.push_back(std::move(message));
  send();
  return true;
}

void Replies::send() {
  while (!links_.empty() && !held_ && !waiting_.empty() && engine_.sendable(links_.back()) > 0) {
    const auto sent = engine_.send(links_.back(), waiting_.front(), {}, {.settled = true});
    if (!sent && sent.error().code != base::Errc::kTooLarge) return;
    waiting_.erase(waiting_.begin());  // or the peer takes no answer of this size
  }
}

void Replies::hold(bool held) {
  held_ = held;
  send();
}

}  // namespace meterhub::hub
