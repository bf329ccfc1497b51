#include "reasons.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/lorawan/packet_error.h>

namespace meterhub::app {
namespace {

using testing::HasSubstr;

TEST(Reasons, OfEveryPacketErrorAreExplained) {
  std::ostringstream page;
  page << std::ifstream(METERHUB_SOURCE_DIR "/docs/reference/reasons.md").rdbuf();
  using lorawan::PacketError;
  for (auto code = 1; code <= static_cast<int>(PacketError::kNsUnanswered); ++code) {
    const std::string name(lorawan::text(static_cast<PacketError>(code)));
    const auto meaning = explain_reason(name);
    EXPECT_FALSE(meaning.empty()) << name;
    EXPECT_THAT(page.str(), HasSubstr("| `" + name + "` | " + std::string(meaning) + " |"));
  }
}

TEST(Reasons, OfJobsBeginWithTheirName) {
  EXPECT_FALSE(explain_reason("job.low-balance-alert.undecodable").empty());
  EXPECT_TRUE(explain_reason("nonsense").empty());
}

}  // namespace
}  // namespace meterhub::app
