#include <meterhub/notify/parcel.h>

#include <array>

#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>
#include <meterhub/crypto/hash.h>

#include "mail_text.h"
#include "notice_json.h"

namespace meterhub::notify {
namespace {

using base::Errc;
using nlohmann::json;
using registry::ChannelKind;

// What the robots take at most; WeCom refuses more, DingTalk has 20,000 characters.
constexpr std::size_t kWecomBytesMax = 4096;
constexpr std::size_t kDingtalkBytesMax = 16'000;

std::unexpected<base::Error> wrong(std::string text) { return base::fail(Errc::kInvalidArgument, std::move(text)); }

base::Result<void> check_mail(const registry::ChannelSpec& spec, http::Plaintext) {
  const auto server = http::parse_outgoing_url(spec.server);
  if (!server || (server->scheme != "smtp" && server->scheme != "smtps") || server->host.empty()) {
    return wrong("server: expected smtps://HOST:465 or smtp://HOST:587; user and password are fields of their own");
  }
  MH_TRY_VOID(parse_mailbox(spec.from));
  for (const auto& address : spec.to) {
    if (const auto mailbox = MH_TRY(parse_mailbox(address)); !mailbox.name.empty())
      return wrong("\"" + address + "\": the address alone, without a name");
  }
  return {};
}

// People paste what they find: the page where a robot is set up is not its URL.
base::Result<void> check_robot(ChannelKind kind, const std::string& url) {
  const bool wecom = kind == ChannelKind::kWecom;
  const std::string_view key = wecom ? "key=" : "access_token=";
  const auto query = url.find('?');
  if (query != url.npos && url.find(key, query) != url.npos) return {};
  return wrong(
      wecom
          ? "this is no URL of a WeCom robot: it ends in ?key=… (group, robots, copy the webhook address)"
          : "this is no URL of a DingTalk robot: it ends in ?access_token=… (group settings, robots, copy the webhook)");
}

std::string lines_of(const Message& message, std::string_view separator) {
  std::string out;
  for (const auto& line : message.lines) (out += out.empty() ? std::string_view() : separator) += line;
  return out;
}

// Names from files must not make links or tags in a group: what would is shown as its full-width twin.
std::string without_markup(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "＜"; break;
      case '>': out += "＞"; break;
      case '[': out += "［"; break;
      case ']': out += "］"; break;
      case '*': out += "＊"; break;
      case '`': out += "｀"; break;
      default: out += c;
    }
  }
  return out;
}

std::string cut(std::string text, std::size_t bytes_max) {
  constexpr std::string_view kMore = "…";
  if (text.size() <= bytes_max) return text;
  auto size = bytes_max - kMore.size();
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  text.resize(size);
  return text += kMore;
}

std::string count_text(base::Timestamp at, std::int64_t per_second) {
  return std::to_string(at.time_since_epoch().count() / (1'000'000 / per_second));
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      const std::array<std::uint8_t, 1> byte{static_cast<std::uint8_t>(c)};
      auto hex = base::hex_encode(byte);
      for (auto& digit : hex) digit = static_cast<char>(digit >= 'a' ? digit - 'a' + 'A' : digit);
      out += '%' + hex;
    }
  }
  return out;
}

http::Fields common_headers(const Letter& letter) {
  return {{"Content-Type", "application/json; charset=utf-8"},
          {"User-Agent", "meterhub"},
          {"X-Meterhub-Id", letter.message_id}};
}

Post webhook(const registry::Channel& channel, const registry::ChannelSecrets& secrets, const Letter& letter,
             base::Timestamp now) {
  const auto& message = letter.message;
  Post out{secrets.url,
           dump({{"id", letter.message_id},
                 {"created", base::rfc3339(letter.created)},
                 {"channel", channel.spec.name},
                 {"subject", message.subject},
                 {"text", lines_of(message, "\n")},
                 {"notices", json::parse(message.notices, nullptr, false)},
                 {"more", message.more}}),
           common_headers(letter)};
  if (secrets.secret.empty()) return out;
  const auto seconds = count_text(now, 1);
  out.headers.emplace_back("X-Meterhub-Timestamp", seconds);
  out.headers.emplace_back("X-Meterhub-Signature", webhook_signature(secrets.secret, seconds, out.body));
  return out;
}

Post wecom(const registry::ChannelSecrets& secrets, const Letter& letter) {
  const auto text =
      "**" + without_markup(letter.message.subject) + "**\n" + without_markup(lines_of(letter.message, "\n"));
  return {secrets.url, dump({{"msgtype", "markdown"}, {"markdown", {{"content", cut(text, kWecomBytesMax)}}}}),
          common_headers(letter)};
}

Post dingtalk(const registry::ChannelSecrets& secrets, const Letter& letter, base::Timestamp now) {
  auto url = secrets.url;
  if (!secrets.secret.empty()) {
    const auto milliseconds = count_text(now, 1000);
    url += "&timestamp=" + milliseconds + "&sign=" + dingtalk_sign(secrets.secret, milliseconds);
  }
  // Two blanks and the end of a line are a new line there.
  const auto text =
      "**" + without_markup(letter.message.subject) + "**  \n" + without_markup(lines_of(letter.message, "  \n"));
  return {url,
          dump({{"msgtype", "markdown"},
                {"markdown", {{"title", letter.message.subject}, {"text", cut(text, kDingtalkBytesMax)}}}}),
          common_headers(letter)};
}

base::Result<Parcel> mail(const registry::Channel& channel, const registry::ChannelSecrets& secrets,
                          const Letter& letter, http::Plaintext plaintext) {
  const auto from = MH_TRY(parse_mailbox(channel.spec.from));
  const auto server = MH_TRY(http::parse_outgoing_url(channel.spec.server));
  http::Mail out;
  out.server = channel.spec.server;
  out.user = channel.spec.user;
  out.password = secrets.secret;
  out.from = from.address;
  out.to = channel.spec.to;
  out.text = mail_text(from, channel.spec.to, letter);
  const bool open = server.this_machine || plaintext == http::Plaintext::kAllowed;
  out.tls = open ? http::MailTls::kIfOffered : http::MailTls::kRequired;
  return out;
}

}  // namespace

base::Result<void> check_channel(const registry::ChannelSpec& spec, const std::string& url, http::Plaintext plaintext) {
  if (spec.kind == ChannelKind::kSmtp) return check_mail(spec, plaintext);
  if (const auto fits = http::check_post_url(url, plaintext); !fits)
    return base::Result<void>(wrong("url: " + fits.error().text));
  return spec.kind == ChannelKind::kWebhook ? base::Result<void>() : check_robot(spec.kind, url);
}

base::Result<Parcel> pack(const registry::Channel& channel, const registry::ChannelSecrets& secrets,
                          const Letter& letter, base::Timestamp now, http::Plaintext plaintext) {
  MH_TRY_VOID(check_channel(channel.spec, secrets.url, plaintext));
  switch (channel.spec.kind) {
    case ChannelKind::kSmtp: return mail(channel, secrets, letter, plaintext);
    case ChannelKind::kWebhook: return webhook(channel, secrets, letter, now);
    case ChannelKind::kWecom: return wecom(secrets, letter);
    case ChannelKind::kDingtalk: break;
  }
  return dingtalk(secrets, letter, now);
}

std::string webhook_signature(std::string_view secret, std::string_view seconds, std::string_view body) {
  const auto text = std::string(seconds) + "." + std::string(body);
  return "sha256=" + base::hex_encode(crypto::hmac_sha256(base::as_bytes(secret), base::as_bytes(text)));
}

std::string dingtalk_sign(std::string_view secret, std::string_view milliseconds) {
  const auto text = std::string(milliseconds) + "\n" + std::string(secret);
  return percent_encoded(base::base64_encode(crypto::hmac_sha256(base::as_bytes(secret), base::as_bytes(text))));
}

}  // namespace meterhub::notify
