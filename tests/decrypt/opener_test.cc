#include <meterhub/decrypt/opener.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include <meterhub/base/encoding.h>
#include <meterhub/lorawan/frame.h>
#include <nlohmann/json.hpp>

namespace meterhub::decrypt {
namespace {

using lorawan::Answer;
using lorawan::AnswerKind;
using lorawan::PacketError;
using nlohmann::json;

json vectors(const std::string& name) { return json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/" + name)); }

lorawan::Session session_of(const json& from, std::uint32_t meter) {
  lorawan::Session out;
  out.dev_addr = base::DevAddr(static_cast<std::uint32_t>(std::stoul(from["devaddr"].get<std::string>(), nullptr, 16)));
  out.dev_eui = *base::Eui64::parse(from["deveui"].get<std::string>());
  out.meter = base::MeterNumber(meter);
  out.number = base::SessionNumber(1);
  out.nwk_skey = *base::hex_decode_array<16>(from["nwkskey"].get<std::string>());
  out.app_skey = *base::hex_decode_array<16>(from["appskey"].get<std::string>());
  return out;
}

// The sessions of the vectors.
struct Town {
  json file = vectors("ns_datagrams.json");
  SessionTable table;
  Opener opener{table};

  Town() {
    std::uint32_t meter = 0;
    for (const json& one : file["sessions"]) EXPECT_TRUE(table.upsert(session_of(one, ++meter)));
  }
  const json& datagram(const std::string& id) const {
    return *std::ranges::find_if(file["cases"], [&](const json& one) { return one["id"] == id; });
  }
};

base::Timestamp time_of(const json& text) { return base::parse_rfc3339(text.get<std::string>())->at; }
base::Bytes bytes_of(const json& hex) { return *base::hex_decode(hex.get<std::string>()); }

std::vector<json> lines_of(const std::vector<Answer>& answers, const std::string& rid) {
  std::string text;
  lorawan::append_lines(text, answers, {rid, 0, 0, {}});
  std::vector<json> out;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = text.find('\n', from);
    out.push_back(json::parse(text.substr(from, end - from)));
    from = end + 1;
  }
  return out;
}

// gw, mote and app as a whole; of ns only the members shown.
bool same(const json& got, const json& want) {
  for (const auto* name : {"gw", "mote", "app"}) {
    if (got[name] != want[name]) return false;
  }
  if (!want.contains("ns")) return true;
  return std::ranges::all_of(want["ns"].items(), [&](const auto& member) { return got["ns"].value(member.key(), json()) == member.value(); });
}

std::vector<Answer> answers_of(Town& town, const json& one, const base::Bytes& bytes, std::string& rid) {
  const auto datagram = lorawan::parse_datagram(bytes);
  if (!datagram || datagram->type != lorawan::GwmpType::kPushData) return {};
  if (one["port"] == "public") {
    return town.opener.open_body({bytes, datagram->gateway, time_of(one["recv_time"])});
  }
  auto request = town.opener.open_request(*datagram, time_of(one["recv_time"]));
  if (request.extra) rid = request.extra->rid;
  return std::move(request.answers);
}

TEST(Opener, AnswersEveryDatagramAsTheVectorsSay) {
  Town town;
  for (const json& one : town.file["cases"]) {
    std::string rid;
    const base::Bytes bytes = bytes_of(one["datagram"]);
    const auto got = lines_of(answers_of(town, one, bytes, rid), rid);
    const auto want = one["expect"]["lines"].get<std::vector<json>>();
    ASSERT_EQ(got.size(), want.size()) << one["id"];
    for (const json& line : want) {
      EXPECT_TRUE(std::ranges::any_of(got, [&](const json& g) { return same(g, line); })) << one["id"] << "\n" << line << "\n" << json(got);
    }
  }
}

TEST(Opener, OpensABlockOfBodiesAsItOpensEachAlone) {
  Town town;
  std::vector<base::Bytes> bytes;
  std::vector<Body> bodies;
  for (const json& one : town.file["cases"]) bytes.push_back(bytes_of(one["datagram"]));
  for (const base::Bytes& each : bytes) {
    const auto datagram = lorawan::parse_datagram(each);
    bodies.push_back({each, datagram ? datagram->gateway : base::Eui64(), time_of("2016-12-21T03:24:34Z")});
  }
  std::vector<std::vector<Answer>> block;
  town.opener.open(bodies, {}, block);
  ASSERT_EQ(block.size(), bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    EXPECT_EQ(lines_of(block[i], "r"), lines_of(town.opener.open_body(bodies[i]), "r")) << i;
  }
}

TEST(Opener, RefusesBodiesAsTheVectorsSay) {
  Town town;
  const json bodies = vectors("amqp_bodies.json");
  for (const json& one : bodies["cases"]) {
    const base::Bytes bytes = bytes_of(one["body"]);
    const auto sender = *base::Eui64::parse(one["gweui_of_sender"].get<std::string>());
    const auto answers = town.opener.open_body({bytes, sender, time_of("2016-12-21T03:24:34Z")});
    const std::string error = answers.empty() ? "" : std::string(text(answers[0].error));
    EXPECT_EQ(error, one.value("error", "")) << one["id"];
  }
}

TEST(Opener, CarriesTheMeterAndItsSessionToTheEmbeddedTransport) {
  Town town;
  const json& one = town.datagram("sample");
  const base::Bytes bytes = bytes_of(one["datagram"]);
  const auto answers = town.opener.open_body({bytes, base::Eui64(0xfffe020100000011), time_of(one["recv_time"])});
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].kind, AnswerKind::kApp);
  EXPECT_TRUE(answers[0].proven);
  EXPECT_EQ(answers[0].meter.value, 1U);
  EXPECT_EQ(answers[0].session.value, 1U);
  EXPECT_EQ(answers[0].index, 0U);
}

TEST(Opener, BelievesAGatewaysClockOnlyWithinItsBounds) {
  Town town;
  const base::Bytes bytes = bytes_of(town.datagram("gps-time")["datagram"]);  // 03:24:34.528002
  const auto believed = [&](const char* enqueued) {
    const auto answers = town.opener.open_body({bytes, base::Eui64(0xfffe020100000011), time_of(enqueued)});
    EXPECT_EQ(base::rfc3339(answers[0].receptions[0].time), answers[0].receptions[0].time_from_gateway ? "2016-12-21T03:24:34.528002Z" : enqueued);
    return answers[0].receptions[0].time_from_gateway;
  };
  EXPECT_TRUE(believed("2016-12-21T03:24:32.528002Z"));
  EXPECT_FALSE(believed("2016-12-21T03:24:32.528001Z"));
  EXPECT_TRUE(believed("2017-01-20T03:24:34.528002Z"));
  EXPECT_FALSE(believed("2017-01-20T03:24:34.528003Z"));
  EXPECT_EQ(town.opener.counters().gateway_clock_refused, 2U);
}

TEST(Opener, FindsTheRightOneOfManySessionsWithOneAddress) {
  Town town;
  lorawan::Session other = session_of(town.file["sessions"][0], 50);
  for (std::uint8_t key = 1; key <= 20; ++key) {
    other.nwk_skey.fill(key);
    other.meter = base::MeterNumber(50U + key);
    other.dev_eui = base::Eui64(key);
    ASSERT_TRUE(town.table.upsert(other));
  }
  const base::Bytes bytes = bytes_of(town.datagram("rollover-nohint")["datagram"]);
  const auto answers = town.opener.open_body({bytes, base::Eui64(0xfffe020100000011), {}});
  EXPECT_EQ(answers[0].device.text(), "ffffffffffffff01");
  EXPECT_EQ(answers[0].fcnt, 65'536U);
  EXPECT_TRUE(answers[0].searched);
}

TEST(Opener, ProvesAFrameOfASharedAddressAtTheFirstGuess) {
  Town town;
  lorawan::Session other = session_of(town.file["sessions"][0], 50);
  other.dev_eui = base::Eui64(1);
  other.nwk_skey.fill(1);
  ASSERT_TRUE(town.table.upsert(other));
  const base::Bytes bytes = bytes_of(town.datagram("sample")["datagram"]);
  const auto answers = town.opener.open_body({bytes, base::Eui64(0xfffe020100000011), {}});
  EXPECT_EQ(answers[0].device.text(), "ffffffffffffff01");
  EXPECT_FALSE(answers[0].searched);
  EXPECT_EQ(town.opener.counters().counter_tries, 2U);
}

TEST(Opener, UsesTheHighWordOfTheSessionWhereNoHintIsGiven) {
  Town town;
  lorawan::Session session = session_of(town.file["sessions"][0], 1);
  const base::Bytes bytes = bytes_of(town.datagram("far-nohint")["datagram"]);  // counter 0x00ff0000
  const auto kind = [&] { return town.opener.open_body({bytes, base::Eui64(0xfffe020100000011), {}})[0].kind; };
  EXPECT_EQ(kind(), AnswerKind::kError);
  session.last_high_word = 0xfe;
  ASSERT_TRUE(town.table.upsert(session));
  EXPECT_EQ(kind(), AnswerKind::kApp);
}

}  // namespace
}  // namespace meterhub::decrypt
