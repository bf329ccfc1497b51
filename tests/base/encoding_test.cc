#include <meterhub/base/encoding.h>

#include <gtest/gtest.h>

#include <fstream>

#include <nlohmann/json.hpp>

namespace meterhub::base {
namespace {

TEST(Base64, ReadsTheLenientFormExactlyAsTheVectorsSay) {
  const auto vectors = nlohmann::json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/base64.json"));
  ASSERT_EQ(vectors["cases"].size(), 23U);
  for (const auto& one : vectors["cases"]) {
    const auto decoded = base64_decode_lenient(one["text"].get<std::string>());
    ASSERT_EQ(decoded.has_value(), one["ok"].get<bool>()) << one["id"];
    EXPECT_EQ(decoded ? hex_encode(*decoded) : "", one["ok"] ? one["hex"].get<std::string>() : "") << one["id"];
  }
}

TEST(Base64, WritesTheExamplesOfRfc4648) {
  EXPECT_EQ(base64_encode(as_bytes("")), "");
  EXPECT_EQ(base64_encode(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64_encode(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64_encode(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(base64_encode(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(base64_encode(as_bytes("f"), Padding::kNone), "Zg");
}

TEST(Base64, ReadsBackWhatItWrites) {
  Bytes bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(base64_decode_lenient(base64_encode(bytes, Padding::kNone)), bytes);
    bytes.push_back(static_cast<std::uint8_t>(i * 37));
  }
}

TEST(Base64, RefusesLenientFormsWhereAKeyIsExpected) {
  EXPECT_TRUE(base64_decode("+/+/"));
  for (const auto* text : {"-_-_", "Zg", "Zg=", "Zm8", "Zh==", " Zm9v", "Zm9v\n", "Z"}) EXPECT_FALSE(base64_decode(text)) << text;
}

TEST(Hex, ReadsEitherCaseAndWritesLower) {
  EXPECT_EQ(hex_encode(*hex_decode("00fFA5")), "00ffa5");
  EXPECT_FALSE(hex_decode("0"));
  EXPECT_FALSE(hex_decode("0g"));
  EXPECT_TRUE(hex_decode_array<4>("01a2b3c4"));
  EXPECT_FALSE(hex_decode_array<4>("01a2b3c4d5"));
}

}  // namespace
}  // namespace meterhub::base
