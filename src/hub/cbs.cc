#include "cbs.h"

#include <algorithm>
#include <utility>

#include <meterhub/base/logging.h>

#include "session.h"

namespace meterhub::hub {
namespace {

// Tokens of one connection that may be refused; a device client connects anew after the first. One that speaks
// for many devices is not ended for a few that are unknown.
constexpr int kRefusalsMax = 3;
constexpr int kRefusalsMaxOfMany = 64;
constexpr std::chrono::milliseconds kFirstRefusalDelay{1'000};
constexpr std::size_t kResourceShown = 200;
constexpr std::string_view kTokenType = "servicebus.windows.net:sastoken";

std::string_view text_of(const std::optional<amqp::Value>& value) {
  return value ? value->text().value_or(std::string_view()) : std::string_view();
}

}  // namespace

Cbs::Cbs(Session& session) : RequestNode(session.engine()), session_(session) {}

void Cbs::request(const amqp::Delivery& delivery) {
  const auto message = amqp::Message::parse(delivery.payload);
  const auto to = message ? reply_to(*message) : std::unexpected(message.error());
  Answer out;
  if (to) {
    out = answer(*message);
  } else {
    session_.host().metrics().claim("malformed");
    out = {400, "the request is not an AMQP message: " + to.error().text};
  }
  if (!delivery.settled) session_.engine().settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  reply(out, to.value_or(ReplyTo()));
}

Cbs::Answer Cbs::answer(const amqp::Message& message) {
  const auto& request = message.application_properties;
  const auto token = message.value.text();
  if (text_of(request.find("operation")) == "put-token" && text_of(request.find("type")) == kTokenType && token)
    return show(*token, text_of(request.find("name")));
  session_.host().metrics().claim("malformed");
  return {400, "$cbs takes put-token with a servicebus.windows.net:sastoken"};
}

Cbs::Answer Cbs::show(std::string_view token, std::string_view audience) {
  auto& host = session_.host();
  auto claim = host.access().check_token(token, audience, host.clock().now());
  if (!claim) {
    host.metrics().claim(claim.error().reason);
    say_refused(audience, claim.error().reason);
    slow_down();
    return {claim.error().status, claim.error().text};
  }
  if (!session_.hold(std::move(*claim))) {
    host.metrics().claim("too_many");
    return {403, "a connection may speak for 64 devices and show 512 tokens of policies, and this one does"};
  }
  host.metrics().claim("accepted");
  return {200, "OK"};
}

// Whoever has shown nothing good yet waits for the answer, each time longer, and is not read meanwhile: it may come
// again at once, and every handshake costs more than its token.
void Cbs::slow_down() {
  ++refusals_;
  if (!session_.has_claims()) {
    if (std::exchange(refusal_waits_, true)) return;
    replies_.hold(true);
    session_.hold_input(true);
    return session_.host().answer_later(session_, kFirstRefusalDelay * (1 << std::min(refusals_ - 1, kRefusalsMax)));
  }
  if (refusals_ >= kRefusalsMaxOfMany) session_.drop("tokens_refused");
}

void Cbs::answer_refusals() {
  if (!std::exchange(refusal_waits_, false)) return;
  replies_.hold(false);
  if (!session_.has_claims() && refusals_ >= kRefusalsMax) session_.drop("tokens_refused");
  session_.hold_input(false);
  session_.mark_dirty();
}

void Cbs::say_refused(std::string_view resource, std::string_view reason) {
  if (std::exchange(refusal_said_, true)) return;
  base::logging::info(
      "gateway_token_refused",
      {{"peer", session_.peer().ip_text()}, {"resource", resource.substr(0, kResourceShown)}, {"reason", reason}});
}

void Cbs::reply(const Answer& answer, const ReplyTo& to) {
  base::Bytes out;
  amqp::MessageWriter writer(out);
  begin_reply(writer, to);
  writer.begin_application_properties();
  writer.writer().string("status-code");
  writer.writer().int32(answer.status);
  writer.writer().string("status-description");
  writer.writer().string(answer.text);
  writer.end();
  writer.begin_value();
  writer.writer().null();
  // It asks without ever reading the answers.
  if (!replies_.push(std::move(out))) session_.drop("cbs_unread");
}

}  // namespace meterhub::hub
