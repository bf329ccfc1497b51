#include "session_sink.h"

#include <gtest/gtest.h>

namespace meterhub::app {
namespace {

using namespace std::chrono_literals;

constexpr base::Timestamp kNow{1'700'000'000s};

lorawan::Session session(std::uint32_t meter) {
  lorawan::Session out;
  out.dev_addr = base::DevAddr(meter);
  out.meter = base::MeterNumber(meter);
  out.number = base::SessionNumber(1);
  return out;
}

TEST(SessionSink, IsCompleteOnceItSaysOfWhichMomentTheSnapshotIs) {
  decrypt::SessionTable table;
  SessionSink sink(table);
  sink.on_feed(registry::SnapshotBegin{});
  sink.on_feed(registry::SessionsPut{{session(1)}});
  EXPECT_FALSE(sink.wait_until_complete(0ms));
  sink.on_feed(registry::SnapshotEnd{});
  EXPECT_FALSE(sink.wait_until_complete(0ms)) << "an error about keys would be final";
  sink.on_feed(registry::Heartbeat{kNow});
  EXPECT_TRUE(sink.wait_until_complete(0ms));
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.fresh_as_of(), kNow);
}

TEST(SessionSink, StaysCompleteThroughFurtherSnapshots) {
  decrypt::SessionTable table;
  SessionSink sink(table);
  for (int i = 0; i < 2; ++i) {
    sink.on_feed(registry::SnapshotBegin{});
    sink.on_feed(registry::SnapshotEnd{});
    sink.on_feed(registry::Heartbeat{kNow});
    EXPECT_TRUE(sink.wait_until_complete(0ms));
  }
}

}  // namespace
}  // namespace meterhub::app
