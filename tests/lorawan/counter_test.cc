#include <meterhub/lorawan/counter.h>

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "vectors.h"

namespace meterhub::lorawan {
namespace {

std::vector<std::uint32_t> all(std::uint16_t low, std::optional<std::uint32_t> last, std::uint32_t max_high = 64) {
  CounterCandidates candidates(low, last, max_high);
  std::vector<std::uint32_t> out;
  while (const auto value = candidates.next()) out.push_back(*value);
  return out;
}

TEST(CounterCandidates, BeginAsTheVectorsSay) {
  const auto file = vectors("fcnt_candidates.json");
  ASSERT_EQ(file["cases"].size(), 21U);
  for (const auto& one : file["cases"]) {
    const std::vector<std::uint32_t> want = one["candidates"];
    auto got = all(one["fcnt16"], one["last"].get<std::uint32_t>());
    ASSERT_GE(got.size(), want.size());
    got.resize(want.size());
    EXPECT_EQ(got, want) << one;
  }
}

TEST(CounterCandidates, GiveEachValueOnceAndOnlyCongruentOnes) {
  for (const std::uint32_t last : {0U, 5U, 65'535U, 65'536U, 344'865U, 16'711'664U, 4'294'967'280U, 4'294'967'295U}) {
    for (const std::uint16_t low : std::initializer_list<std::uint16_t>{0, 1, 32'767, 32'768, 65'535}) {
      const auto values = all(low, last);
      EXPECT_EQ(std::set(values.begin(), values.end()).size(), values.size());
      for (const auto value : values) EXPECT_EQ(value & 0xFFFF, low);
    }
  }
}

TEST(CounterCandidates, EndWithTheBareValueOfARestartedDevice) {
  EXPECT_EQ(all(0, 344'865).back(), 0U);
  EXPECT_EQ(all(0, 344'865).size(), 67U);
}

TEST(CounterCandidates, TryHighWordsUpwardsWithoutAHint) {
  EXPECT_EQ(all(7, std::nullopt, 2), (std::vector<std::uint32_t>{7, 65'543, 131'079}));
  EXPECT_EQ(all(7, std::nullopt).size(), 65U);
}

}  // namespace
}  // namespace meterhub::lorawan
