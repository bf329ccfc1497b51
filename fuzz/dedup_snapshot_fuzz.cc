// Snapshots of what was seen: damaged ones, and those of windows in use. Windows brought
// back judge as the ones that were saved.
#include <meterhub/base/byte_io.h>
#include <meterhub/dedup/windows.h>

#include "input.h"

namespace meterhub::dedup {
namespace {

using fuzz::require;

constexpr base::MeterNumber kMeter(7);
const base::Shard kShard = base::shard_of(kMeter);

Copy copy_of(fuzz::Input& input) {
  const auto how = input.byte();
  Copy copy{.meter = kMeter, .session = base::SessionNumber(how % 3 + 1u), .fcnt = input.number(), .mic = how / 64u, .enqueued = {}, .resets_allowed = (how & 4) != 0};
  copy.fcnt = how & 8 ? copy.fcnt % 40 : copy.fcnt << (how & 16 ? 14 : 0);
  copy.enqueued = base::Timestamp(std::chrono::hours(412'000) + std::chrono::minutes(input.number()));
  return copy;
}

// Both answer alike to all that comes.
void compare(MeterWindows& a, MeterWindows& b, fuzz::Input input) {
  while (!input.empty()) {
    const auto copy = copy_of(input);
    const auto x = a.judge(copy);
    const auto y = b.judge(copy);
    require(x && y && x->verdict == y->verdict && x->generation == y->generation);
  }
  require(a.snapshot(kShard) == b.snapshot(kShard));
}

void check_restored(MeterWindows& windows, const MemoryBlockStore& blocks, fuzz::Input input) {
  const auto saved = windows.snapshot(kShard);
  MemoryBlockStore copied = blocks;
  MeterWindows again(copied);
  require(again.restore(kShard, saved).has_value() && again.snapshot(kShard) == saved && again.meters() == windows.meters());
  compare(windows, again, input);
}

// Behind the head come the bytes, and a checksum that fits them.
void restore(std::string_view bytes, fuzz::Input input) {
  MemoryBlockStore blocks;
  MeterWindows windows(blocks);
  std::string sealed = "MHDW\x01";
  sealed += static_cast<char>(kShard.value);
  sealed += bytes;
  base::ByteWriter(sealed).number(base::crc32c(sealed));
  if (!windows.restore(kShard, sealed)) return require(windows.meters() == 0);
  check_restored(windows, blocks, input);
}

// Copies, a snapshot between them, copies.
void live(fuzz::Input before, fuzz::Input behind) {
  MemoryBlockStore blocks;
  MeterWindows windows(blocks);
  while (!before.empty()) require(windows.judge(copy_of(before)).has_value());
  check_restored(windows, blocks, behind);
}

}  // namespace
}  // namespace meterhub::dedup

MH_FUZZER(dedup_snapshot, input) {
  using namespace meterhub;
  const bool damaged = input.byte() % 2 == 0;
  const auto first = input.take(input.number());
  if (damaged) return dedup::restore(base::as_text(first), input);
  dedup::live(fuzz::Input(first), input);
}
