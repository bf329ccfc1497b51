// What leaves for a server, compared with values that other programs computed, and what its answers mean.
#include <meterhub/notify/parcel.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/encoding.h>

#include "setup_fixture.h"

namespace meterhub::notify {
namespace {

using namespace test;
using nlohmann::json;
using registry::ChannelKind;
using testing::HasSubstr;
using testing::Not;
using Kind = Outcome::Kind;

registry::Channel channel_of(ChannelKind kind) {
  registry::Channel out;
  out.spec.name = "c";
  out.spec.kind = kind;
  if (kind != ChannelKind::kSmtp) return out;
  out.spec.to = {"a@example.org", "b@example.org"};
  out.spec.from = "燃气报警 <alarm@gas.example.org>";
  out.spec.server = "smtps://mail.example.org";
  out.spec.user = "alarm";
  return out;
}

Letter letter() {
  const auto setup = two_companies();
  return {"00112233445566778899aabbccddeeff", compose(setup, setup.channels[0], {{leak()}}, {}),
          at("2026-01-31T06:05:03Z")};
}

Parcel packed(ChannelKind kind, const registry::ChannelSecrets& secrets) {
  auto out = pack(channel_of(kind), secrets, letter(), at("2026-01-31T06:05:04.5Z"), http::Plaintext::kThisMachine);
  EXPECT_TRUE(out) << out.error().text;
  return out.value_or(Parcel{});
}

// python3: hmac.new(b"secret-of-sixteen", b'1769839504.{"a":1}', "sha256").hexdigest()
TEST(WebhookParcel, IsSignedAsThePythonOfTheDocumentationDoes) {
  EXPECT_EQ(webhook_signature("secret-of-sixteen", "1769839504", R"({"a":1})"),
            "sha256=12a120c67cc669fa8636225a70dadb32c27cd4a0d4b94fa183daf792775cb2d0");
}

TEST(WebhookParcel, CarriesTimeSignatureIdAndNotices) {
  const auto post = std::get<Post>(packed(ChannelKind::kWebhook, {"https://example.org/hook", "k"}));
  EXPECT_EQ(post.url, "https://example.org/hook");
  EXPECT_EQ(http::field(post.headers, "X-Meterhub-Timestamp"), "1769839504");
  EXPECT_EQ(http::field(post.headers, "X-Meterhub-Signature"), webhook_signature("k", "1769839504", post.body));
  EXPECT_EQ(http::field(post.headers, "X-Meterhub-Id"), letter().message_id);
  const auto body = json::parse(post.body);
  EXPECT_EQ(body["id"], letter().message_id);
  EXPECT_EQ(body["notices"][0]["rule"], "leak");
  EXPECT_EQ(body["notices"][0]["building"], "阳光小区3#楼");
  EXPECT_THAT(body["text"].get<std::string>(), HasSubstr("位置：阳光小区3#楼"));
}

TEST(WebhookParcel, IsNotSignedWithoutAKey) {
  const auto post = std::get<Post>(packed(ChannelKind::kWebhook, {"https://example.org/hook", ""}));
  EXPECT_EQ(http::field(post.headers, "X-Meterhub-Signature"), "");
}

TEST(WecomParcel, IsMarkdownAndGoesToTheRobotsUrl) {
  const auto post =
      std::get<Post>(packed(ChannelKind::kWecom, {"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", ""}));
  EXPECT_EQ(post.url, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k");
  const auto body = json::parse(post.body);
  EXPECT_EQ(body["msgtype"], "markdown");
  EXPECT_THAT(body["markdown"]["content"].get<std::string>(),
              testing::StartsWith("**【紧急】疑似燃气泄漏：阳光小区3#楼 2 201**\n"));
}

TEST(WecomParcel, HasAtMost4096BytesAndEndsWithAWholeCharacter) {
  auto long_one = letter();
  long_one.message.lines.assign(3, std::string(1500, 'x') + "气气气气气");
  const auto parcel = *pack(channel_of(ChannelKind::kWecom), {"https://localhost/send?key=k", ""}, long_one,
                            at("2026-01-31T06:05:04Z"), {});
  const auto body = json::parse(std::get<Post>(parcel).body, nullptr, false);
  ASSERT_TRUE(body.is_object());
  const auto content = body["markdown"]["content"].get<std::string>();
  EXPECT_LE(content.size(), 4096U);
  EXPECT_GT(content.size(), 4090U);
  EXPECT_TRUE(content.ends_with("…"));
}

TEST(RobotParcel, ShowsNamesThatWouldMakeLinksAsTheyAre) {
  auto strange = letter();
  strange.message.lines = {"[click](https://evil.example.org) <font color=red>**x**</font>"};
  for (const auto kind : {ChannelKind::kWecom, ChannelKind::kDingtalk}) {
    const auto parcel = *pack(channel_of(kind), {"https://localhost/send?key=k&access_token=t", ""}, strange,
                              at("2026-01-31T06:05:04Z"), {});
    const auto& body = std::get<Post>(parcel).body;
    EXPECT_THAT(body, Not(HasSubstr("[click]")));
    EXPECT_THAT(body, Not(HasSubstr("<font")));
    EXPECT_THAT(body, HasSubstr("［click］(https://evil.example.org)"));
  }
}

// python3: urllib.parse.quote_plus(base64.b64encode(hmac.new(s, f"1769839504500\n{secret}".encode(),
// "sha256").digest())), as DingTalk documents it.
TEST(DingtalkParcel, IsSignedAsTheProvidersExampleDoes) {
  EXPECT_EQ(dingtalk_sign("SEC0123456789abcdef", "1769839504500"),
            "XXASrL8EfgmC%2BN76%2FU15YF3zYyIX%2BHa%2F2gbp3PAL0wM%3D");
  const auto post = std::get<Post>(
      packed(ChannelKind::kDingtalk, {"https://oapi.dingtalk.com/robot/send?access_token=t", "SEC0123456789abcdef"}));
  EXPECT_EQ(
      post.url,
      "https://oapi.dingtalk.com/robot/send?access_token=t&timestamp=1769839504500&sign=XXASrL8EfgmC%2BN76%2FU15YF3zYyIX%2BHa%2F2gbp3PAL0wM%3D");
  const auto body = json::parse(post.body);
  EXPECT_EQ(body["msgtype"], "markdown");
  EXPECT_EQ(body["markdown"]["title"], letter().message.subject);
}

TEST(MailParcel, IsAMailOfAsciiLinesThatHoldsUtf8) {
  const auto mail = std::get<http::Mail>(packed(ChannelKind::kSmtp, {"", "password"}));
  EXPECT_EQ(mail.from, "alarm@gas.example.org");
  EXPECT_EQ(mail.password, "password");
  EXPECT_EQ(mail.tls, http::MailTls::kRequired);
  for (const char c : mail.text) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
  EXPECT_THAT(mail.text, HasSubstr("From: =?UTF-8?B?54eD5rCU5oql6K2m?= <alarm@gas.example.org>\r\n"));
  EXPECT_THAT(mail.text, HasSubstr("To: a@example.org,\r\n b@example.org\r\n"));
  EXPECT_THAT(mail.text, HasSubstr("Date: Sat, 31 Jan 2026 06:05:03 +0000\r\n"));
  EXPECT_THAT(mail.text, HasSubstr("Message-ID: <00112233445566778899aabbccddeeff@gas.example.org>\r\n"));
  EXPECT_THAT(mail.text, HasSubstr("X-Meterhub-Id: 00112233445566778899aabbccddeeff\r\n"));
  EXPECT_THAT(mail.text, Not(HasSubstr("password")));
}

TEST(MailParcel, KeepsEachWordOfAHeaderShortAndEachCharacterWhole) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "气a";
  const auto words = encoded_words(text);
  std::string back;
  for (std::size_t begin = 0; begin < words.size();) {
    const auto end = std::min(words.find("\r\n ", begin), words.size());
    const auto word = words.substr(begin, end - begin);
    EXPECT_LE(word.size(), 75U);
    ASSERT_TRUE(word.starts_with("=?UTF-8?B?") && word.ends_with("?=")) << word;
    const auto bytes = *base::base64_decode(word.substr(10, word.size() - 12));
    EXPECT_NE(bytes.front() & 0xc0, 0x80) << "a word begins within a character";
    back.append(bytes.begin(), bytes.end());
    begin = end + 3;
  }
  EXPECT_EQ(back, text);
  EXPECT_EQ(encoded_words("plain text"), "plain text");
  EXPECT_NE(encoded_words("=?UTF-8?B?eA==?="), "=?UTF-8?B?eA==?=") << "what looks encoded is not taken for it";
}

base::Result<void> checked(ChannelKind kind, std::string url,
                           http::Plaintext plaintext = http::Plaintext::kThisMachine) {
  return check_channel(channel_of(kind).spec, url, plaintext);
}

TEST(CheckedChannel, TakesOnlyWhatCanBeSentTo) {
  EXPECT_TRUE(checked(ChannelKind::kWebhook, "https://example.org/hook"));
  EXPECT_TRUE(checked(ChannelKind::kWebhook, "http://127.0.0.1:8080/hook"));
  EXPECT_FALSE(checked(ChannelKind::kWebhook, "http://example.org/hook"));
  EXPECT_TRUE(checked(ChannelKind::kWebhook, "http://example.org/hook", http::Plaintext::kAllowed));
  EXPECT_FALSE(checked(ChannelKind::kWebhook, "file:///etc/passwd", http::Plaintext::kAllowed));
  EXPECT_FALSE(checked(ChannelKind::kWecom, "https://work.weixin.qq.com/robots"));
  EXPECT_FALSE(checked(ChannelKind::kDingtalk, "https://oapi.dingtalk.com/robot/send"));
  EXPECT_TRUE(checked(ChannelKind::kSmtp, ""));
}

TEST(CheckedChannel, TakesOnlyMailAddressesAndServers) {
  const auto mail = [](auto change) {
    auto spec = channel_of(ChannelKind::kSmtp).spec;
    change(spec);
    return check_channel(spec, "", http::Plaintext::kThisMachine).has_value();
  };
  for (const char* wrong :
       {"nobody", "a@", "@b", "a@b@c", "a b@example.org", "a@example.org>", "张@example.org", "Name <a@example.org>"})
    EXPECT_FALSE(mail([&](auto& spec) { spec.to = {wrong}; })) << wrong;
  for (const char* wrong :
       {"mail.example.org", "https://mail.example.org", "smtp://user:word@mail.example.org", "smtp://"})
    EXPECT_FALSE(mail([&](auto& spec) { spec.server = wrong; })) << wrong;
  EXPECT_TRUE(mail([](auto& spec) { spec.server = "smtp://10.0.0.1:25"; }));
  EXPECT_TRUE(mail([](auto& spec) { spec.from = "alarm@example.org"; }));
}

TEST(Answer, OfAWebhook) {
  const auto kind = [](unsigned status) {
    return judge(ChannelKind::kWebhook, http::Response::text(status, "why")).kind;
  };
  EXPECT_EQ(kind(204), Kind::kSent);
  for (const unsigned status : {302U, 400U, 401U, 404U, 410U}) EXPECT_EQ(kind(status), Kind::kRefused) << status;
  for (const unsigned status : {408U, 429U, 500U, 503U}) EXPECT_EQ(kind(status), Kind::kRetry) << status;
}

TEST(Answer, OfARobotIsInItsBody) {
  const auto kind = [](ChannelKind robot, const char* body) {
    return judge(robot, http::Response::text(200, body)).kind;
  };
  for (const auto robot : {ChannelKind::kWecom, ChannelKind::kDingtalk}) {
    EXPECT_EQ(kind(robot, R"({"errcode":0,"errmsg":"ok"})"), Kind::kSent);
    EXPECT_EQ(kind(robot, R"({"errcode":-1})"), Kind::kRetry);
    EXPECT_EQ(kind(robot, "<html>sign in to the network</html>"), Kind::kRetry);
    EXPECT_EQ(kind(robot, R"({"errcode":40001})"), Kind::kRefused);
  }
  EXPECT_EQ(kind(ChannelKind::kWecom, R"({"errcode":45009})"), Kind::kRetry);
  EXPECT_EQ(kind(ChannelKind::kDingtalk, R"({"errcode":130101})"), Kind::kRetry);
  EXPECT_THAT(judge(ChannelKind::kDingtalk, http::Response::text(200, R"({"errcode":310000})")).advice,
              HasSubstr("secret"));
}

TEST(Answer, OfAMailServerAndOfNobody) {
  const auto code = [](unsigned status) { return judge(ChannelKind::kSmtp, http::Response::text(status, "x")).kind; };
  EXPECT_EQ(code(250), Kind::kSent);
  EXPECT_EQ(code(451), Kind::kRetry);
  EXPECT_EQ(code(550), Kind::kRefused);
  EXPECT_THAT(judge(ChannelKind::kSmtp, http::Response::text(535, "x")).advice, HasSubstr("password"));
  const auto none = [](base::Errc errc) { return judge(ChannelKind::kSmtp, base::fail(errc, "x")).kind; };
  EXPECT_EQ(none(base::Errc::kUnavailable), Kind::kRetry);
  EXPECT_EQ(none(base::Errc::kTimeout), Kind::kRetry);
  EXPECT_EQ(none(base::Errc::kPrecondition), Kind::kRefused);
  EXPECT_EQ(none(base::Errc::kInvalidArgument), Kind::kRefused);
}

}  // namespace
}  // namespace meterhub::notify
