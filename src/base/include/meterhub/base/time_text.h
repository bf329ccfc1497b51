// RFC 3339 text of UTC times. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

namespace meterhub::base {

// A time and how many digits of a second its text has (0..6), so that a time that came as
// "…34.5Z" leaves as "…34.5Z".
struct PreciseTime {
  Timestamp at{};
  std::uint8_t digits = 0;

  bool operator==(const PreciseTime&) const = default;
};

// The time with 0, 3 or 6 digits, as few as hold it exactly.
PreciseTime precise(Timestamp at);

// "2016-12-21T03:24:34Z", with the digits asked for. Years 0000 to 9999.
void append_rfc3339(std::string& out, PreciseTime time);
std::string rfc3339(PreciseTime time);
std::string rfc3339(Timestamp at);  // 0, 3 or 6 digits

// Reads the extended form ("2016-12-21T03:24:34.528Z", 't' or ' ' between date and time, 'Z' or
// an offset "+08:00") and the basic form of ISO 8601 ("20161221T032434.5Z"). Digits past the
// sixth are cut. A leap second reads as the last second. kInvalidArgument otherwise.
Result<PreciseTime> parse_rfc3339(std::string_view text);

}  // namespace meterhub::base
