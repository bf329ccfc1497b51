// One meter's copies, a second apart unless said otherwise.
#pragma once

#include <gtest/gtest.h>

#include <meterhub/dedup/windows.h>

namespace meterhub::dedup {

struct Driver {
  MemoryBlockStore blocks;
  MeterWindows windows{blocks};
  base::Timestamp now{std::chrono::seconds(1'700'000'000)};
  bool resets_allowed = false;
  base::SessionNumber session{1};

  Judgement copy(std::uint32_t fcnt, std::uint32_t mic) {
    now += std::chrono::seconds(1);
    return copy_enqueued(fcnt, mic, now);
  }
  Judgement copy_enqueued(std::uint32_t fcnt, std::uint32_t mic, base::Timestamp enqueued) {
    const auto judgement = windows.judge({base::MeterNumber(7), session, fcnt, mic, enqueued, resets_allowed});
    EXPECT_TRUE(judgement);
    return judgement.value_or(Judgement{});
  }
  Verdict verdict(std::uint32_t fcnt, std::uint32_t mic = 0xAAAAAAAA) { return copy(fcnt, mic).verdict; }
};

}  // namespace meterhub::dedup
