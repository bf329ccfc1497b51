#include <meterhub/lorawan/radio.h>

#include <gtest/gtest.h>

#include "vectors.h"

namespace meterhub::lorawan {
namespace {

using nlohmann::json;

std::vector<Reception> receptions_of(const json& list) {
  std::vector<Reception> out;
  for (const json& one : list) {
    const auto number = [&](const char* name) { return one[name].is_null() ? std::optional<double>() : one[name].get<double>(); };
    out.push_back({*base::Eui64::parse(one["eui"].get<std::string>()), *base::parse_rfc3339(one["time"].get<std::string>()),
                   one["timefromgateway"], number("chan"), number("rfch"), number("rssi"), number("lsnr")});
  }
  return out;
}

TEST(Receptions, AreMergedAsTheVectorsSay) {
  const json file = vectors("gwrx_merge.json");
  ASSERT_EQ(file["cases"].size(), 3U);
  for (const json& one : file["cases"]) {
    auto receptions = receptions_of(one["input"]);
    merge_receptions(receptions);
    EXPECT_EQ(receptions, receptions_of(one["gwrx"])) << one["id"];
  }
}

TEST(Receptions, OfOneRankAreKeptWhenTheyDiffer) {
  Reception first;
  first.chan = 1;
  Reception second = first;
  second.chan = 2;
  std::vector<Reception> receptions{first, second, first, second};
  merge_receptions(receptions);
  EXPECT_EQ(receptions, (std::vector<Reception>{first, second}));
}

TEST(Airtime, AgreesWithTheVectors) {
  const json file = vectors("lora_airtime.json");
  ASSERT_EQ(file["cases"].size(), 61U);
  for (const json& one : file["cases"]) {
    const LoraSettings settings{one["sf"], one["bw"], one["cr"].get<std::string>()[2] - '0', one["preamble"]};
    const auto us = airtime(settings, one["phy_bytes"]);
    EXPECT_EQ(us.count(), std::llround(one["ms"].get<double>() * 1000)) << one;
  }
}

}  // namespace
}  // namespace meterhub::lorawan
