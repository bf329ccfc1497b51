#include "fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "household.h"

namespace meterhub::sim {
namespace {

using std::chrono::seconds;

meter::Profile profile_of(const std::string& fields, int length = 32) {
  auto parsed = meter::parse_profile("name = \"x\"\nlength = " + std::to_string(length) + "\n" + fields);
  EXPECT_TRUE(parsed) << parsed.error().text;
  return std::move(*parsed);
}

TEST(Fields, SayTheHouseholdsFiguresInTheirUnits) {
  const auto profile = profile_of(
      "[[field]]\nname = \"total\"\nsize = 4\nunit = \"m3\"\ndecimals = 2\n"
      "[[field]]\nname = \"pulses\"\nsize = 4\noffset = 4\nunit = \"l\"\nfactor = 10\n"
      "[[field]]\nname = \"flow\"\nsize = 2\noffset = 8\nunit = \"l/h\"\n"
      "[[field]]\nname = \"left\"\nsize = 4\noffset = 10\nunit = \"m3\"\ndecimals = 3\ntype = \"signed\"\n"
      "[[field]]\nname = \"small\"\nsize = 1\noffset = 14\ntype = \"bcd\"\nunit = \"m3\"\n");
  const Situation situation{
      .figures = {.bought = 12'000'000, .used = 12'345'678}, .litres_since = 9, .since = seconds(30)};
  const auto reading = report(profile, situation);
  // 12,345.67 m3; whole tens of litres; 9 l in 30 s; 345.678 m3 of debt; 12,345 in two digits.
  EXPECT_EQ(reading.numbers, (std::vector<std::int64_t>{1'234'567, 12'345'670, 1'080, -345'678, 45}));
}

TEST(Fields, KeepFlagsOfAMeterAndLetOtherNumbersMoveWithinTheirLimits) {
  const auto profile = profile_of(
      "[[field]]\nname = \"leak\"\nmin = 0\nmax = 1\n"
      "[[field]]\nname = \"temperature\"\noffset = 1\nsize = 2\ntype = \"signed\"\ndecimals = 1\nmin = -5.5\nmax = 20\n");
  int flagged = 0;
  for (std::uint32_t m = 0; m < 400; ++m) {
    const auto first = report(profile, {.seed = 3, .meter = m, .packet = 1});
    const auto second = report(profile, {.seed = 3, .meter = m, .packet = 2});
    EXPECT_EQ(first.numbers[0], second.numbers[0]);
    EXPECT_LE(std::abs(first.numbers[1] - second.numbers[1]), 13);
    EXPECT_THAT(first.numbers[1], testing::AllOf(testing::Ge(-55), testing::Le(200)));
    flagged += static_cast<int>(first.numbers[0]);
  }
  EXPECT_NEAR(flagged, 50, 20);
}

TEST(Fields, SetTheBitsThatTheProfileNames) {
  const auto profile = profile_of("[[field]]\nname = \"status\"\n[status]\nbattery_low = 0x80\nvalve_open = 0x10\n");
  EXPECT_EQ(report(profile, {.status = status::kBatteryLow}).numbers[0], 0x80);
  EXPECT_EQ(report(profile, {.status = status::kValveOpen | status::kTamper}).numbers[0], 0x10);
}

// Whatever the file says, what is reported has a place in the payload and comes out of it again.
TEST(Fields, OfAnyTypeSizeAndScaleCanBeEncoded) {
  for (const std::string type : {"unsigned", "signed", "bcd"}) {
    for (const std::string unit : {"", "m3", "l", "m3/h", "l/h"}) {
      for (int size = 1; size <= 8; ++size) {
        for (const auto* scale : {"", "decimals = 9\n", "factor = 1000000000\n", "factor = 7\ndecimals = 3\n",
                                  "min = -1000\nmax = 4e9\n"}) {
          const auto profile = profile_of("[[field]]\nname = \"a\"\nsize = " + std::to_string(size) + "\ntype = \"" +
                                              type + "\"\nunit = \"" + unit + "\"\n" + scale +
                                              "[[field]]\nname = \"b\"\noffset = 8\nmin = 0\nmax = 1\n",
                                          9);
          for (std::uint32_t m = 0; m < 20; ++m) {
            const auto reading = report(profile, {.seed = 5,
                                                  .meter = m,
                                                  .packet = m,
                                                  .figures = {.bought = 1, .used = 0xFFFF'FFF0 + m % 16},
                                                  .litres_since = m * 200'000'000,
                                                  .since = seconds(1)});
            const auto bytes = meter::encode(profile, reading);
            ASSERT_TRUE(bytes) << type << unit << size << scale << bytes.error().text;
            meter::Reading back;
            ASSERT_TRUE(meter::decode(profile, *bytes, back));
            ASSERT_EQ(back.numbers, reading.numbers) << type << unit << size << scale;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace meterhub::sim
