// Where windows end (stream-sql 7): (start, end], edges at multiples of the hop counted
// from 0001-01-01T00:00:00Z plus the offset (D8).
#pragma once

#include <meterhub/engine/value.h>

namespace meterhub::engine {

// The least edge at or after `time`.
inline Ticks window_end(Ticks time, Ticks hop, Ticks offset) {
  const Ticks past = (time - offset) % hop;
  if (past == 0) return time;
  return past > 0 ? time + hop - past : time - past;
}

}  // namespace meterhub::engine
