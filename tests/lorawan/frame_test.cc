#include <meterhub/lorawan/frame.h>

#include <gtest/gtest.h>

#include "vectors.h"

namespace meterhub::lorawan {
namespace {

using nlohmann::json;

void expect_fields(const DataFrame& frame, const json& want, const std::string& id) {
  EXPECT_EQ(static_cast<int>(frame.mtype), want["mtype"]) << id;
  EXPECT_EQ(frame.direction() == Direction::kUp ? "up" : "down", want["dir"]) << id;
  EXPECT_EQ(frame.dev_addr, address_of(want["devaddr"])) << id;
  EXPECT_EQ(frame.fcnt16, want["fcnt16"]) << id;
  EXPECT_EQ(frame.adr, want["adr"]) << id;
  EXPECT_EQ(frame.ack, want["ack"]) << id;
  EXPECT_EQ(base::hex_encode(frame.fopts), want["fopts"]) << id;
  EXPECT_EQ(frame.port ? json(*frame.port) : json(nullptr), want["fport"]) << id;
  EXPECT_EQ(base::hex_encode(frame.mic), want["mic"]) << id;
}

// Parses, checks and opens one vector; keys may be missing where the source has none.
void check_frame(const json& one) {
  const std::string id = one["id"];
  const base::Bytes phy = bytes_of(one["phy"]);
  const json& want = one["expect"];
  const auto parsed = parse_frame(phy);
  if (want.contains("error")) {
    ASSERT_FALSE(parsed) << id;
    EXPECT_EQ(text(parsed.error()), want["error"]) << id;
    return;
  }
  ASSERT_TRUE(parsed) << id;
  const auto& frame = std::get<DataFrame>(*parsed);
  expect_fields(frame, want, id);
  const std::uint32_t fcnt = one["fcnt_hi"].get<std::uint32_t>() << 16 | frame.fcnt16;
  EXPECT_EQ(mic_matches(frame, key_of(one["nwkskey"]), fcnt), want["mic_ok"]) << id;
  if (one["appskey"].is_null() || !want["mic_ok"].get<bool>() || want["payload"].is_null()) return;
  Session session;
  session.nwk_skey = key_of(one["nwkskey"]);
  session.app_skey = key_of(one["appskey"]);
  EXPECT_EQ(base::hex_encode(decrypt_payload(frame, session, fcnt)), want["payload"]) << id;
}

TEST(Frame, ParsesVerifiesAndOpensEveryVector) {
  const json file = vectors("lorawan_frames.json");
  ASSERT_EQ(file["cases"].size(), 61U);
  for (const json& one : file["cases"]) {
    check_frame(one);
    if (one["expect"].contains("bit4") && !one["expect"].contains("error")) {
      const auto phy = bytes_of(one["phy"]);
      EXPECT_EQ(std::get<DataFrame>(*parse_frame(phy)).bit4, one["expect"]["bit4"]);
    }
  }
}

TEST(Frame, AgreesWithOtherPublishedImplementations) {
  int frames = 0;
  const json file = vectors("lorawan_public.json");
  for (const json& one : file["cases"]) {
    if (one["kind"] == "data") {
      ++frames;
      check_frame(one);
    } else if (one["kind"] == "xcrypt") {
      const auto out = crypt_payload(key_of(one["key"]), static_cast<Direction>(one["dir"].get<int>()), address_of(one["devaddr"]),
                                     one["fcnt"], bytes_of(one["input"]));
      EXPECT_EQ(base::hex_encode(out), one["output"]);
    } else if (one["kind"] == "mic") {
      const auto mic = data_mic(key_of(one["key"]), static_cast<Direction>(one["dir"].get<int>()), address_of(one["devaddr"]),
                                one["fcnt"], bytes_of(one["msg"]));
      EXPECT_EQ(base::hex_encode(mic), one["mic"]);
    }
  }
  EXPECT_EQ(frames, 11);
}

TEST(Frame, MakesTheBlocksOfTheSpecification) {
  const json file = vectors("lorawan_blocks.json");
  for (const json& one : file["cases"]) {
    const auto phy = bytes_of(one["phy"]);
    const auto frame = std::get<DataFrame>(*parse_frame(phy));
    const auto b0 = bytes_of(one["b0"]);
    const auto fcnt = static_cast<std::uint32_t>(b0[10] | b0[11] << 8 | b0[12] << 16) | std::uint32_t{b0[13]} << 24;
    EXPECT_EQ(base::hex_encode(mic_block(Direction::kUp, frame.dev_addr, fcnt, frame.signed_part.size())), one["b0"]);
    for (std::size_t i = 0; i < one["a"].size(); ++i) {
      EXPECT_EQ(base::hex_encode(counter_block(Direction::kUp, frame.dev_addr, fcnt, static_cast<std::uint8_t>(i + 1))), one["a"][i]);
    }
  }
}

TEST(Frame, BuildsWhatTheVectorsHold) {
  int built = 0;
  const json file = vectors("lorawan_frames.json");
  for (const json& one : file["cases"]) {
    const json& want = one["expect"];
    const bool whole = !want.contains("error") && want["mic_ok"].get<bool>() && one["id"] != "wrong-appskey";
    if (!whole) continue;
    ++built;
    const base::Bytes fopts = bytes_of(want["fopts"]);
    const base::Bytes payload = bytes_of(want["payload"]);
    DataFrameSpec spec;
    spec.mtype = static_cast<MType>(want["mtype"].get<int>());
    spec.dev_addr = address_of(want["devaddr"]);
    spec.fcnt = want["fcnt"];
    spec.adr = want["adr"];
    spec.adr_ack_req = want["adrackreq"];
    spec.ack = want["ack"];
    spec.bit4 = want["bit4"];
    spec.fopts = fopts;
    if (!want["fport"].is_null()) spec.port = want["fport"].get<std::uint8_t>();
    spec.payload = payload;
    const auto frame = build_data_frame(spec, key_of(one["nwkskey"]), key_of(one["appskey"]));
    ASSERT_TRUE(frame) << one["id"];
    EXPECT_EQ(base::hex_encode(*frame), one["phy"]) << one["id"];
  }
  EXPECT_GT(built, 35);
}

TEST(Frame, RefusesToBuildWhatNoDeviceMaySend) {
  const base::Bytes much(300);
  const AesKey key{};
  const auto builds = [&](auto change) {
    DataFrameSpec spec;
    spec.port = 1;
    change(spec);
    return build_data_frame(spec, key, key).has_value();
  };
  EXPECT_TRUE(builds([](DataFrameSpec&) {}));
  EXPECT_FALSE(builds([](DataFrameSpec& s) { s.mtype = MType::kJoinRequest; }));
  EXPECT_FALSE(builds([&](DataFrameSpec& s) { s.fopts = base::BytesView(much).first(16); }));
  EXPECT_FALSE(builds([&](DataFrameSpec& s) { s.port = 0, s.fopts = base::BytesView(much).first(1); }));
  EXPECT_FALSE(builds([&](DataFrameSpec& s) { s.port.reset(), s.payload = base::BytesView(much).first(1); }));
  EXPECT_TRUE(builds([&](DataFrameSpec& s) { s.payload = base::BytesView(much).first(242); }));
  EXPECT_FALSE(builds([&](DataFrameSpec& s) { s.payload = base::BytesView(much).first(243); }));
}

TEST(Frame, TakesAnyBytesWithoutHarm) {
  base::Bytes bytes;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    bytes.resize(seed % 260);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>((seed * 2'654'435'761U + i * 40'503U) >> 13);
    const auto frame = parse_frame(bytes);
    const auto* data = frame ? std::get_if<DataFrame>(&*frame) : nullptr;
    EXPECT_LE(data != nullptr ? data->payload.size() : 0U, 242U);
  }
}

}  // namespace
}  // namespace meterhub::lorawan
