// A meter's payload, decoded (spec/lorawan-ns.md section 8). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>
#include <meterhub/base/time_text.h>
#include <meterhub/meter/profile.h>

namespace meterhub::meter {

enum class DecodeError : std::uint8_t { kBadLength, kBadDigits };  // "bad_length", "bad_digits" (BCD)
std::string_view text(DecodeError error);

// Signs of a fault that the payload shows alone; not errors.
struct Plausibility {
  bool balanced = true;       // bought - used == left, where all three exist
  bool within_limits = true;  // every field inside its profile's limits
};

// Values in the order of the profile's fields: numbers[i] in units of 1/10^decimals, or
// texts[i]. Reuse one object to save allocations.
struct Reading {
  const Profile* profile = nullptr;  // outlives the reading
  std::vector<std::int64_t> numbers;
  std::vector<std::string> texts;
  Plausibility plausibility;

  // Raw value of a field; nullopt when the profile has none or it is text.
  std::optional<std::int64_t> number(Role role) const;
  // Volume in litres, from a field whose unit is "m3" or "l"; rounded toward zero. nullopt
  // also when it does not fit 64 bits.
  std::optional<std::int64_t> litres(Role role) const;
  std::string_view version() const;
  // Names of the profile's status bits that are set.
  std::vector<std::string_view> status_names() const;
};

// Replaces the content of `out`. After an error `out` means nothing.
std::expected<void, DecodeError> decode(const Profile& profile, base::BytesView payload, Reading& out);

// What a v1 meter reports; for the simulator.
struct MeterState {
  std::uint8_t type = 2;
  std::uint8_t code = 1;
  std::uint32_t bought_litres = 0;
  std::int32_t left_litres = 0;
  std::uint32_t used_litres = 0;
  std::uint16_t status = 4;
  std::string_view version = "v1.0";  // up to four characters
};
std::array<std::uint8_t, 20> encode_v1(const MeterState& state);

// The profile's inverse for any profile: values as in `reading`. kInvalidArgument when a value does
// not fit its field.
base::Result<base::Bytes> encode(const Profile& profile, const Reading& reading);

// Exact decimal with at least one digit after the point: 979171, 3 -> "979.171".
void append_decimal(std::string& out, std::int64_t value, std::uint8_t decimals);

// {"type":2,…,"version":"v1.0","time":"…"}, or null without a reading.
void append_user_data(std::string& out, const Reading* reading, base::PreciseTime time);

// {"originData":<origin>,"userData":…}: the body in logs `decoded` and `readings`. `origin` is
// JSON text of gw, mote and app (lorawan::append_origin).
void append_document(std::string& out, std::string_view origin, const Reading* reading, base::PreciseTime time);

}  // namespace meterhub::meter
