// Readings expected and received, meter by meter and local day, and why the others are missing (docs/completeness.md).
//
// The meter's counter says exactly how many packets it sent between two that came. Where more time passed than they
// explain, the meter was silent: its interval is learnt from the time a counter step takes. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/fleet/day_clock.h>

namespace meterhub::fleet {

// Why an expected reading is not there.
enum class Missing : std::uint8_t {
  kSilent,         // the meter did not send: its counter does not explain the time
  kGatewayDown,    // sent while the gateway that brought the meter's last packet was not heard
  kDecryptFailed,  // it came and could not be decrypted
  kRejected,       // it came and is no reading: not decoded, or a counter that may not restart
  kLost,           // sent and not heard: lost on the air
};
inline constexpr std::size_t kMissing = 5;
// "silent", "gateway_down", "decrypt_failed", "rejected", "lost".
std::string_view missing_name(Missing reason);

// Of one meter and local day. More than 65,535 of a kind (a meter that sends every second) count as so many.
struct DayCount {
  std::uint16_t received = 0;
  std::uint16_t late = 0;  // of these, behind a newer one of the meter or behind the day's closing
  std::array<std::uint16_t, kMissing> missing{};  // by Missing

  bool operator==(const DayCount&) const = default;
};

// 60 bytes a meter: the newest packet, the interval, today and yesterday. When that packet was heard is kept by the
// caller (FleetState::last_heard).
struct MeterCount {
  std::uint32_t session = 0;
  std::uint32_t fcnt = 0;
  std::uint32_t interval_ms = 0;      // learnt; 0: not yet
  std::uint16_t generation = 0;       // its low bits
  std::uint16_t gateway = 0;          // that brought the newest packet; 0: unknown
  std::uint16_t other_interval = 0;   // that steps spoke of instead, see coded()
  std::uint16_t day = 0;              // newest day counted, days since 1970; 0: nothing was heard yet
  // Dead letters that name the meter since its newest packet: counted already, to be found in the counter's next step.
  std::array<std::uint16_t, 2> letters{};  // decrypt_failed, rejected
  std::uint16_t letter = 0;  // counter of the newest: copies say the same
  std::uint16_t others = 0;  // so many steps in a row
  // Silent ones of the newest silence, until a step takes its time: a backlog without times of its own, which comes in
  // at once, takes them back.
  std::uint16_t doubtful = 0;
  std::array<DayCount, 2> days{};  // day n at n mod 2: the newest and the one before it

  bool operator==(const MeterCount&) const = default;
  // Null for a day that is not kept.
  const DayCount* on(std::int32_t number) const;
};
static_assert(sizeof(MeterCount) == 60);

// A record of log `readings`, as far as it counts.
struct CountedPacket {
  std::uint32_t session = 0;
  std::uint32_t generation = 0;
  std::uint32_t fcnt = 0;
  base::Timestamp at{};  // when the meter was heard
  std::uint16_t gateway = 0;
  bool late = false;  // deduplication proved it unseen, behind the newest
  bool stale = false;  // too old to be proven: counts nothing
  bool undecoded = false;
  bool again = false;  // driven again, and there before without figures
};

// Times in which a gateway was not heard, oldest first; from < to.
struct Outage {
  base::Timestamp from, to;
};
class GatewayOutages {
 public:
  virtual ~GatewayOutages() = default;
  // As of `as_of`: an outage that has not ended ends there. Good until the next call.
  virtual std::span<const Outage> outages(std::uint16_t gateway, base::Timestamp as_of) const = 0;
};

// What a packet changed, for whoever wrote that day down already.
struct CountChange {
  std::int32_t day = 0;
  bool received = true;  // else it took the place of a missing one as kRejected
  std::optional<Missing> from{};  // was counted so before; nothing: was not expected
};

// What a meter's count asks of its surroundings.
struct CountWorld {
  DayClock& days;
  const GatewayOutages& outages;
  std::int32_t open_day = INT32_MIN;  // days before it are closed: what comes for them is late
};

// Takes in a packet of the meter, which was heard last at `heard` (of no meaning for its first one). What changed, or
// nothing when nothing counts.
std::optional<CountChange> count_packet(MeterCount& count, base::Timestamp heard, const CountedPacket& packet,
                                        const CountWorld& world);

// A packet of the meter that came at `at` and became a dead letter: kDecryptFailed or kRejected.
void count_letter(MeterCount& count, base::Timestamp heard, Missing reason, std::uint16_t fcnt, base::Timestamp at,
                  DayClock& days);

// Figures of any number of meters. expected() = received + all that is missing.
struct CountFigures {
  std::uint64_t received = 0, late = 0;
  std::array<std::uint64_t, kMissing> missing{};

  std::uint64_t of(Missing reason) const { return missing[static_cast<std::size_t>(reason)]; }
  std::uint64_t& of(Missing reason) { return missing[static_cast<std::size_t>(reason)]; }
  std::uint64_t expected() const;
  // 100 where nothing is expected.
  double percent() const;
  CountFigures& operator+=(const CountFigures& other);
  bool operator==(const CountFigures&) const = default;
};

// A meter's day up to `as_of`. What a meter that is silent still should have sent since is in it, though not in
// `count`: nobody knows yet whether it sends.
CountFigures figures_of(const MeterCount& count, base::Timestamp heard, std::int32_t day, base::Timestamp as_of,
                        const CountWorld& world);

}  // namespace meterhub::fleet
