// What alarms are about, in the field's words, and the names they have in JSON, tables and settings. Immutable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace meterhub::alarm {

enum class Rule : std::uint8_t {
  kLowBalance,       // less gas left than the platform's or tenant's limit
  kOwnLimit,         // less left than the customer's own limit
  kSilentMeter,      // a meter was not heard for too long
  kSilentGateway,    // a gateway was not heard for too long
  kLeak,             // gas flows without a pause
  kTamper,           // the meter says that somebody was at it
  kReverseCounter,   // the counter runs back
  kStuckCounter,     // the counter stands still where gas was used every day
  kHighFlow,         // more flows than the meter is made for
  kBatteryLow,       // the meter's battery
  kValveClosed,      // the meter has shut its valve
  kSensorFault,      // the meter's flow sensor
  kDecryptFailures,  // too many packets of a gateway cannot be decrypted
  kCounterReset,     // a meter's frame counter began anew
  kIncomplete,       // fewer readings than the target
};
inline constexpr std::size_t kRules = 15;

// Rises with urgency.
enum class Severity : std::uint8_t { kInfo, kWarning, kUrgent, kEmergency };
inline constexpr std::size_t kSeverities = 4;

// As in ISA-18.2. All but kCleared are open.
enum class State : std::uint8_t {
  kUnacknowledged,  // the condition is there, nobody has taken note
  kAcknowledged,    // it is there, and somebody has
  kReturned,        // it has gone, and somebody still has to take note (latched rules)
  kShelved,         // put aside for a time, whatever the condition does
  kCleared,         // over
};
inline constexpr std::size_t kStates = 5;

enum class SubjectKind : std::uint8_t { kMeter, kGateway, kBuilding, kDistrict, kTenant };
inline constexpr std::size_t kSubjectKinds = 5;

template <std::size_t N>
using Names = std::array<std::string_view, N>;

// By enumerator.
inline constexpr Names<kRules> kRuleNames{
    "low_balance",  "own_limit",       "silent_meter",     "silent_gateway", "leak",
    "tamper",       "reverse_counter", "stuck_counter",    "high_flow",      "battery_low",
    "valve_closed", "sensor_fault",    "decrypt_failures", "counter_reset",  "incomplete"};
inline constexpr Names<kSeverities> kSeverityNames{"info", "warning", "urgent", "emergency"};
inline constexpr Names<kStates> kStateNames{"unacknowledged", "acknowledged", "returned", "shelved", "cleared"};
inline constexpr Names<kSubjectKinds> kSubjectKindNames{"meter", "gateway", "building", "district", "tenant"};

constexpr std::string_view name(Rule rule) { return kRuleNames[static_cast<std::size_t>(rule)]; }
constexpr std::string_view name(Severity severity) { return kSeverityNames[static_cast<std::size_t>(severity)]; }
constexpr std::string_view name(State state) { return kStateNames[static_cast<std::size_t>(state)]; }
constexpr std::string_view name(SubjectKind kind) { return kSubjectKindNames[static_cast<std::size_t>(kind)]; }

// The enumerator of that name in `names`; nothing when there is none: from_name<Rule>(kRuleNames, "leak").
template <class Enum, std::size_t N>
constexpr std::optional<Enum> from_name(const Names<N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace meterhub::alarm
