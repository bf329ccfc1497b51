#include <meterhub/lorawan/answer.h>

#include <gtest/gtest.h>

#include "vectors.h"

namespace meterhub::lorawan {
namespace {

using nlohmann::json;

Answer sample() {
  Answer out;
  out.kind = AnswerKind::kApp;
  out.device = base::Eui64(0xffffffffffffff01);
  out.port = 1;
  out.payload = *base::hex_decode("0201000f4240000ef0e30000515d000476312e30");
  out.tx = {.freq = 481.5, .modu = "LORA", .datr = "SF12BW125", .datr_number = {}, .codr = "4/5", .adr = false};
  out.receptions = {{base::Eui64(0xfffe020100000011), *base::parse_rfc3339("2016-12-21T03:24:34Z"), false, 4, 0, -13, 9}};
  return out;
}

void expect_same_reading(const Answer& got, const Answer& want, const std::string& id) {
  EXPECT_EQ(got.kind, want.kind) << id;
  EXPECT_EQ(got.device, want.device) << id;
  EXPECT_EQ(got.fcnt, want.fcnt) << id;
  EXPECT_EQ(got.port, want.port) << id;
  EXPECT_EQ(got.payload, want.payload) << id;
  EXPECT_EQ(got.tx, want.tx) << id;
  EXPECT_EQ(got.receptions, want.receptions) << id;
}

TEST(AnswerLine, IsReadTolerantlyAsTheVectorsSay) {
  const json file = vectors("app_json.json");
  ASSERT_EQ(file["cases"].size(), 16U);
  for (const json& one : file["cases"]) {
    const auto line = read_answer(one["text"].get<std::string>());
    const bool is_reading = line && line->answer.kind == AnswerKind::kApp;
    EXPECT_EQ(is_reading, one["ok"].get<bool>()) << one["id"];
    if (is_reading) expect_same_reading(line->answer, sample(), one["id"]);
    if (one["id"] == "app-null") { EXPECT_TRUE(line) << "skipped, not an error"; }
  }
}

TEST(AnswerLine, HoldsTheOriginExactlyAsPublished) {
  const json file = vectors("final_documents.json");
  for (const json& one : file["cases"]) {
    Answer answer = sample();
    if (one["id"] == "bad-payload-v1") answer.payload.clear();
    std::string text;
    append_origin(text, answer, one["profile"] == "poc-2016" ? ModulationName::kModeNull : ModulationName::kModu);
    EXPECT_EQ(json::parse(text), one["document"]["originData"]) << one["id"];
  }
}

// What comes back from the wire is what was put on it.
Answer round_trip(const Answer& answer, const AnswerEnvelope& envelope) {
  std::string text;
  append_line(text, answer, envelope);
  const auto line = read_answer(text);
  EXPECT_TRUE(line) << text;
  if (!line) return {};
  EXPECT_EQ(line->envelope.rid, envelope.rid);
  EXPECT_EQ(line->envelope.k, envelope.k);
  EXPECT_EQ(line->envelope.n, envelope.n);
  return line->answer;
}

TEST(AnswerLine, CarriesTheProofOfASession) {
  Answer answer = sample();
  answer.proven = true;
  answer.index = 3;
  answer.dev_addr = base::DevAddr(0x01a2b3c4);
  answer.session = base::SessionNumber(7);
  answer.fcnt = 4'000'000'000;
  answer.confirmed = true;
  answer.mic = {0x11, 0x48, 0x45, 0x80};
  const Answer got = round_trip(answer, {"telemetry-3-17-0-0-abc", 1, 2, {}});
  expect_same_reading(got, answer, "proof");
  EXPECT_TRUE(got.proven);
  EXPECT_EQ(got.index, 3U);
  EXPECT_EQ(got.dev_addr, answer.dev_addr);
  EXPECT_EQ(got.session, answer.session);
  EXPECT_EQ(got.mic, answer.mic);
  EXPECT_TRUE(got.confirmed);
}

TEST(AnswerLine, CarriesHeartbeatsStatusJoinsAndErrors) {
  Answer mote = sample();
  mote.kind = AnswerKind::kMote;
  mote.port.reset();
  mote.payload = {3, 7};
  expect_same_reading(round_trip(mote, {}), mote, "mote");

  Answer status;
  status.kind = AnswerKind::kGateway;
  status.gateway = base::Eui64(17);
  status.time = *base::parse_rfc3339("2016-12-21T03:24:34.250Z");
  status.stat = R"({"rxnb":2,"ackr":100.0})";
  const Answer got = round_trip(status, {});
  EXPECT_EQ(got.stat, status.stat);
  EXPECT_EQ(got.time, status.time);

  Answer join;
  join.kind = AnswerKind::kJoin;
  join.gateway = base::Eui64(17);
  join.join = base::Bytes(23, 9);
  EXPECT_EQ(round_trip(join, {}).join, join.join);

  Answer error;
  error.kind = AnswerKind::kError;
  error.error = PacketError::kMic;
  error.gateway = base::Eui64(17);
  error.dev_addr = base::DevAddr(1);
  error.fcnt16 = 500;
  const Answer read = round_trip(error, {"r", 0, 1, base::precise(base::Timestamp(std::chrono::seconds(5)))});
  EXPECT_EQ(read.error, PacketError::kMic);
  EXPECT_EQ(read.fcnt16, 500);
}

TEST(AnswerLines, SayHowManyBelongToOneRequest) {
  const std::vector<Answer> two{sample(), sample()};
  std::string text;
  append_lines(text, two, {"r", 0, 0, {}});
  const auto first = text.substr(0, text.find('\n'));
  EXPECT_EQ(json::parse(first)["ns"]["n"], 2);
  EXPECT_EQ(json::parse(text.substr(first.size()))["ns"]["k"], 1);
  text.clear();
  append_lines(text, {}, {"r", 0, 0, {}});
  EXPECT_EQ(json::parse(text)["ns"]["n"], 0);
  text.clear();
  append_lines(text, {}, {});
  EXPECT_EQ(text, "");
}

TEST(ObjectStream, CutsObjectsWhateverLiesBetweenThem) {
  const std::string text = std::string(R"({"a":"}\"{"}{"b":[{}]})") + '\0' + "\n {\"c\":1}";
  for (std::size_t step = 1; step < text.size(); ++step) {
    ObjectStream stream(100);
    std::vector<std::string> got;
    for (std::size_t i = 0; i < text.size(); i += step) ASSERT_TRUE(stream.feed(std::string_view(text).substr(i, step), got));
    EXPECT_EQ(got, (std::vector<std::string>{R"({"a":"}\"{"})", R"({"b":[{}]})", R"({"c":1})"}));
  }
}

TEST(ObjectStream, RefusesAnythingElseAndWhatIsTooLong) {
  std::vector<std::string> got;
  EXPECT_FALSE(ObjectStream(10).feed("[1]", got));
  EXPECT_FALSE(ObjectStream(10).feed("{\"a\":\"0123456789\"}", got));
  EXPECT_TRUE(got.empty());
}

TEST(PacketError, HasATextForEveryCodeAndBack) {
  for (int code = 1; code <= static_cast<int>(PacketError::kJoinNonce); ++code) {
    const auto error = static_cast<PacketError>(code);
    EXPECT_EQ(packet_error_from(text(error)), error);
  }
  EXPECT_FALSE(packet_error_from("nonsense"));
  EXPECT_TRUE(is_noise(PacketError::kUnknownDevaddr));
  EXPECT_FALSE(is_noise(PacketError::kMic));
}

}  // namespace
}  // namespace meterhub::lorawan
