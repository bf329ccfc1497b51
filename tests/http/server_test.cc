#include <meterhub/http/server.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "server_fixture.h"

namespace meterhub::http {
namespace {

using namespace std::chrono_literals;

// Raw bytes against the server, on its loop.
struct RawClient final : net::ConnectionHandler {
  std::string received;
  bool closed = false;
  net::ConnectionPtr connection;
  ~RawClient() override {
    if (connection) connection->abort();
  }
  void on_data(base::BytesView bytes) override { received += base::as_text(bytes); }
  void on_closed(net::CloseReason, std::string_view) override { closed = true; }
};

class ServerTest : public test::ServerFixture {
 protected:
  RawClient raw_;

  void SetUp() override {
    options_.body_max = 1000;
    options_.header_max = 2000;
    start();
    server_->route(Method::kGet, "/hello/{name}", [](const Request& request, Reply reply) {
      std::move(reply).send(
          Response::text(200, std::string(request.param("name")) + "?" + std::string(request.query_value("q"))));
    });
    server_->route(Method::kPut, "/size", [](const Request& request, Reply reply) {
      std::move(reply).send(Response::text(200, std::to_string(request.body.size())));
    });
  }
  void dial() { raw_.connection = std::move(*net::connect(*loop_, address_, {}, raw_)); }
  void say(std::string_view text) { raw_.connection->write(base::as_bytes(text)); }
};

TEST_F(ServerTest, RoutesByMethodAndPathWithParametersAndQuery) {
  EXPECT_EQ(ask(Method::kGet, "/hello/a%20b?q=1%2B1")->body, "a b?1+1");
  EXPECT_EQ(ask(Method::kPut, "/size", "12345")->body, "5");
}

TEST_F(ServerTest, UnknownPathIs404AndWrongMethod405WithAllow) {
  EXPECT_EQ(ask(Method::kGet, "/nothing")->status, 404u);
  const auto wrong = ask(Method::kDelete, "/size");
  EXPECT_EQ(wrong->status, 405u);
  EXPECT_EQ(wrong->header("Allow"), "PUT");
  EXPECT_EQ(ask(Method::kOptions, "/size")->status, 204u);
}

TEST_F(ServerTest, HeadIsAnsweredWithoutABody) {
  const auto head = ask(Method::kHead, "/hello/x");
  EXPECT_EQ(head->status, 200u);
  EXPECT_EQ(head->header("Content-Length"), "2");
  EXPECT_EQ(head->body, "");
}

TEST_F(ServerTest, ABodyOverTheLimitIs413) {
  EXPECT_EQ(ask(Method::kPut, "/size", std::string(1001, 'x'))->status, 413u);
}

TEST_F(ServerTest, GarbageIs400AndTheConnectionEnds) {
  dial();
  say("\x01\x02\x03\r\n\r\n");
  EXPECT_TRUE(run_until([&] { return raw_.closed; }));
  EXPECT_TRUE(raw_.received.starts_with("HTTP/1.1 400 ")) << raw_.received;
}

TEST_F(ServerTest, AnEndlessHeaderIs413) {
  dial();
  say("GET / HTTP/1.1\r\nX: " + std::string(4000, 'x'));
  EXPECT_TRUE(run_until([&] { return raw_.closed; }));
  EXPECT_TRUE(raw_.received.starts_with("HTTP/1.1 413 ")) << raw_.received;
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrderOnOneConnection) {
  dial();
  say("GET /hello/1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello/2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /hello/3 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(run_until([&] { return raw_.closed; }));
  const auto one = raw_.received.find("\r\n\r\n1?");
  const auto two = raw_.received.find("\r\n\r\n2?");
  const auto three = raw_.received.find("\r\n\r\n3?");
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_NE(three, std::string::npos);
}

TEST_F(ServerTest, AClientQuickerThanTheLoopIsAnsweredToo) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(address_.port);
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  constexpr std::string_view kRequest = "GET /hello/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (int n = 0; n < 5; ++n) {
    // The next request is there before the loop turns again.
    ASSERT_EQ(::send(fd, kRequest.data(), kRequest.size(), 0), static_cast<ssize_t>(kRequest.size()));
    std::array<char, 1024> buffer{};
    ssize_t got = -1;
    run_until([&] { return got > 0 || (got = ::recv(fd, buffer.data(), buffer.size() - 1, MSG_DONTWAIT)) > 0; });
    EXPECT_TRUE(std::string_view(buffer.data()).starts_with("HTTP/1.1 200")) << n << buffer.data();
  }
  ::close(fd);
}

TEST_F(ServerTest, AClientThatAsksFirstIsToldToContinue) {
  dial();
  say("PUT /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return raw_.received == "HTTP/1.1 100 Continue\r\n\r\n"; })) << raw_.received;
  say("ok");
  EXPECT_TRUE(run_until([&] { return raw_.received.ends_with("\r\n\r\n2"); }));
}

TEST_F(ServerTest, AStalledRequestAndAnIdleConnectionAreEnded) {
  dial();
  say("GET /hello/1 HTTP/1.1\r\nHost");
  ASSERT_TRUE(run_until([&] { return server_->connections() == 1; }));
  for (int i = 0; i < 10; ++i) loop_->run_once(1ms);
  clock_.advance(31s);
  EXPECT_TRUE(run_until([&] { return raw_.closed; }));
  ASSERT_TRUE(run_until([&] { return server_->connections() == 0; }));
  RawClient idle;
  idle.connection = std::move(*net::connect(*loop_, address_, {}, idle));
  ASSERT_TRUE(run_until([&] { return server_->connections() == 1; }));
  clock_.advance(61s);
  EXPECT_TRUE(run_until([&] { return idle.closed; }));
}

TEST_F(ServerTest, AReplyMayComeLaterFromAnotherThread) {
  std::thread other;
  server_->route(Method::kGet, "/later", [&](const Request&, Reply reply) {
    other = std::thread([kept = std::move(reply)]() mutable { std::move(kept).send(Response::text(200, "late")); });
  });
  EXPECT_EQ(ask(Method::kGet, "/later")->body, "late");
  other.join();
}

TEST_F(ServerTest, AForgottenReplyIs500) {
  server_->route(Method::kGet, "/forgotten", [](const Request&, Reply) {});
  EXPECT_EQ(ask(Method::kGet, "/forgotten")->status, 500u);
}

TEST_F(ServerTest, AStreamWhoseClientTakesNothingSaysSo) {
  StreamPtr stream;
  server_->route(Method::kGet, "/stream", [&](const Request&, Reply reply) {
    stream = std::move(reply).stream(Response::text(200, "first "));
  });
  dial();
  say("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return raw_.received.ends_with("first \r\n"); }));
  raw_.connection->pause_reading();
  const std::string piece(100'000, 'x');
  std::size_t taken = 0;
  for (int i = 0; i < 1000 && stream->write(piece); ++i) {
    ++taken;
    loop_->run_once(0ms);
  }
  EXPECT_LT(taken, 1000u);
  EXPECT_TRUE(stream->open());
  raw_.connection->resume_reading();
  ASSERT_TRUE(run_until([&] { return stream->write("last"); }));
  stream->end();
  EXPECT_TRUE(run_until([&] { return raw_.received.ends_with("last\r\n0\r\n\r\n"); }));
}

TEST_F(ServerTest, ContentHasAnETag) {
  server_->content("/page.js", "text/javascript", "let a;");
  const auto first = ask(Method::kGet, "/page.js");
  EXPECT_EQ(first->body, "let a;");
  const auto second = ask(Method::kGet, "/page.js", {}, {{"If-None-Match", std::string(first->header("ETag"))}});
  EXPECT_EQ(second->status, 304u);
  EXPECT_EQ(second->body, "");
}

TEST_F(ServerTest, TheGuardIsAskedBeforeEveryHandler) {
  server_->guard([](const Request& request) -> base::Result<void> {
    if (request.header("Authorization") == "Bearer k") return {};
    return base::fail(base::Errc::kUnauthorized, "key needed");
  });
  EXPECT_EQ(ask(Method::kGet, "/hello/x")->status, 401u);
  EXPECT_EQ(ask(Method::kGet, "/hello/x", {}, {{"Authorization", "Bearer k"}})->status, 200u);
}

TEST_F(ServerTest, AnUpgradeHandsTheConnectionOverWithTheBytesBehindIt) {
  std::string rest;
  net::ConnectionPtr taken;
  server_->upgrade("/ws", [&](const Request& request, net::ConnectionPtr connection, std::string bytes) {
    EXPECT_EQ(request.header("Upgrade"), "websocket");
    rest = std::move(bytes);
    taken = std::move(connection);
  });
  dial();
  say("GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframe");
  EXPECT_TRUE(run_until([&] { return taken != nullptr; }));
  EXPECT_EQ(rest, "frame");
  EXPECT_EQ(server_->connections(), 0u);
  taken->abort();
}

TEST_F(ServerTest, EndsInTheIterationInWhichAClientHangsUp) {
  std::optional<Reply> late;
  server_->route(Method::kGet, "/late", [&](const Request&, Reply reply) { late.emplace(std::move(reply)); });
  dial();
  say("GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return late.has_value(); }));
  loop_->post([&] { server_.reset(); });
  std::move(*late).send(Response::text(200, "too late"));
  raw_.connection->abort();
  loop_->run_once(1s);
  loop_->run_once(0s);
  EXPECT_EQ(server_, nullptr);
}

TEST_F(ServerTest, AStreamThatIsAbortedDoesNotLookWhole) {
  server_->route(Method::kGet, "/whole", [](const Request&, Reply reply) {
    const auto stream = std::move(reply).stream(Response::text(200, "first "));
    EXPECT_TRUE(stream->write("last"));
    stream->end();
  });
  server_->route(Method::kGet, "/broken", [](const Request&, Reply reply) {
    const auto stream = std::move(reply).stream(Response::text(200, "first "));
    stream->abort();
    EXPECT_FALSE(stream->open());
    EXPECT_FALSE(stream->write("more"));
    stream->end();
  });
  EXPECT_EQ(ask(Method::kGet, "/whole")->body, "first last");
  EXPECT_FALSE(ask(Method::kGet, "/broken"));
}

TEST_F(ServerTest, PlainHttpIsForLoopbackOnly) {
  EXPECT_FALSE(server_->listen(*net::Address::parse("0.0.0.0:0"), {}));
}

using HostTest = test::ServerFixture;

TEST_F(HostTest, CommonHeadersGoOutWithEveryResponseThatDoesNotSetThem) {
  options_.headers = {{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}};
  start();
  server_->content("/page.js", "text/javascript", "let a;");
  const auto page = ask(Method::kGet, "/page.js");
  EXPECT_EQ(page->header("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(page->header("Cache-Control"), "no-cache");
  EXPECT_EQ(ask(Method::kGet, "/nothing")->header("Cache-Control"), "no-store");
}

TEST_F(HostTest, OnlyKnownNamesAreAnswered) {
  options_.hosts = {"Hub.Example"};
  start();
  server_->route(Method::kGet, "/", [](const Request&, Reply reply) { std::move(reply).send(Response::text(200, "")); });
  const auto status_for = [&](std::string_view host) {
    RawClient raw;
    raw.connection = std::move(*net::connect(*loop_, address_, {}, raw));
    raw.connection->write(
        base::as_bytes("GET / HTTP/1.1\r\nConnection: close\r\nHost: " + std::string(host) + "\r\n\r\n"));
    EXPECT_TRUE(run_until([&] { return raw.closed; }));
    return raw.received.substr(std::min<std::size_t>(raw.received.size(), 9), 3);
  };
  EXPECT_EQ(status_for("hub.example:8443"), "200");
  EXPECT_EQ(status_for("127.0.0.1:80"), "200");
  EXPECT_EQ(status_for("[::1]:80"), "200");
  EXPECT_EQ(status_for("evil.example"), "403");
}

}  // namespace
}  // namespace meterhub::http
