#include <meterhub/connector/udp_transport.h>

#include <gmock/gmock.h>

#include <set>

#include <meterhub/base/encoding.h>
#include <meterhub/ns/server.h>

#include "scripted_server.h"

namespace meterhub::connector {
namespace {

using namespace test;
using lorawan::AnswerKind;
using lorawan::PacketError;

class UdpTransportTest : public WireTest {
 protected:
  std::unique_ptr<ns::Server> real_server() { return std::move(*ns::Server::create(*loop_, table_, nullptr, metrics_, {})); }

  std::unique_ptr<UdpTransport> transport(std::vector<net::Address> servers, UdpTransportOptions options = {}) {
    options.servers = std::move(servers);
    auto made = UdpTransport::create(*loop_, *loop_, metrics_, std::move(options));
    EXPECT_TRUE(made) << made.error().text;
    return std::move(*made);
  }
  // Asks and waits; empty when no answer came in time.
  std::vector<Opened> ask(UdpTransport& transport, Block block, std::chrono::milliseconds patience = 20s) {
    struct Got {
      std::vector<Opened> opened;
      int times = 0;
    };
    const auto got = std::make_shared<Got>();
    transport.open(std::move(block), [got](std::vector<Opened> opened) {
      got->opened = std::move(opened);
      ++got->times;
    });
    run_until([&] { return got->times > 0; }, patience);
    EXPECT_LE(got->times, 1);
    return got->opened;
  }
  static std::vector<std::uint32_t> counters(const Opened& opened) {
    std::vector<std::uint32_t> out;
    for (const auto& one : opened.answers) out.push_back(one.fcnt);
    return out;
  }
};

TEST_F(UdpTransportTest, AnswersABlockThroughARealServer) {
  const auto server = real_server();
  const auto udp = transport({server->address()});
  const auto opened = ask(*udp, block_of({body_of({packet(1, 5)}), R"({"stat":{"rxnb":2}})", "{}", "no json", body_of({packet(99, 1), packet(2, 6)})}));
  ASSERT_EQ(opened.size(), 5U);
  ASSERT_EQ(opened[0].answers.size(), 1U);
  EXPECT_TRUE(opened[0].answers[0].proven);
  EXPECT_EQ(opened[0].answers[0].device.value, 0xAA01U);
  EXPECT_EQ(opened[0].answers[0].session.value, 2U);
  EXPECT_EQ(opened[0].answers[0].receptions[0].time.at, base::Timestamp(1'700'000'000s));
  EXPECT_EQ(opened[1].answers.at(0).kind, AnswerKind::kGateway);
  EXPECT_TRUE(opened[2].answers.empty());
  EXPECT_EQ(opened[3].answers.at(0).error, PacketError::kGwmpVersion);
  EXPECT_EQ(opened[4].answers.at(0).error, PacketError::kUnknownDevaddr);
  EXPECT_EQ(opened[4].fresh_as_of, base::Timestamp(1'800'000'000s));
  EXPECT_EQ(opened[4].answers.at(1).index, 1U);
}

TEST_F(UdpTransportTest, CutsABodyIntoPartsThatDoNotFragmentAndPutsTheAnswersInOrder) {
  ScriptedServer server(*loop_, table_, [](const Asked& asked) { return ScriptedServer::good_lines(asked); });
  const auto udp = transport({server.address()});
  std::string body = R"({"x":{"rid":"forged","t":"2001-01-01T00:00:00Z"},"raw":"AAAA","rxpk":[)";
  for (std::uint32_t i = 0; i < 40; ++i) body += (i == 0 ? "" : ",") + packet(1 + i % 50, 100 + i);
  const auto opened = ask(*udp, block_of({body + "]}"}));
  ASSERT_EQ(opened.size(), 1U);
  ASSERT_EQ(opened[0].answers.size(), 40U);
  for (std::uint32_t i = 0; i < 40; ++i) EXPECT_EQ(opened[0].answers[i].index, i);
  EXPECT_GE(server.asked().size(), 5U);
  for (const auto& asked : server.asked()) {
    EXPECT_LE(12 + asked.json.size(), 1400U);
    EXPECT_EQ(asked.json.find("forged"), std::string::npos);
    EXPECT_EQ(asked.json.find("AAAA\""), std::string::npos);
    EXPECT_TRUE(asked.extra.rid.starts_with("telemetry-3-1000-")) << asked.extra.rid;
    EXPECT_EQ(asked.extra.rid.size() - asked.extra.rid.rfind('-'), 17U);
    EXPECT_EQ(asked.extra.time->at, base::Timestamp(1'700'000'000s));
  }
}

TEST_F(UdpTransportTest, TellsServersTheLastCounterOfADevice) {
  ScriptedServer server(*loop_, table_, [](const Asked& asked) { return ScriptedServer::good_lines(asked); });
  const auto udp = transport({server.address()});
  ask(*udp, block_of({body_of({packet(7, 70'000)})}));
  ask(*udp, block_of({body_of({packet(7, 70'001), packet(8, 1)})}));
  ASSERT_EQ(server.asked().size(), 2U);
  EXPECT_TRUE(server.asked()[0].extra.hints.empty());
  ASSERT_EQ(server.asked()[1].extra.hints.size(), 1U);
  EXPECT_EQ(server.asked()[1].extra.hints[0].fcnt, 70'000U);
}

TEST_F(UdpTransportTest, AnswersEveryPacketOnceThoughAThirdOfTheDatagramsIsLost) {
  const auto first = real_server(), second = real_server();
  Relay a(*loop_, first->address(), 0.3, 1), b(*loop_, second->address(), 0.3, 2);
  const auto udp = transport({a.address(), b.address()});
  std::vector<std::string> bodies;
  for (std::uint32_t i = 0; i < 600; ++i) bodies.push_back(body_of({packet(1 + i % 50, i), packet(1 + (i + 7) % 50, 1000 + i)}));
  const auto opened = ask(*udp, block_of(std::move(bodies)), 60s);
  ASSERT_EQ(opened.size(), 600U);
  for (std::uint32_t i = 0; i < 600; ++i) EXPECT_EQ(counters(opened[i]), (std::vector<std::uint32_t>{i, 1000 + i})) << i;
  EXPECT_GT(a.lost() + b.lost(), 200U);
  EXPECT_GT(total("meterhub_connector_ns_parts_resent_total"), 100U);
}

TEST_F(UdpTransportTest, GoesOnWithTheOtherServerWhenOneIsKilledAndTakesItBack) {
  auto first = real_server();
  const auto second = real_server();
  const auto address = first->address();
  const auto udp = transport({address, second->address()});
  const auto many = [](std::uint32_t from) {
    std::vector<std::string> bodies;
    for (std::uint32_t i = 0; i < 100; ++i) bodies.push_back(body_of({packet(1 + i % 50, from + i)}));
    return bodies;
  };
  ASSERT_EQ(ask(*udp, block_of(many(0))).size(), 100U);
  first.reset();
  const auto opened = ask(*udp, block_of(many(1000)));
  ASSERT_EQ(opened.size(), 100U);
  for (const auto& one : opened) EXPECT_EQ(one.answers.at(0).kind, AnswerKind::kApp);
  ask(*udp, block_of(many(2000)));
  EXPECT_TRUE(run_until([&] { return total("meterhub_connector_ns_left_out_total") == 1; }, 3s));
  ns::ServerOptions again;
  again.listen = address;
  first = std::move(*ns::Server::create(*loop_, table_, nullptr, metrics_, again));
  EXPECT_TRUE(run_until([&] { return metrics_.gauge("meterhub_connector_ns_healthy", "").value() == 2; }, 3s));
}

TEST_F(UdpTransportTest, ChangesItsPortsSoThatABalancerCanSpreadThemAnew) {
  const auto server = real_server();
  Relay balancer(*loop_, server->address(), 0, 1);
  UdpTransportOptions options;
  options.sources = 2;
  options.port_life = 100ms;
  const auto udp = transport({balancer.address()}, options);
  std::uint32_t asked = 0, answered = 0;
  while (balancer.clients() < 8 && asked < 100'000) {
    answered += ask(*udp, block_of({body_of({packet(1 + asked % 50, asked)})})).size() == 1 ? 1 : 0;
    ++asked;
  }
  EXPECT_GE(balancer.clients(), 8U);
  EXPECT_EQ(answered, asked);
  EXPECT_GE(total("meterhub_connector_ns_ports_renewed_total"), 6U);
}

TEST_F(UdpTransportTest, WaitsWhileNobodyAnswers) {
  const auto silent = std::make_unique<Relay>(*loop_, net::Address::loopback(9), 1.0, 1);
  const auto address = silent->address();
  const auto udp = transport({address});
  std::vector<std::string> bodies;
  for (std::uint32_t i = 0; i < 20; ++i) bodies.push_back(body_of({packet(1, i)}));
  EXPECT_TRUE(ask(*udp, block_of(std::move(bodies)), 2s).empty());
  EXPECT_EQ(total("meterhub_connector_ns_failed_total"), 0U);
}

TEST_F(UdpTransportTest, NeverMixesLinesOfTwoAttempts) {
  // The first attempt gets line 0 of 2 alone, the second line 1 alone, the third both.
  int attempt = 0;
  ScriptedServer server(*loop_, table_, [&](const Asked& asked) {
    const auto lines = ScriptedServer::good_lines(asked);
    const auto middle = lines.find('\n') + 1;
    switch (attempt++) {
      case 0: return lines.substr(0, middle);
      case 1: return lines.substr(middle);
      default: return lines;
    }
  });
  const auto udp = transport({server.address()});
  const auto opened = ask(*udp, block_of({body_of({packet(1, 5), packet(2, 6)})}));
  ASSERT_EQ(opened.size(), 1U);
  EXPECT_EQ(counters(opened[0]), (std::vector<std::uint32_t>{5, 6}));
  EXPECT_EQ(attempt, 3);
}

TEST_F(UdpTransportTest, TakesALateAnswerToAnEarlierAttempt) {
  std::string kept;
  ScriptedServer server(*loop_, table_, [&](const Asked& asked) -> std::optional<std::string> {
    if (!kept.empty()) return std::exchange(kept, "");  // the first attempt's lines, after the second came
    kept = ScriptedServer::good_lines(asked);
    return "";
  });
  const auto udp = transport({server.address()});
  EXPECT_EQ(ask(*udp, block_of({body_of({packet(1, 5)})})).size(), 1U);
  EXPECT_EQ(server.asked().size(), 2U);
}

TEST_F(UdpTransportTest, CountsLinesThatBelongToNoRequestOrCannotBeAnswers) {
  ScriptedServer server(*loop_, table_, [](const Asked& asked) {
    auto other = asked;
    other.extra.rid += "0";
    auto elsewhere = asked;
    elsewhere.answers[0].index = 17;
    const auto good = ScriptedServer::good_lines(asked);
    return "garbage\n\n" + ScriptedServer::good_lines(other) + ScriptedServer::good_lines(elsewhere) + good + good;
  });
  const auto udp = transport({server.address()});
  const auto opened = ask(*udp, block_of({body_of({packet(1, 5)})}));
  ASSERT_EQ(opened.size(), 1U);
  EXPECT_EQ(counters(opened[0]), (std::vector<std::uint32_t>{5}));
  EXPECT_EQ(total("meterhub_connector_ns_lines_malformed_total"), 2U);
  EXPECT_EQ(total("meterhub_connector_ns_lines_unmatched_total"), 2U);  // another's, and the repeated one
}

TEST_F(UdpTransportTest, EndsAConnectionWhoseLineHasNoEnd) {
  ScriptedServer server(*loop_, table_, [](const Asked& asked) { return ScriptedServer::good_lines(asked) + std::string(300 * 1024, 'x'); });
  const auto udp = transport({server.address()});
  EXPECT_EQ(ask(*udp, block_of({body_of({packet(1, 5)})})).size(), 1U);
  EXPECT_TRUE(run_until([&] { return total("meterhub_connector_ns_connections_broken_total") == 1; }));
}

TEST_F(UdpTransportTest, PutsAsideThePacketThatServersFailOnAndAnswersItsNeighbours) {
  // A server that dies on this packet and is started again at once, as a supervisor would.
  const auto bad = base::base64_encode(base::as_bytes("poison"));
  std::size_t deaths = 0;
  ScriptedServer server(*loop_, table_, [&](const Asked& asked) -> std::optional<std::string> {
    if (asked.json.find(bad) == std::string::npos) return ScriptedServer::good_lines(asked);
    ++deaths;
    return "";
  });
  const auto udp = transport({server.address()});
  std::vector<std::string> bodies = {body_of({packet(1, 5), R"({"modu":"LORA","data":")" + bad + R"("})", packet(2, 6)})};
  for (std::uint32_t i = 0; i < 30; ++i) bodies.push_back(body_of({packet(3, i)}));
  bool over = false;
  std::vector<Opened> opened;
  udp->open(block_of(std::move(bodies)), [&](std::vector<Opened> got) {
    opened = std::move(got);
    over = true;
  });
  // Others go on being answered meanwhile: that is what makes it the packet's fault.
  for (std::uint32_t i = 0; !over && i < 200; ++i) ask(*udp, block_of({body_of({packet(4, i)})}), 1s), run_until([&] { return over; }, 30ms);
  ASSERT_TRUE(over);
  ASSERT_EQ(opened[0].answers.size(), 3U);
  EXPECT_EQ(opened[0].answers[0].fcnt, 5U);
  EXPECT_EQ(opened[0].answers[1].error, PacketError::kNsFailed);
  EXPECT_EQ(opened[0].answers[1].index, 1U);
  EXPECT_EQ(opened[0].answers[2].fcnt, 6U);
  for (std::size_t i = 1; i < opened.size(); ++i) EXPECT_EQ(opened[i].answers.at(0).kind, AnswerKind::kApp) << i;
  EXPECT_GE(deaths, 3U);
}

TEST_F(UdpTransportTest, PutsAsideAPacketThatKillsThreeServersButNotWhatTheyHeldBeside) {
  const auto bad = base::base64_encode(base::as_bytes("poison"));
  std::deque<ScriptedServer> servers;
  std::vector<net::Address> addresses;
  for (int i = 0; i < 4; ++i) {
    servers.emplace_back(*loop_, table_, [&](const Asked& asked) -> std::optional<std::string> {
      if (asked.json.find(bad) != std::string::npos) return std::nullopt;
      return ScriptedServer::good_lines(asked);
    });
    addresses.push_back(servers.back().address());
  }
  const auto udp = transport(addresses);
  std::vector<std::string> bodies = {body_of({R"({"modu":"LORA","data":")" + bad + R"("})"})};
  for (std::uint32_t i = 0; i < 200; ++i) bodies.push_back(body_of({packet(1 + i % 50, i)}));
  bool over = false;
  std::vector<Opened> opened;
  udp->open(block_of(std::move(bodies)), [&](std::vector<Opened> got) {
    opened = std::move(got);
    over = true;
  });
  for (std::uint32_t i = 0; !over && i < 200; ++i) ask(*udp, block_of({body_of({packet(4, i)})}), 1s), run_until([&] { return over; }, 30ms);
  ASSERT_TRUE(over);
  EXPECT_EQ(opened[0].answers.at(0).error, PacketError::kNsFailed);
  for (std::size_t i = 1; i < opened.size(); ++i) EXPECT_EQ(opened[i].answers.at(0).kind, AnswerKind::kApp) << i;
  EXPECT_EQ(std::ranges::count_if(servers, &ScriptedServer::dead), 3);
}

TEST_F(UdpTransportTest, RefusesAnswersFromOutsideItsNetworksAndPlainOnesFromAfar) {
  const auto server = real_server();
  UdpTransportOptions strict;
  strict.networks = {*net::Network::parse("192.0.2.0/24")};
  const auto udp = transport({server->address()}, strict);
  EXPECT_TRUE(ask(*udp, block_of({body_of({packet(1, 5)})}), 1s).empty());
  EXPECT_GT(total("meterhub_connector_ns_connections_refused_total"), 0U);
  UdpTransportOptions open;
  open.servers = {server->address()};
  open.listen = *net::Address::parse("0.0.0.0:0");
  EXPECT_EQ(UdpTransport::create(*loop_, *loop_, metrics_, open).error().code, base::Errc::kInvalidArgument);
}

TEST_F(UdpTransportTest, SendsAPluginsBodyWholeAndRefusesOneThatFitsNoDatagram) {
  ScriptedServer server(*loop_, table_, [](const Asked& asked) { return ScriptedServer::good_lines(asked); });
  const auto udp = transport({server.address()});
  const auto opened = ask(*udp, block_of({"XR any bytes", std::string(60'000, 'x'), ""}, "xor"));
  ASSERT_EQ(opened.size(), 3U);
  ASSERT_EQ(server.asked().size(), 1U);
  EXPECT_EQ(server.asked()[0].extra.plugin, "xor");
  EXPECT_NE(server.asked()[0].json.find(R"("raw":")" + base::base64_encode(base::as_bytes("XR any bytes"))), std::string::npos);
  EXPECT_EQ(opened[1].answers.at(0).error, PacketError::kBodySize);
  EXPECT_EQ(opened[2].answers.at(0).error, PacketError::kBadLength);
}

}  // namespace
}  // namespace meterhub::connector
