// Payload profiles: what the bytes of a meter mean, said by a file and not by code
// (docs/formats/profile.md). Immutable once read; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::meter {

// Fields with a meaning of their own; every other field is kRoleNone and only carried.
enum class Role : std::uint8_t { kType, kCode, kBought, kLeft, kUsed, kStatus, kVersion, kNone };

enum class FieldType : std::uint8_t { kUnsigned, kSigned, kBcd, kText };
enum class ByteOrder : std::uint8_t { kBig, kLittle };

// How text bytes become characters.
enum class TextRule : std::uint8_t {
  kPrintable,  // trailing NULs stripped, bytes outside 0x20..0x7e become '?'
  kAscii,      // NULs kept, bytes from 0x80 become '?'
};

struct Field {
  std::string name;            // member of userData; lower-case letters, digits and '_'
  Role role = Role::kNone;     // follows from the name
  std::size_t offset = 0;
  std::size_t size = 1;        // 1..8; text 1..64
  FieldType type = FieldType::kUnsigned;
  ByteOrder order = ByteOrder::kBig;
  TextRule text = TextRule::kPrintable;
  std::int64_t factor = 1;     // value = raw * factor / 10^decimals
  std::uint8_t decimals = 0;   // 0 = written as an integer, else with a decimal point
  std::string unit;            // "m3"
  std::optional<std::int64_t> min;  // limits in 1/10^decimals; outside: flagged, not refused
  std::optional<std::int64_t> max;
};

struct StatusBit {
  std::uint64_t mask = 0;
  std::string name;
};

// How numbers with decimals are written.
enum class NumberText : std::uint8_t {
  kExact,    // the exact decimal, at least one digit after the point
  kFloat32,  // divided in 32-bit floating point, printed shortest, as the original did
};

struct Profile {
  std::string name;                          // 1 to 40 letters, digits, '-', '_', '.'
  std::string description;
  std::size_t length_min = 0;                // shorter payloads are refused
  std::optional<std::size_t> length_max;     // none = a longer tail is ignored
  NumberText numbers = NumberText::kExact;
  bool mode_null = false;                    // originData writes "mode":null instead of "modu"
  std::vector<Field> fields;                 // in the order of userData; at most kFieldsMax
  std::vector<StatusBit> status_bits;

  const Field* field(Role role) const;
};
inline constexpr std::size_t kFieldsMax = 32;

// Reads a profile file. kInvalidArgument as "line 7: …" with the rule broken: unknown keys, a
// field outside the payload, an unknown type, two fields of one name.
base::Result<Profile> parse_profile(std::string_view toml);

// Compiled in: "v1" (the default) and "poc-2016"; nullptr for any other name.
const Profile* builtin_profile(std::string_view name);
std::vector<std::string_view> builtin_profile_names();

}  // namespace meterhub::meter
