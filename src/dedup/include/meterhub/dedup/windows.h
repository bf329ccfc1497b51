// What of a meter has been seen, and the verdict on one more copy
// (spec/lorawan-ns.md 6; design part 4, stream). Pure: no clock, no I/O but the block store.
//
// Per meter: a window of 128 counters with their MICs, for the newest session and
// generation; beside it, only where there was a join or a reset, the windows of the session
// and of the generation before. About 620 bytes a meter (bytes_per_meter()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/dedup/block_store.h>

namespace meterhub::dedup {

enum class Verdict : std::uint8_t {
  kAccept,        // the newest so far: the reading
  kLate,          // older, proven unseen: a reading that stateful jobs skip
  kDuplicate,     // seen: only its reception is recorded
  kConflict,      // this counter was seen with another MIC: dead letter, alarm
  kStale,         // too old to be proven unseen: a reading placed by history
  kReset,         // the counter restarted and may: the first reading of the next generation
  kCounterReset,  // the counter restarted and may not: dead letter, alarm
};
// Lower-case, stable: "accept", "counter_reset".
std::string_view name(Verdict verdict);
// True for the verdicts that put a reading into `readings`.
constexpr bool is_reading(Verdict v) {
  return v == Verdict::kAccept || v == Verdict::kLate || v == Verdict::kStale || v == Verdict::kReset;
}

// One decrypted copy of a packet.
struct Copy {
  base::MeterNumber meter;
  base::SessionNumber session;
  std::uint32_t fcnt = 0;
  std::uint32_t mic = 0;            // the four bytes, in any fixed order
  base::Timestamp enqueued{};       // by the hub, at the first entry into the platform
  bool resets_allowed = false;      // the meter may restart its counter (ABP battery change)
};

struct Judgement {
  Verdict verdict = Verdict::kStale;
  base::Generation generation;      // part of the identity (meter, session, generation, fcnt)
};

// A reading that is in `readings`, for rebuilding.
struct Reading {
  base::MeterNumber meter;
  base::SessionNumber session;
  base::Generation generation;
  std::uint32_t fcnt = 0;
  std::uint32_t mic = 0;
  base::Timestamp enqueued{};       // of its origin
  bool stale = false;               // stale readings leave no trace in the window
};

// What is known of a copy from long ago that comes once more.
enum class Known : std::uint8_t {
  kSeen,     // it is the reading of Found::generation, or a copy of it
  kUnseen,   // judge() may be asked as of any copy
  kUnclear,  // unseen, and of which generation cannot be told: judge() would take it for a packet of today
};
struct Found {
  Known known = Known::kUnclear;
  base::Generation generation;
};

inline constexpr std::uint32_t kWindow = 128;
// A counter below this, outside the window and newer in the hub, is a restart.
inline constexpr std::uint32_t kResetBelow = 16;
// Newer: or older by no more than this. When gateways resend after an outage, the last frames before a
// restart may be enqueued after its first; at one a second 128 counters take longer, so that none of
// the first counters held back is outside the window so soon.
inline constexpr std::chrono::minutes kOutageOrder{2};
// MICs of counters below this are kept when they leave the window: a meter that restarted and whose
// first frames were lost is known by another MIC for a counter that was seen.
inline constexpr std::uint32_t kFirstMicsKept = 256;
// Delayed frames of the generation before a reset are judged in its window for so long.
inline constexpr std::chrono::hours kOldGenerationTime{24};
// How far above the old generation's last counter they may lie: a day at one per 30 s.
inline constexpr std::uint32_t kOldGenerationReach = 2'880;
// A jump of the counter leaves at most so many empty blocks: a week at one per 30 s.
// Counters deeper inside a longer jump are stale when they come.
inline constexpr std::uint32_t kGapBlocksMax = 160;

// The windows of all meters of the shards that this instance owns. One thread.
class MeterWindows {
 public:
  // `blocks` outlives this.
  explicit MeterWindows(BlockStore& blocks);
  ~MeterWindows();
  MeterWindows(const MeterWindows&) = delete;
  MeterWindows& operator=(const MeterWindows&) = delete;

  // Judges the copy and records it. What it records counts at once: when the transaction
  // that carries the verdict fails, drop the shard and rebuild. Errors: the block store's.
  base::Result<Judgement> judge(const Copy& copy);

  // Whether this very copy was seen, in whichever generation; records nothing. For packets of the past: judge() takes a
  // counter above the newest for the newest, be it of before a restart. Errors: the block store's.
  base::Result<Found> find(const Copy& copy) const;

  // Records a reading as judge() once did. Replaying readings that the snapshot already
  // holds changes nothing, so the tail may begin anywhere before the snapshot's end.
  base::Result<void> apply_reading(const Reading& reading);

  // One shard as bytes (docs/formats/dedup.md): versioned, with a checksum.
  std::string snapshot(base::Shard shard) const;
  // Replaces the shard. kCorrupt: not what was written; the shard is empty then.
  base::Result<void> restore(base::Shard shard, std::string_view bytes);
  void drop(base::Shard shard);

  // Drops windows of older sessions and generations that took their last frame before
  // `before`. Late copies of a session that is gone are duplicates where the blocks say so, else stale.
  void forget_older_windows(base::Timestamp before);

  std::size_t meters() const;
  // High 16 bits of the newest counter of a meter's session, for the session feed's hint
  // (spec 2.1); 0 when unknown.
  std::uint16_t high_word(base::MeterNumber meter, base::SessionNumber session) const;
  // Bytes of one meter that never joined anew or restarted, without the index.
  static std::size_t bytes_per_meter();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::dedup
