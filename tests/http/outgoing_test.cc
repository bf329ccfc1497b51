// POST with libcurl to servers of ours, plain and with TLS.
#include <meterhub/http/outgoing.h>

#include <fstream>

#include <gmock/gmock.h>

#include <meterhub/crypto/certificates.h>
#include <meterhub/net/tls.h>

#include "../support/temporary_directory.h"
#include "server_fixture.h"

namespace meterhub::http {
namespace {

using testing::HasSubstr;

class Outgoing : public test::ServerFixture {
 protected:
  void answer(unsigned status, std::string body = {}) {
    server_->route(Method::kPost, "/hook", [this, status, body](const Request& request, Reply reply) {
      seen_ = request;
      auto response = Response::text(status, body);
      if (status == 302) response.headers.emplace_back("Location", "/elsewhere");
      std::move(reply).send(std::move(response));
    });
  }
  base::Result<Response> post_to(const std::string& url, PostOptions options = {}) {
    return beside([=] { return post(url, R"({"a":1})", {{"X-One", "two"}}, options); });
  }
  std::string plain_url() const { return "http://" + address_.text() + "/hook"; }

  Request seen_;
};

TEST_F(Outgoing, CarriesBodyHeadersAndStatus) {
  start();
  answer(201, "made");
  const auto response = post_to(plain_url());
  ASSERT_TRUE(response) << response.error().text;
  EXPECT_EQ(response->status, 201U);
  EXPECT_EQ(response->body, "made");
  EXPECT_EQ(seen_.body, R"({"a":1})");
  EXPECT_EQ(seen_.header("X-One"), "two");
}

TEST_F(Outgoing, FollowsNoRedirectAndKeepsLittleOfAnAnswer) {
  start();
  answer(302, std::string(100'000, 'x'));
  const auto response = post_to(plain_url());
  ASSERT_TRUE(response) << response.error().text;
  EXPECT_EQ(response->status, 302U);
  EXPECT_EQ(response->body.size(), 4096U);
}

TEST_F(Outgoing, SaysThatNobodyIsThere) {
  const auto response = post("http://127.0.0.1:1/hook", "{}", {}, {});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, base::Errc::kUnavailable);
}

TEST_F(Outgoing, TrustsOnlyTheAuthorityThatItIsGiven) {
  const auto now = base::SystemClock().now();
  const auto authority = *crypto::make_authority("test", now - std::chrono::hours(1), now + std::chrono::hours(1));
  const auto certificate = *crypto::make_certificate(authority, {.common_name = "localhost",
                                                                 .dns_names = {"localhost"},
                                                                 .addresses = {"127.0.0.1"},
                                                                 .from = now - std::chrono::hours(1),
                                                                 .until = now + std::chrono::hours(1)});
  server_ = Server::create(*loop_, metrics_, options_);
  net::ListenOptions listen;
  listen.tls = *net::TlsContext::server({{certificate.certificate, certificate.private_key}, {}});
  address_ = *server_->listen(net::Address::loopback(), listen);
  answer(200);
  const meterhub::test::TemporaryDirectory folder;
  const auto ca = (folder / "ca.pem").string();
  std::ofstream(ca) << authority.certificate;
  const auto url = "https://" + address_.text() + "/hook";
  PostOptions options;
  options.ca_file = ca;
  const auto trusted = post_to(url, options);
  ASSERT_TRUE(trusted) << trusted.error().text;
  EXPECT_EQ(trusted->status, 200U);
  const auto untrusted = post_to(url);
  ASSERT_FALSE(untrusted);
  EXPECT_EQ(untrusted.error().code, base::Errc::kUnavailable);
}

TEST_F(Outgoing, GoesByHttpsOrStaysOnTheMachine) {
  for (const char* url : {"https://example.org/hook", "https://10.0.0.1:8443/", "http://localhost:80/x",
                          "http://127.0.0.1/x", "http://[::1]:8080/"}) {
    EXPECT_TRUE(check_post_url(url)) << url;
  }
  for (const char* url : {"", "hook", "http://example.org/", "http://10.0.0.1/", "ftp://localhost/",
                          "file:///etc/passwd", "https://user:word@example.org/", "http://localhost.example.org/"}) {
    EXPECT_FALSE(check_post_url(url)) << url;
  }
}

}  // namespace
}  // namespace meterhub::http
