#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include <meterhub/notify/parcel.h>

namespace meterhub::notify {
namespace {

using base::Errc;
using nlohmann::json;
using registry::ChannelKind;
using Kind = Outcome::Kind;

constexpr std::size_t kTextMax = 300;

// The beginning of an answer as one line of text.
std::string excerpt(std::string_view text) {
  std::string out(text.substr(0, kTextMax));
  for (auto& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

Outcome no_answer(ChannelKind kind, const base::Error& error) {
  switch (error.code) {
    case Errc::kInvalidArgument: return {Kind::kRefused, error.text, "Correct the channel's address."};
    case Errc::kUnauthorized:
      return {Kind::kRefused, error.text,
              "Check user and password; many providers want an authorization code instead of the password."};
    case Errc::kPrecondition:
      return {Kind::kRefused, error.text,
              "The mail server offers no TLS. Use smtps://HOST:465, or allow plain text with notify.plaintext = true."};
    case Errc::kTimeout:
      return {Kind::kRetry, error.text,
              "The server takes too long: check its address and port, and whether a firewall is between."};
    default: break;
  }
  const bool mail = kind == ChannelKind::kSmtp;
  return {Kind::kRetry, error.text,
          std::string("Check that name and port of the server are right and that this machine may reach it") +
              (mail ? " (465 for smtps://, 587 for smtp://)" : "") +
              "; for a certificate of your own authority set notify.ca_file."};
}

Outcome judge_mail(const http::Response& answer) {
  const auto text = excerpt(answer.body);
  if (answer.status < 400) return {Kind::kSent, text, {}};
  if (answer.status < 500) return {Kind::kRetry, text, "The server asks to try again later."};
  const bool sign_in = answer.status == 535 || answer.status == 534 || answer.status == 530;
  return {
      Kind::kRefused, text,
      sign_in
          ? "Check user and password; many providers want an authorization code instead of the password."
          : "The server refuses the mail: check the sender's and the recipients' addresses, and whether this user may send from that address."};
}

// Worth another attempt: the receiver's own trouble, or too much at once.
bool may_pass(unsigned status) { return status >= 500 || status == 408 || status == 425 || status == 429; }

Outcome judge_status(const http::Response& answer) {
  const auto text =
      "status " + std::to_string(answer.status) + (answer.body.empty() ? "" : ": " + excerpt(answer.body));
  if (answer.status >= 200 && answer.status < 300) return {Kind::kSent, text, {}};
  if (may_pass(answer.status))
    return {Kind::kRetry, text, "The server has trouble of its own; messages are tried again."};
  if (answer.status >= 300 && answer.status < 400)
    return {Kind::kRefused, text, "The server sends us elsewhere: give the final URL."};
  if (answer.status == 401 || answer.status == 403)
    return {Kind::kRefused, text, "The server does not accept us: check the URL and the secret."};
  return {Kind::kRefused, text, "The server refuses the message: check the URL."};
}

// Robots answer 200 whatever happened; the code is in the body. Those that pass later: the robot is busy or was used
// too often (WeCom: developer.work.weixin.qq.com, global error codes; DingTalk: custom robots, error codes).
bool robot_may_pass(ChannelKind kind, std::int64_t code) {
  if (code == -1) return true;
  return kind == ChannelKind::kWecom ? code == 45009 || code == 45033
                                     : code == 130101 || code == 410100 || code == 430101;
}

std::string robot_advice(ChannelKind kind, std::int64_t code) {
  if (kind == ChannelKind::kWecom && code == 93000)
    return "The robot's URL is wrong or the robot was removed: copy its webhook address again.";
  if (kind == ChannelKind::kDingtalk && code == 310000) {
    return "The robot's security settings refuse the message: check the secret (SEC…); without one, allow this machine's address or the keyword in the robot's settings. Check the clock too.";
  }
  if (kind == ChannelKind::kDingtalk && (code == 300001 || code == 400101 || code == 300005))
    return "The robot's URL is wrong or the robot was removed: copy its webhook again.";
  return "Look the code up in the provider's documentation.";
}

Outcome judge_robot(ChannelKind kind, const http::Response& answer) {
  auto out = judge_status(answer);
  if (out.kind != Kind::kSent) return out;
  const auto body = json::parse(answer.body, nullptr, false);
  const auto code = body.is_object() ? body.find("errcode") : body.end();
  if (!body.is_object() || code == body.end() || !code->is_number_integer()) {
    return {Kind::kRetry, "not a robot's answer: " + excerpt(answer.body),
            "Something else answers in its place: check the URL, and whether a proxy is between."};
  }
  const auto number = code->get<std::int64_t>();
  out.text = excerpt(answer.body);
  if (number == 0) return out;
  if (robot_may_pass(kind, number))
    return {Kind::kRetry, out.text, "The robot is used too often or busy; messages are tried again."};
  return {Kind::kRefused, out.text, robot_advice(kind, number)};
}

}  // namespace

Outcome judge(ChannelKind kind, const base::Result<http::Response>& answer) {
  if (!answer) return no_answer(kind, answer.error());
  switch (kind) {
    case ChannelKind::kSmtp: return judge_mail(*answer);
    case ChannelKind::kWebhook: return judge_status(*answer);
    default: return judge_robot(kind, *answer);
  }
}

}  // namespace meterhub::notify
