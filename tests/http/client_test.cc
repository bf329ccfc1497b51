#include <meterhub/http/client.h>

#include "server_fixture.h"

namespace meterhub::http {
namespace {

using ClientTest = test::ServerFixture;

TEST_F(ClientTest, AsksThroughTheControlSocket) {
  const auto path = ::testing::TempDir() + "http_" + std::to_string(getpid()) + ".sock";
  start();
  ASSERT_TRUE(server_->listen_unix(path));
  server_->route(Method::kPost, "/echo", [](const Request& request, Reply reply) {
    std::move(reply).send(Response::text(200, request.body + (request.local ? " local" : " remote")));
  });
  const auto answer = beside([&] { return Client::unix_domain(path).request(Method::kPost, "/echo", "hi"); });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "hi local");
  EXPECT_EQ(answer->header("content-type"), "text/plain; charset=utf-8");
}

TEST_F(ClientTest, SaysThatNoPlatformRuns) {
  const auto answer = Client::unix_domain("/nonexistent/control.sock").get("/");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, base::Errc::kUnavailable);
}

TEST_F(ClientTest, GivesUpWhenThereIsNoAnswer) {
  start();
  std::vector<Reply> kept;
  server_->route(Method::kGet, "/slow", [&](const Request&, Reply reply) { kept.push_back(std::move(reply)); });
  const auto answer = beside([&] {
    auto client = Client::tcp(address_);
    client.set_timeout(std::chrono::milliseconds(20));
    return client.get("/slow");
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, base::Errc::kTimeout);
}

TEST_F(ClientTest, FollowsEventsUntilItHasEnough) {
  start();
  StreamPtr stream;
  server_->route(Method::kGet, "/events", [&](const Request&, Reply reply) {
    stream = std::move(reply).events();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(stream->send_event("n", std::to_string(i) + "\nx"));
  });
  std::string seen;
  const auto end = beside([&] {
    return Client::tcp(address_).follow("/events", [&](std::string_view piece) {
      seen += piece;
      return seen.find("data: 2") == std::string::npos;
    });
  });
  EXPECT_TRUE(end);
  EXPECT_TRUE(seen.starts_with("event: n\ndata: 0\ndata: x\n\nevent: n\ndata: 1\n")) << seen;
  // The client has gone: the stream notices.
  EXPECT_TRUE(run_until([&] { return !stream->write("x"); }));
}

}  // namespace
}  // namespace meterhub::http
