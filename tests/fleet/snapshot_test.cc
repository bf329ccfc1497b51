#include <meterhub/fleet/snapshot.h>

#include <gtest/gtest.h>

#include <random>

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::MeterNumber;
using base::Timestamp;

constexpr Timestamp kNow(std::chrono::hours(480'000));

class NoOutages final : public GatewayOutages {
 public:
  std::span<const Outage> outages(std::uint16_t, Timestamp) const override { return {}; }
};

FleetState some_fleet() {
  const NoOutages outages;
  FleetState fleet(100);
  std::mt19937 random(1);
  DayClock days(*consumption::LocalTime::of("Asia/Shanghai"));
  for (std::uint32_t meter = 1; meter <= 50; ++meter) {
    if (meter % 7 == 0) continue;
    for (std::uint32_t n = 1; n <= 20; ++n) {
      Reading reading;
      reading.time = kNow + n * 2h;
      reading.session = 3;
      reading.generation = meter % 3;
      reading.fcnt = n;
      reading.used = static_cast<std::int64_t>(n * (random() % 9 + 100));
      reading.left = 4'000;
      reading.bought = reading.used + reading.left;
      reading.status = 5;
      reading.has_status = true;
      reading.rssi = -99;
      reading.snr_tenths = 55;
      reading.gateways = 2;
      reading.set_version("v1.0");
      fleet.put(MeterNumber(meter), reading, reading.time, reading.time, {.days = &days});
      fleet.count(MeterNumber(meter),
                  {.session = 3, .generation = meter % 3, .fcnt = 2 * n, .at = reading.time,
                   .gateway = fleet.gateways().number("gw-" + std::to_string(meter % 4))},
                  {days, outages});
      fleet.heard(MeterNumber(meter), reading.time);
    }
  }
  fleet.heard(MeterNumber(7), kNow);  // never decoded
  return fleet;
}

void expect_same(const FleetState& a, const FleetState& b) {
  for (std::uint32_t number = 1; number < std::max(a.end(), b.end()); ++number) {
    const MeterNumber meter(number);
    EXPECT_EQ(a.last_heard(meter), b.last_heard(meter)) << number;
    EXPECT_EQ(a.watch(meter), b.watch(meter)) << number;
    auto count = b.counted(meter);
    EXPECT_EQ(a.gateways().id(a.counted(meter).gateway), b.gateways().id(count.gateway)) << number;
    count.gateway = a.counted(meter).gateway;
    EXPECT_EQ(a.counted(meter), count) << number;
    ASSERT_EQ(a.last(meter) == nullptr, b.last(meter) == nullptr) << number;
    if (a.last(meter) == nullptr) continue;
    std::string one, other;
    append_reading(one, *a.last(meter));
    append_reading(other, *b.last(meter));
    EXPECT_EQ(one, other);
    EXPECT_EQ(order_of(*a.last(meter)), order_of(*b.last(meter)));
  }
}

TEST(FleetSnapshotTest, AllPartitionsTogetherAreTheFleet) {
  const auto fleet = some_fleet();
  FleetState again(100);
  again.gateways().number("gw-of-another-partition");
  for (std::uint32_t partition = 0; partition < 4; ++partition) {
    const auto bytes = encode_snapshot(fleet, {base::PartitionId(partition), 4, base::Offset(partition + 100), kNow, 0, {base::Offset(3), base::Offset(partition)}});
    const auto head = decode_snapshot(bytes, again);
    ASSERT_TRUE(head) << head.error().text;
    EXPECT_EQ(head->next, base::Offset(partition + 100));
    EXPECT_EQ(head->taken, kNow);
    EXPECT_EQ(head->letters, (std::vector{base::Offset(3), base::Offset(partition)}));
    EXPECT_GT(head->meters, 0u);
  }
  expect_same(fleet, again);
}

TEST(FleetSnapshotTest, AnythingElseIsRefusedAndChangesNothing) {
  const auto bytes = encode_snapshot(some_fleet(), {base::PartitionId(0), 1, base::Offset(5), kNow, 0});
  FleetState fleet(100);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 13)
    EXPECT_EQ(decode_snapshot(std::string_view(bytes).substr(0, cut), fleet).error().code, base::Errc::kCorrupt);
  for (std::size_t place = 0; place < bytes.size(); place += 11) {
    auto bent = bytes;
    bent[place] = static_cast<char>(bent[place] ^ 0x20);
    EXPECT_FALSE(decode_snapshot(bent, fleet)) << place;
  }
  EXPECT_EQ(fleet.end(), 0u);
}

}  // namespace
}  // namespace meterhub::fleet
