#include <meterhub/base/byte_io.h>
#include <meterhub/dedup/windows.h>

#include "driver.h"

namespace meterhub::dedup {
namespace {

constexpr base::MeterNumber kMeter(7);

// A meter with all that can be kept: sessions, generations, holes.
void live(Driver& meter) {
  meter.resets_allowed = true;
  for (std::uint32_t fcnt = 900; fcnt < 1'200; ++fcnt) {
    if (fcnt % 10 != 3) meter.verdict(fcnt, fcnt);
  }
  meter.session = base::SessionNumber(2);
  for (std::uint32_t fcnt = 0; fcnt < 300; ++fcnt) meter.verdict(fcnt, fcnt + 5);
  meter.verdict(1, 0xDEADBEEF);
}

TEST(Snapshot, BringsBackTheWholeState) {
  Driver meter;
  live(meter);
  const auto shard = base::shard_of(kMeter);
  const auto bytes = meter.windows.snapshot(shard);
  MeterWindows copy(meter.blocks);
  ASSERT_TRUE(copy.restore(shard, bytes));
  EXPECT_EQ(copy.meters(), 1u);
  EXPECT_EQ(copy.snapshot(shard), bytes);
}

TEST(Snapshot, RefusesDamagedBytes) {
  Driver meter;
  live(meter);
  const auto shard = base::shard_of(kMeter);
  const auto bytes = meter.windows.snapshot(shard);
  MeterWindows copy(meter.blocks);
  for (std::size_t i = 0; i < bytes.size(); i += 7) {
    auto damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_EQ(copy.restore(shard, damaged).error().code, base::Errc::kCorrupt) << i;
    EXPECT_FALSE(copy.restore(shard, std::string_view(bytes).substr(0, i))) << i;
  }
  EXPECT_FALSE(copy.restore(base::Shard(static_cast<std::uint8_t>(shard.value + 1)), bytes));
  EXPECT_EQ(copy.meters(), 0u);
}

// With a checksum that fits: times that no clock says would be subtracted from each other.
TEST(Snapshot, RefusesATimeThatCannotBe) {
  Driver meter;
  live(meter);
  const auto shard = base::shard_of(kMeter);
  const auto bytes = meter.windows.snapshot(shard);
  const auto encoded = [](std::int64_t number) {
    std::string out;
    base::ByteWriter(out).number(number);
    return out;
  };
  // The last eight bytes that are it: when the counter restarted.
  const auto at = bytes.rfind(encoded(meter.now.time_since_epoch().count()));
  ASSERT_NE(at, std::string::npos);
  MeterWindows copy(meter.blocks);
  for (const auto& [time, is_fine] : {std::pair<std::int64_t, bool>{INT64_MIN + 5, false}, {-1, false}, {0, true}, {INT64_MAX, false}}) {
    auto changed = bytes.substr(0, bytes.size() - 4);
    changed.replace(at, 8, encoded(time));
    base::ByteWriter(changed).number(base::crc32c(changed));
    EXPECT_EQ(copy.restore(shard, changed).has_value(), is_fine) << time;
  }
}

TEST(Snapshot, DropsOneShardAlone) {
  Driver meter;
  live(meter);
  for (std::uint8_t shard = 0; shard < base::kShards; ++shard) {
    if (base::Shard(shard) != base::shard_of(kMeter)) meter.windows.drop(base::Shard(shard));
  }
  EXPECT_EQ(meter.windows.meters(), 1u);
  meter.windows.drop(base::shard_of(kMeter));
  EXPECT_EQ(meter.windows.meters(), 0u);
}

}  // namespace
}  // namespace meterhub::dedup
