#include <meterhub/connector/foreign_transport.h>

#include <gmock/gmock.h>

#include "foreign_server.h"

namespace meterhub::connector {
namespace {

using namespace test;
using lorawan::AnswerKind;
using lorawan::PacketError;

class ForeignTransportTest : public WireTest {
 protected:
  void start(std::size_t window = 256, std::vector<net::Address> more_servers = {}) {
    ForeignTransportOptions options;
    options.servers = std::move(more_servers);
    options.servers.push_back(server_.address());
    options.answer_wait = 200ms;
    options.window = window;
    auto made = ForeignTransport::create(*loop_, *loop_, metrics_, options);
    ASSERT_TRUE(made) << made.error().text;
    transport_ = std::move(*made);
    server_.answer_to(transport_->answers_at());
  }
  void ask(Block block, std::vector<Opened>& out, bool& done) {
    transport_->open(std::move(block), [&](std::vector<Opened> opened) {
      out = std::move(opened);
      done = true;
    });
  }
  std::vector<Opened> ask(Block block, std::chrono::milliseconds patience = 10s) {
    std::vector<Opened> out;
    bool done = false;
    ask(std::move(block), out, done);
    run_until([&] { return done; }, patience);
    return out;
  }
  static std::vector<std::string> bodies(std::size_t count, std::uint8_t device = 1) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(vendor_body(device, static_cast<std::uint8_t>(i), "reading " + std::to_string(i)));
    return out;
  }

  ForeignServer server_{*loop_, net::Address::loopback()};
  std::unique_ptr<ForeignTransport> transport_;
};

TEST_F(ForeignTransportTest, SendsBodiesAsTheyCameAndTakesAnswersHoweverTheyAreCut) {
  start();
  const auto sent = bodies(100);
  const auto opened = ask(block_of(sent));
  ASSERT_EQ(opened.size(), 100U);
  server_.bodies.resize(100);  // one may come again, to see whether it is answered again
  EXPECT_THAT(server_.bodies, testing::UnorderedElementsAreArray(sent));
  for (std::size_t i = 0; i < opened.size(); ++i) {
    ASSERT_EQ(opened[i].answers.size(), 1U) << i;
    EXPECT_EQ(opened[i].answers[0].fcnt, i);
    EXPECT_EQ(base::as_text(opened[i].answers[0].payload), "reading " + std::to_string(i));
    EXPECT_FALSE(opened[i].answers[0].proven);
  }
  EXPECT_EQ(total("meterhub_connector_foreign_sent_total"), 100U);
  EXPECT_EQ(total("meterhub_connector_foreign_answered_total"), 100U);
}

TEST_F(ForeignTransportTest, SendsAgainOnceWhatWasNotAnswered) {
  start();
  server_.ignores = [](std::size_t number) { return number % 5 == 0 && number < 50; };
  const auto opened = ask(block_of(bodies(50)));
  ASSERT_EQ(opened.size(), 50U);
  std::set<std::uint32_t> counters;
  for (const auto& one : opened) {
    for (const auto& answer : one.answers) {
      EXPECT_EQ(answer.kind, AnswerKind::kApp);
      counters.insert(answer.fcnt);
    }
  }
  EXPECT_EQ(counters.size(), 50U);
  EXPECT_EQ(total("meterhub_connector_foreign_resent_total"), 50U);  // of opaque bodies nobody knows which
  EXPECT_EQ(total("meterhub_connector_foreign_unanswered_total"), 0U);
}

TEST_F(ForeignTransportTest, KnowsTheFramesOfAGatewaysJsonByTheirCounters) {
  start();
  server_.ignores = [](std::size_t) { return true; };
  net::ConnectionPtr connection = *net::connect(*loop_, transport_->answers_at(), {}, server_);
  std::vector<Opened> opened;
  bool done = false;
  ask(block_of({body_of({packet(1, 70)}), body_of({packet(1, 71)}), body_of({packet(1, 72)})}), opened, done);
  const auto answer = [](int seqno) { return R"({"app":{"moteeui":"00000000000000aa","userdata":{"seqno":)" + std::to_string(seqno) + R"(,"port":1,"payload":"AA"},"gwrx":{"eui":"fffe020100000011","time":"2023-11-14T22:13:20Z"}}})"; };
  connection->write(base::as_bytes(answer(72) + answer(65536 + 70)));
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_EQ(opened[0].answers.at(0).fcnt, 65606U);
  EXPECT_EQ(opened[1].answers.at(0).error, PacketError::kNsUnanswered);
  EXPECT_EQ(opened[2].answers.at(0).fcnt, 72U);
  EXPECT_EQ(total("meterhub_connector_foreign_resent_total"), 1U);
  connection->abort();
}

TEST_F(ForeignTransportTest, PutsAsideWhatStaysUnansweredWhileOthersAreAnswered) {
  start();
  auto sent = bodies(10);
  sent[4] = "a body that the vendor's server does not understand";
  const auto opened = ask(block_of(sent));
  ASSERT_EQ(opened.size(), 10U);
  std::size_t unanswered = 0;
  for (const auto& one : opened) unanswered += static_cast<std::size_t>(std::ranges::count(one.answers, PacketError::kNsUnanswered, &lorawan::Answer::error));
  EXPECT_EQ(unanswered, 1U);
  EXPECT_EQ(total("meterhub_connector_foreign_unanswered_total"), 1U);
}

TEST_F(ForeignTransportTest, WaitsWhileTheServerIsAwayAndGoesOnWhenItIsBack) {
  start();
  bool away = true;
  server_.ignores = [&](std::size_t) { return away; };
  std::vector<Opened> opened;
  bool done = false;
  ask(block_of(bodies(5)), opened, done);
  EXPECT_FALSE(run_until([&] { return done; }, 1s));
  away = false;
  ASSERT_TRUE(run_until([&] { return done; }));
  for (const auto& one : opened) EXPECT_EQ(one.answers.at(0).kind, AnswerKind::kApp);
}

TEST_F(ForeignTransportTest, WaitsForAServerThatHangsWithItsConnectionOpen) {
  start(16);
  ASSERT_EQ(ask(block_of(bodies(20, 1))).size(), 20U);
  ASSERT_TRUE(run_until([&] { return total("meterhub_connector_foreign_repeated_total") > 0; })) << "answers a body twice";
  bool hangs = true;
  server_.ignores = [&](std::size_t) { return hangs; };
  std::vector<Opened> opened;
  bool done = false;
  ask(block_of(bodies(100, 2)), opened, done);
  EXPECT_FALSE(run_until([&] { return done; }, 4s));
  EXPECT_EQ(total("meterhub_connector_foreign_unanswered_total"), 0U);
  hangs = false;
  ASSERT_TRUE(run_until([&] { return done; }));
  for (const auto& one : opened) EXPECT_EQ(one.answers.at(0).kind, AnswerKind::kApp);
}

// The server came back in the middle of a pass: what it missed of that pass is no verdict.
TEST_F(ForeignTransportTest, SendsAllOnceMoreAfterASilence) {
  start(16);
  ASSERT_EQ(ask(block_of(bodies(20, 1))).size(), 20U);
  ASSERT_TRUE(run_until([&] { return total("meterhub_connector_foreign_repeated_total") > 0; }));
  const auto before = server_.received;
  server_.ignores = [&](std::size_t number) { return number < before + 150; };
  const auto opened = ask(block_of(bodies(100, 2)));
  ASSERT_EQ(opened.size(), 100U);
  for (const auto& one : opened) EXPECT_EQ(one.answers.at(0).kind, AnswerKind::kApp);
}

// A server that comes back works through all that piled up, answer by answer, before it sees what is new.
TEST_F(ForeignTransportTest, WaitsWhileAServerWorksThroughWhatPiledUp) {
  start();
  net::ConnectionPtr connection = *net::connect(*loop_, transport_->answers_at(), {}, server_);
  const auto answer = [&](int seqno) {
    connection->write(base::as_bytes(R"({"app":{"moteeui":"00000000000000aa","userdata":{"seqno":)" + std::to_string(seqno) +
                                     R"(,"port":1,"payload":"AA"},"gwrx":{"eui":"fffe020100000011","time":"2023-11-14T22:13:20Z"}}})"));
  };
  server_.ignores = [](std::size_t) { return true; };
  std::vector<Opened> opened;
  bool done = false;
  ask(block_of({"one body", "another"}), opened, done);
  ASSERT_TRUE(run_until([&] { return server_.received >= 4; })) << "sent again";
  for (int i = 0; i < 12; ++i) {
    answer(1);
    EXPECT_FALSE(run_until([&] { return done; }, 100ms));
  }
  answer(2);
  ASSERT_TRUE(run_until([&] { return done; }));
  EXPECT_EQ(opened[0].answers.at(0).kind, AnswerKind::kApp);
  EXPECT_EQ(opened[1].answers.at(0).kind, AnswerKind::kApp);
  connection->abort();
}

TEST_F(ForeignTransportTest, BelievesTheSilenceAboutABodyOfAServerThatAnswersOthers) {
  start();
  ASSERT_EQ(ask(block_of(bodies(20, 1))).size(), 20U);
  ASSERT_TRUE(run_until([&] { return total("meterhub_connector_foreign_repeated_total") > 0; }));
  const auto opened = ask(block_of({"nobody knows this"}), 2s);
  ASSERT_EQ(opened.size(), 1U) << "two waits of 200 ms";
  EXPECT_EQ(opened[0].answers.at(0).error, PacketError::kNsUnanswered);
}

// It guards against replays: nothing can be asked again to see whether it lives.
TEST_F(ForeignTransportTest, BelievesASilenceOfSomeTimeOfAServerThatAnswersNoBodyTwice) {
  start();
  std::set<std::string> answered;
  server_.ignores = [&](std::size_t) { return !answered.insert(server_.bodies.back()).second; };
  ASSERT_EQ(ask(block_of(bodies(20, 1))).size(), 20U);
  const auto opened = ask(block_of({"nobody knows this"}));
  ASSERT_EQ(opened.size(), 1U);
  EXPECT_EQ(opened[0].answers.at(0).error, PacketError::kNsUnanswered);
  EXPECT_EQ(total("meterhub_connector_foreign_repeated_total"), 0U);
}

TEST_F(ForeignTransportTest, AsksTheOtherServerWhatOneOfTwoDoesNotAnswer) {
  ForeignServer dead(*loop_, net::Address::loopback());
  dead.ignores = [](std::size_t) { return true; };
  start(256, {dead.address()});
  const auto opened = ask(block_of(bodies(20)));
  ASSERT_EQ(opened.size(), 20U);
  for (const auto& one : opened) EXPECT_EQ(one.answers.at(0).kind, AnswerKind::kApp);
  EXPECT_GT(dead.received, 0U);
  EXPECT_EQ(total("meterhub_connector_foreign_unanswered_total"), 0U);
}

TEST_F(ForeignTransportTest, HasOneBlockUnderWayAndOneWindowOfPackets) {
  start(16);
  std::vector<Opened> first, second;
  bool first_done = false, second_done = false;
  ask(block_of(bodies(60, 1)), first, first_done);
  ask(block_of(bodies(60, 2)), second, second_done);
  ASSERT_TRUE(run_until([&] { return second_done; }));
  EXPECT_TRUE(first_done);
  for (const auto& one : first) EXPECT_EQ(one.answers.at(0).device.value, 1U);
  for (const auto& one : second) EXPECT_EQ(one.answers.at(0).device.value, 2U);
}

TEST_F(ForeignTransportTest, BelievesNoProofOfAForeignServer) {
  start();
  net::ConnectionPtr connection = *net::connect(*loop_, transport_->answers_at(), {}, server_);
  server_.ignores = [&](std::size_t) {
    connection->write(base::as_bytes(R"({"app":{"moteeui":"00000000000000aa","userdata":{"seqno":7,"port":1,"payload":"AA"},"gwrx":{"eui":"fffe020100000011","time":"2023-11-14T22:13:20Z"}},"ns":{"devaddr":"01020304","session":9,"fcnt":7,"mic":"01020304","i":44}}garbage)"));
    return true;
  };
  const auto opened = ask(block_of(bodies(1)));
  ASSERT_EQ(opened.size(), 1U);
  const auto& answer = opened[0].answers.at(0);
  EXPECT_FALSE(answer.proven);
  EXPECT_EQ(answer.session.value, 0U);
  EXPECT_FALSE(answer.index);
  EXPECT_TRUE(run_until([&] { return total("meterhub_connector_ns_connections_broken_total") == 1; }));
  connection->abort();
}

TEST_F(ForeignTransportTest, CountsThePacketsOfAGatewaysJson) {
  start();
  // Two whole packets, one with a bad CRC: two answers are waited for.
  server_.ignores = [&](std::size_t) { return true; };
  net::ConnectionPtr connection = *net::connect(*loop_, transport_->answers_at(), {}, server_);
  std::vector<Opened> opened;
  bool done = false;
  ask(block_of({R"({"rxpk":[{"modu":"LORA","data":"AAAA"},{"stat":-1,"modu":"LORA","data":"AAAA"},{"modu":"LORA","data":"AAAB"}]})"}), opened, done);
  const auto answer = [](int seqno) { return R"({"app":{"moteeui":"00000000000000aa","userdata":{"seqno":)" + std::to_string(seqno) + R"(,"port":1,"payload":"AA"},"gwrx":{"eui":"fffe020100000011","time":"2023-11-14T22:13:20Z"}}})"; };
  ASSERT_TRUE(run_until([&] { return server_.received == 1; }));
  connection->write(base::as_bytes(answer(1)));
  EXPECT_FALSE(run_until([&] { return done; }, 100ms));
  connection->write(base::as_bytes(answer(2)));
  ASSERT_TRUE(run_until([&] { return done; }, 100ms));
  EXPECT_EQ(opened[0].answers.size(), 2U);
  connection->abort();
}

}  // namespace
}  // namespace meterhub::connector
