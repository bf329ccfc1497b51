#include <meterhub/lorawan/join.h>

#include <gtest/gtest.h>

#include "vectors.h"

namespace meterhub::lorawan {
namespace {

using nlohmann::json;

JoinAccept accept_of(const json& from) {
  JoinAccept out;
  out.app_nonce = static_cast<std::uint32_t>(number_of(from["appnonce"]));
  out.net_id = static_cast<std::uint32_t>(number_of(from["netid"]));
  out.dev_addr = address_of(from["devaddr"]);
  out.dl_settings = from["dlsettings"];
  out.rx_delay = from["rxdelay"];
  if (from["cflist"] != "") out.cf_list = key_of(from["cflist"]);
  return out;
}

void check_request(const json& one) {
  const auto phy = bytes_of(one["phy"]);
  const auto request = std::get<JoinRequestFrame>(*parse_frame(phy));
  EXPECT_EQ(request.app_eui.value, number_of(one["expect"]["joineui"]));
  EXPECT_EQ(request.dev_eui.value, number_of(one["expect"]["deveui"]));
  EXPECT_EQ(request.dev_nonce, number_of(one["expect"]["devnonce"]));
  EXPECT_EQ(join_request_matches(request, key_of(one["appkey"])), one["expect"]["mic_ok"]) << one["id"];
}

TEST(Join, AgreesWithOtherPublishedImplementations) {
  const json file = vectors("lorawan_join.json");
  for (const json& one : file["public"]) {
    if (one["kind"] == "join_request") check_request(one);
    if (one["kind"] == "join_accept") {
      const auto accept = open_join_accept(key_of(one["appkey"]), bytes_of(one["phy"]));
      ASSERT_TRUE(accept) << one["id"];
      EXPECT_EQ(*accept, accept_of(one["expect"])) << one["id"];
      EXPECT_EQ(build_join_accept(key_of(one["appkey"]), *accept), bytes_of(one["phy"])) << one["id"];
    }
    if (one["kind"] == "session_keys") {
      const auto keys = derive_session_keys(key_of(one["appkey"]), static_cast<std::uint32_t>(number_of(one["appnonce"])),
                                            static_cast<std::uint32_t>(number_of(one["netid"])), static_cast<std::uint16_t>(number_of(one["devnonce"])));
      EXPECT_EQ(base::hex_encode(keys.nwk_skey), one["nwkskey"]) << one["id"];
      EXPECT_EQ(base::hex_encode(keys.app_skey), one["appskey"]) << one["id"];
    }
  }
}

TEST(Join, GoesAllTheWayOnBothSides) {
  const json file = vectors("lorawan_join.json");
  ASSERT_EQ(file["generated"].size(), 3U);
  for (const json& one : file["generated"]) {
    const AesKey key = key_of(one["appkey"]);
    const auto nonce = static_cast<std::uint16_t>(number_of(one["devnonce"]));
    const auto request = build_join_request(key, base::Eui64(number_of(one["joineui"])), base::Eui64(number_of(one["deveui"])), nonce);
    EXPECT_EQ(base::hex_encode(request), one["join_request"]);
    EXPECT_TRUE(join_request_matches(std::get<JoinRequestFrame>(*parse_frame(request)), key));
    const auto accept = build_join_accept(key, accept_of(one));
    EXPECT_EQ(base::hex_encode(accept), one["join_accept"]);
    EXPECT_EQ(*open_join_accept(key, accept), accept_of(one));
    const auto keys = derive_session_keys(key, accept_of(one).app_nonce, accept_of(one).net_id, nonce);
    EXPECT_EQ(base::hex_encode(keys.nwk_skey), one["nwkskey"]);
    EXPECT_EQ(base::hex_encode(keys.app_skey), one["appskey"]);
  }
}

TEST(Join, RefusesAnAcceptThatWasChangedOrCut) {
  const AesKey key{1, 2, 3};
  auto accept = build_join_accept(key, JoinAccept{});
  EXPECT_EQ(open_join_accept(AesKey{}, accept).error().code, base::Errc::kUnauthorized);
  accept[5] ^= 1;
  EXPECT_EQ(open_join_accept(key, accept).error().code, base::Errc::kUnauthorized);
  accept.pop_back();
  EXPECT_EQ(open_join_accept(key, accept).error().code, base::Errc::kInvalidArgument);
  EXPECT_FALSE(open_join_accept(key, {}));
}

}  // namespace
}  // namespace meterhub::lorawan
