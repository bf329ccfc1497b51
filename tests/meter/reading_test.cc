#include <meterhub/meter/reading.h>

#include <gtest/gtest.h>

#include <fstream>

#include <meterhub/base/encoding.h>
#include <meterhub/lorawan/answer.h>
#include <nlohmann/json.hpp>

namespace meterhub::meter {
namespace {

using nlohmann::json;

json vectors(const std::string& name) { return json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/" + name)); }

// The text behind "name": in userData, so that a number's digits can be compared.
std::string member_text(const Reading& reading, const std::string& name) {
  std::string text;
  append_user_data(text, &reading, {});
  const std::size_t from = text.find('"' + name + "\":") + name.size() + 3;
  return text.substr(from, text.find_first_of(",}", from) - from);
}

void expect_v1(const json& one) {
  const json& want = one["v1"];
  Reading reading;
  const auto done = decode(*builtin_profile("v1"), *base::hex_decode(one["payload_hex"].get<std::string>()), reading);
  ASSERT_EQ(done.has_value(), !want.contains("error")) << one["id"];
  if (!done) {
    EXPECT_EQ(text(done.error()), want["error"]);
    return;
  }
  EXPECT_EQ(reading.litres(Role::kBought), want["bought_l"]) << one["id"];
  EXPECT_EQ(reading.litres(Role::kLeft), want["left_l"]) << one["id"];
  EXPECT_EQ(reading.litres(Role::kUsed), want["used_l"]) << one["id"];
  for (const auto* name : {"bought", "left", "used"}) EXPECT_EQ(member_text(reading, name), want[name]) << one["id"];
  EXPECT_EQ(reading.number(Role::kStatus), want["status"]);
  EXPECT_EQ(reading.version(), want["version"]) << one["id"];
  EXPECT_EQ(reading.plausibility.balanced, want["balanced"]) << one["id"];
}

void expect_poc(const json& one) {
  const json& want = one["poc2016"];
  Reading reading;
  const auto done = decode(*builtin_profile("poc-2016"), *base::hex_decode(one["payload_hex"].get<std::string>()), reading);
  ASSERT_EQ(done.has_value(), !want.contains("error")) << one["id"];
  if (!done) return;
  for (const auto* name : {"bought", "left", "used"}) EXPECT_EQ(member_text(reading, name), want[name]) << one["id"];
  EXPECT_EQ(reading.number(Role::kStatus), want["status"]) << one["id"];
  EXPECT_EQ(reading.number(Role::kType), want["type"]) << one["id"];
  EXPECT_EQ(base::hex_encode(base::as_bytes(reading.version())), want["version_hex"]) << one["id"];
  std::string document;
  append_document(document, "null", &reading, {});
  EXPECT_TRUE(json::accept(document)) << document;
}

TEST(Reading, IsDecodedAsTheVectorsSay) {
  const json file = vectors("meter_payloads.json");
  ASSERT_EQ(file["cases"].size(), 32U);
  for (const json& one : file["cases"]) {
    expect_v1(one);
    expect_poc(one);
  }
}

TEST(Reading, NamesTheStatusBitsThatAreSet) {
  Reading reading;
  ASSERT_TRUE(decode(*builtin_profile("v1"), encode_v1({.status = 0x0041}), reading));
  EXPECT_EQ(reading.status_names(), (std::vector<std::string_view>{"battery_low", "overdraft"}));
}

TEST(Reading, IsEncodedBackToTheSameBytes) {
  const MeterState state{.bought_litres = 1'000'000, .left_litres = 979'171, .used_litres = 20'829};
  const auto payload = encode_v1(state);
  EXPECT_EQ(base::base64_encode(payload, base::Padding::kNone), "AgEAD0JAAA7w4wAAUV0ABHYxLjA");
  Reading reading;
  ASSERT_TRUE(decode(*builtin_profile("v1"), payload, reading));
  EXPECT_EQ(encode(*builtin_profile("v1"), reading).value(), base::Bytes(payload.begin(), payload.end()));
  reading.numbers[3] = 3'000'000'000;  // beyond a signed 32-bit field
  EXPECT_FALSE(encode(*builtin_profile("v1"), reading));
}

TEST(Reading, OfEightBytesGivesNoVolumeThatDoesNotFit) {
  constexpr std::string_view kFields =
      "name = \"wide\"\nlength = 24\n"
      "[[field]]\nname = \"bought\"\nsize = 8\nunit = \"m3\"\n"
      "[[field]]\nname = \"left\"\noffset = 8\nsize = 8\nunit = \"m3\"\n"
      "[[field]]\nname = \"used\"\noffset = 16\nsize = 8\nunit = \"m3\"\n";
  const auto profile = parse_profile(kFields);
  ASSERT_TRUE(profile) << profile.error().text;
  Reading reading;
  // bought: the largest number; used: the smallest.
  const auto payload = base::hex_decode("7fffffffffffffff0000000000000001" "8000000000000000");
  ASSERT_TRUE(decode(*profile, *payload, reading));
  EXPECT_EQ(reading.litres(Role::kBought), std::nullopt);
  EXPECT_EQ(reading.litres(Role::kLeft), 1000);
  EXPECT_FALSE(reading.plausibility.balanced);
}

TEST(Document, IsThePublishedOneForBothProfiles) {
  const json file = vectors("final_documents.json");
  ASSERT_EQ(file["cases"].size(), 3U);
  for (const json& one : file["cases"]) {
    const Profile& profile = *builtin_profile(one["profile"].get<std::string>());
    const auto line = lorawan::read_answer(json{{"app", one["document"]["originData"]["app"]}}.dump());
    ASSERT_TRUE(line);
    Reading reading;
    const bool decoded = decode(profile, line->answer.payload, reading).has_value();
    lorawan::Answer answer = line->answer;
    answer.tx.modu = "LORA";  // the published text of one profile does not carry it
    std::string origin;
    lorawan::append_origin(origin, answer, profile.mode_null ? lorawan::ModulationName::kModeNull : lorawan::ModulationName::kModu);
    std::string document;
    append_document(document, origin, decoded ? &reading : nullptr, answer.receptions.front().time);
    EXPECT_EQ(json::parse(document), one["document"]) << one["id"];
  }
}

TEST(Decimal, IsExactWithAtLeastOneDigitBehindThePoint) {
  const auto text_of = [](std::int64_t value, std::uint8_t decimals) {
    std::string out;
    append_decimal(out, value, decimals);
    return out;
  };
  EXPECT_EQ(text_of(979'171, 3), "979.171");
  EXPECT_EQ(text_of(-1, 3), "-0.001");
  EXPECT_EQ(text_of(0, 3), "0.0");
  EXPECT_EQ(text_of(7, 0), "7.0");
  EXPECT_EQ(text_of(std::numeric_limits<std::int64_t>::min(), 3), "-9223372036854775.808");
}

}  // namespace
}  // namespace meterhub::meter
