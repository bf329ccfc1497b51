// What the harness and the I/O layer inside a started program share: a file that both have mapped.
// Zeros mean that nothing is wrong with disk, clock and sockets.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace meterhub::chaos {

// Variables that the layer reads when the program starts.
inline constexpr char kControlVariable[] = "CHAOS_CONTROL";  // this file
inline constexpr char kRootVariable[] = "CHAOS_ROOT";        // disk faults are for files below it

struct Control {
  std::atomic<std::int64_t> clock_shift_us;

  // Disk faults hit files whose path below the root holds this text. Written while nothing is armed.
  char area[32];
  std::atomic<std::uint32_t> disk_armed;  // not 0: look at the fields below
  std::atomic<std::uint32_t> write_delay_us;
  std::atomic<std::uint32_t> sync_delay_us;
  std::atomic<std::int32_t> syncs_until_error;  // 1: the next one fails, once
  std::atomic<std::int32_t> writes_until_torn;  // 1: of the next one a part is done, and the process is killed
  std::atomic<std::uint32_t> torn_share;        // of 256
  std::atomic<std::uint32_t> full;              // not 0: `bytes_left` can still be written
  std::atomic<std::int64_t> bytes_left;

  std::atomic<std::int32_t> sends_until_reset;  // 1: the next TCP write fails with ECONNRESET, and the peer sees a reset

  // What happened.
  std::atomic<std::uint64_t> delays;
  std::atomic<std::uint64_t> sync_errors;
  std::atomic<std::uint64_t> torn_writes;
  std::atomic<std::uint64_t> refused_writes;
  std::atomic<std::uint64_t> resets;
};
static_assert(std::is_standard_layout_v<Control> && std::atomic<std::int64_t>::is_always_lock_free);

}  // namespace meterhub::chaos
