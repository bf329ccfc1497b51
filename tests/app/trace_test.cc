#include "trace.h"

#include <gmock/gmock.h>

#include "log_fixture.h"

namespace meterhub::app {
namespace {

using testing::ElementsAre;

class TraceTest : public LogFixture {
 protected:
  static std::vector<std::string> logs(const std::vector<Hop>& hops) {
    std::vector<std::string> out;
    for (const auto& hop : hops) out.push_back(hop.log);
    return out;
  }
  void put_meter(std::string_view topic, std::uint32_t meter) {
    auto record = packet("meter", 0);
    record.properties.meter = base::MeterNumber(meter);
    put(at(topic, base::partition_of(base::shard_of(base::MeterNumber(meter)), kPartitions).value), record);
  }
};

TEST_F(TraceTest, FollowsAMeterFromItsDeliveryToItsReading) {
  put(at(log::topics::kTelemetry), {"gw-1", {}, {}, "delivery"});
  put_meter(log::topics::kDecoded, 1);
  put_meter(log::topics::kDecoded, 2);
  put_meter(log::topics::kReadings, 1);
  const auto hops = *trace(log_, {base::MeterNumber(1), {}, {}, 100});
  EXPECT_THAT(logs(hops), ElementsAre("telemetry", "decoded", "readings"));
}

TEST_F(TraceTest, ShowsWhereAGatewaysPacketsEnded) {
  put(at(log::topics::kTelemetry), {"gw-1", {}, {}, "delivery"});
  put(at(log::topics::kTelemetry), {"gw-2", {}, {}, "another"});
  put(at(log::topics::kNoise, 3), packet("gw-1", 0, "unknown_devaddr"));
  const auto hops = *trace(log_, {{}, "gw-1", {}, 100});
  EXPECT_THAT(logs(hops), ElementsAre("telemetry", "noise"));
  EXPECT_EQ(hops[1].properties.reason, "unknown_devaddr");
}

TEST_F(TraceTest, BeginsAtTheTimeAskedForAndKeepsTheNewest) {
  for (int i = 0; i < 3; ++i) put(at(log::topics::kTelemetry), {"gw-1", {}, {}, "old"});
  const auto since = clock_.now();
  for (int i = 0; i < 5; ++i) put(at(log::topics::kTelemetry), {"gw-1", {}, {}, "new"});
  EXPECT_EQ(trace(log_, {{}, "gw-1", since, 100})->size(), 5U);
  const auto newest = *trace(log_, {{}, "gw-1", since, 2});
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[1].offset, base::Offset(7));
}

}  // namespace
}  // namespace meterhub::app
