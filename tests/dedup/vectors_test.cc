// The published sequences: tests/data/vectors/fcnt_window.json.
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/dedup/windows.h>

namespace meterhub::dedup {
namespace {

nlohmann::json load() {
  std::ifstream file(METERHUB_TEST_DATA "/vectors/fcnt_window.json");
  return nlohmann::json::parse(file);
}

// The vectors know no counter_reset: they leave that name to the stage.
std::string_view vector_name(Verdict verdict) {
  return verdict == Verdict::kCounterReset ? name(Verdict::kStale) : name(verdict);
}

TEST(WindowVectors, GiveTheVerdictOfEveryStep) {
  const auto vectors = load();
  ASSERT_EQ(vectors["cases"].size(), 10u);
  for (const auto& sequence : vectors["cases"]) {
    SCOPED_TRACE(sequence["id"].get<std::string>());
    ASSERT_EQ(sequence["window"].get<std::uint32_t>(), kWindow);
    MemoryBlockStore blocks;
    MeterWindows windows(blocks);
    base::Timestamp enqueued{};
    for (const auto& step : sequence["steps"]) {
      enqueued += std::chrono::seconds(1);
      const auto mic = static_cast<std::uint32_t>(std::stoul(step["mic"].get<std::string>(), nullptr, 16));
      const Copy copy{base::MeterNumber(1), base::SessionNumber(1), step["fcnt"], mic, enqueued,
                      sequence["reset_allowed"]};
      const auto judgement = windows.judge(copy);
      ASSERT_TRUE(judgement);
      EXPECT_EQ(vector_name(judgement->verdict), step["verdict"].get<std::string>()) << step;
    }
  }
}

}  // namespace
}  // namespace meterhub::dedup
