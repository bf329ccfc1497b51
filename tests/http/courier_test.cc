// Posts and mails to servers that do what servers do: answer, refuse, hang, hang up.
#include <meterhub/http/courier.h>

#include <future>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>

namespace meterhub::http {
namespace {

using testing::HasSubstr;
using Answer = base::Result<Response>;

// A TCP server on loopback. Each connection runs `serve` on a thread of the server's.
class Listener {
 public:
  explicit Listener(std::function<void(int)> serve) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(socket_, 1024), 0);
    socklen_t size = sizeof(address);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      for (int taken = 0; (taken = ::accept(socket_, nullptr, nullptr)) >= 0;) {
        serve(taken);
        ::close(taken);
      }
    });
  }
  ~Listener() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::string at(const std::string& scheme) const { return scheme + "://127.0.0.1:" + std::to_string(port_); }

 private:
  int socket_;
  int port_ = 0;
  std::thread thread_;
};

void say(int socket, const std::string& text) {
  EXPECT_EQ(::send(socket, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

// Up to a line's end; empty at the end of the connection.
std::string hear(int socket) {
  std::string out;
  char c = 0;
  while (!out.ends_with('\n') && ::recv(socket, &c, 1, 0) == 1) out += c;
  return out;
}

// Waits for the peer to go.
void hang(int socket) {
  char c = 0;
  while (::recv(socket, &c, 1, 0) > 0) {
  }
}

// A mail server that answers each command by `answer`; what it took is in `mails`.
void serve_mail(int socket, std::vector<std::string>& mails,
                const std::function<std::string(const std::string&)>& answer) {
  say(socket, "220 sink\r\n");
  for (auto line = hear(socket); !line.empty(); line = hear(socket)) {
    const auto said = answer(line);
    if (said.empty()) return;
    say(socket, said);
    if (!line.starts_with("DATA") || !said.starts_with("354")) continue;
    std::string mail;
    for (line = hear(socket); line != ".\r\n" && !line.empty(); line = hear(socket)) mail += line;
    mails.push_back(mail);
    say(socket, "250 2.0.0 queued as 1\r\n");
  }
}

std::string friendly(const std::string& line) {
  return line.starts_with("DATA") ? "354 go on\r\n" : line.starts_with("QUIT") ? "221 bye\r\n" : "250 ok\r\n";
}

class CourierTest : public testing::Test {
 protected:
  static Courier::Done into(const std::shared_ptr<std::promise<Answer>>& promise) {
    return [promise](Answer answer) { promise->set_value(std::move(answer)); };
  }
  std::future<Answer> post(const std::string& url) {
    const auto promise = std::make_shared<std::promise<Answer>>();
    courier_->post(url + "/hook", "{}", {}, options_, into(promise));
    return promise->get_future();
  }
  std::future<Answer> mail(const std::string& server, std::vector<std::string> to = {"a@example.org"}) {
    const auto promise = std::make_shared<std::promise<Answer>>();
    courier_->mail({server, "", "", "m@example.org", std::move(to), "Subject: x\r\n\r\nhello\r\n.dot\r\n", tls_},
                   options_, into(promise));
    return promise->get_future();
  }

  PostOptions options_{std::chrono::milliseconds(5000), {}};
  MailTls tls_ = MailTls::kIfOffered;
  std::unique_ptr<Courier> courier_ = *Courier::create();
};

TEST_F(CourierTest, AServerThatHangsHoldsUpNobodyElse) {
  Listener hanging(hang);
  Listener quick([](int socket) {
    hear(socket);
    say(socket, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  });
  options_.timeout = std::chrono::milliseconds(600'000);
  auto first = post(hanging.at("http"));
  const auto quickly = post(quick.at("http")).get();
  ASSERT_TRUE(quickly) << quickly.error().text;
  EXPECT_EQ(quickly->status, 204U);
  EXPECT_EQ(first.wait_for(std::chrono::seconds(0)), std::future_status::timeout) << "still waiting";
  courier_.reset();
}

TEST_F(CourierTest, AServerThatHangsIsGivenUpAfterItsTime) {
  Listener hanging(hang);
  options_.timeout = std::chrono::milliseconds(200);
  const auto posted = post(hanging.at("http")).get();
  ASSERT_FALSE(posted);
  EXPECT_EQ(posted.error().code, base::Errc::kTimeout);
  const auto mailed = mail(hanging.at("smtp")).get();
  ASSERT_FALSE(mailed);
  EXPECT_EQ(mailed.error().code, base::Errc::kTimeout);
}

TEST_F(CourierTest, AServerThatHangsUpMidwayIsWorthAnotherAttempt) {
  Listener rude([](int socket) {
    hear(socket);
    say(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  });
  const auto answer = post(rude.at("http")).get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, base::Errc::kUnavailable);
  std::vector<std::string> mails;
  Listener rude_mail([&](int socket) {
    serve_mail(socket, mails,
               [](const std::string& line) { return line.starts_with("DATA") ? std::string() : friendly(line); });
  });
  const auto mailed = mail(rude_mail.at("smtp")).get();
  ASSERT_FALSE(mailed);
  EXPECT_EQ(mailed.error().code, base::Errc::kUnavailable);
}

TEST_F(CourierTest, CarriesAMailWithDotsAtItsLinesBegin) {
  std::vector<std::string> mails;
  std::vector<std::string> said;
  Listener sink([&](int socket) {
    serve_mail(socket, mails, [&](const std::string& line) {
      said.push_back(line);
      return friendly(line);
    });
  });
  const auto answer = mail(sink.at("smtp"), {"a@example.org", "b@example.org"}).get();
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_LT(answer->status, 400U);
  EXPECT_THAT(answer->body, HasSubstr("queued as 1"));
  EXPECT_THAT(said, testing::IsSupersetOf({"MAIL FROM:<m@example.org>\r\n", "RCPT TO:<a@example.org>\r\n",
                                           "RCPT TO:<b@example.org>\r\n"}));
  EXPECT_THAT(mails, testing::ElementsAre("Subject: x\r\n\r\nhello\r\n..dot\r\n"));
}

TEST_F(CourierTest, OneAddressThatIsRefusedKeepsNobodyElseFromBeingTold) {
  std::vector<std::string> mails;
  Listener sink([&](int socket) {
    serve_mail(socket, mails, [&](const std::string& line) {
      return line.contains("RCPT TO:<gone") ? "550 5.1.1 no such user\r\n" : friendly(line);
    });
  });
  const auto answer = mail(sink.at("smtp"), {"gone@example.org", "b@example.org"}).get();
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_LT(answer->status, 400U);
  EXPECT_THAT(answer->body, HasSubstr("550 5.1.1 no such user"));
  EXPECT_EQ(mails.size(), 1U);
}

TEST_F(CourierTest, ARefusalIsAValueWithTheServersWords) {
  std::vector<std::string> mails;
  for (const auto& [refused, code] : {std::pair{"MAIL", 451U}, std::pair{"RCPT", 550U}, std::pair{"DATA", 554U}}) {
    Listener sink([&](int socket) {
      serve_mail(socket, mails, [&](const std::string& line) {
        return line.starts_with(refused) ? std::to_string(code) + " not now\r\n" : friendly(line);
      });
    });
    const auto answer = mail(sink.at("smtp")).get();
    ASSERT_TRUE(answer) << refused << ": " << answer.error().text;
    EXPECT_EQ(answer->status, code);
    EXPECT_THAT(answer->body, HasSubstr("not now"));
  }
  EXPECT_TRUE(mails.empty());
}

TEST_F(CourierTest, SendsNothingWithoutTheTlsThatItMustHave) {
  std::vector<std::string> mails;
  Listener sink([&](int socket) { serve_mail(socket, mails, friendly); });
  tls_ = MailTls::kRequired;
  const auto answer = mail(sink.at("smtp")).get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, base::Errc::kPrecondition);
  EXPECT_TRUE(mails.empty());
}

TEST_F(CourierTest, WhatIsUnderWayWhenItGoesIsCancelled) {
  Listener hanging(hang);
  auto answer = post(hanging.at("http"));
  courier_.reset();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(answer.get().error().code, base::Errc::kCancelled);
}

TEST_F(CourierTest, MoreThanMayBeUnderWayWaitTheirTurn) {
  std::atomic<int> served = 0;
  Listener quick([&](int socket) {
    hear(socket);
    ++served;
    say(socket, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  });
  options_.timeout = std::chrono::milliseconds(60'000);
  std::vector<std::future<Answer>> answers;
  for (std::size_t i = 0; i < Courier::kUnderWayMax + 50; ++i) answers.push_back(post(quick.at("http")));
  for (auto& answer : answers) EXPECT_TRUE(answer.get());
  EXPECT_EQ(served, static_cast<int>(Courier::kUnderWayMax + 50));
}

}  // namespace
}  // namespace meterhub::http
