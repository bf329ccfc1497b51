// The query language of `POST /devices/query`, as far as there is something to ask for:
// `SELECT * FROM devices [alias] [WHERE …]` with = != <> < <= > >= IN [ ] AND OR NOT STARTSWITH over deviceId, status,
// statusReason, connectionState and authenticationType. Tags and twin properties are known names without a value.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::identity {

inline constexpr std::size_t kQueryBytesMax = 4096;
// Comparisons of one query, and how deep parentheses and NOT may be nested.
inline constexpr std::size_t kQueryTermsMax = 100;
inline constexpr int kQueryDepthMax = 32;

// What a query looks at, of one device. The texts are those of the REST form.
struct DeviceRow {
  std::string_view device_id;
  std::string_view status;
  std::optional<std::string_view> status_reason;  // nothing: null
  std::string_view connection_state;
  std::string_view authentication_type;
};

// Immutable.
class DeviceQuery {
 public:
  // kTooLarge; kInvalidArgument names what is wrong or not offered, and where.
  static base::Result<DeviceQuery> parse(std::string_view text);
  // Three-valued, as the language has it: what compares with something absent is neither true nor false.
  bool matches(const DeviceRow& row) const;

 private:
  friend class QueryParser;
  enum class Field : std::uint8_t { kDeviceId, kStatus, kStatusReason, kConnectionState, kAuthenticationType, kAbsent };
  struct Null {
    bool operator==(const Null&) const = default;
  };
  using Literal = std::variant<Null, bool, double, std::string>;
  using Operand = std::variant<Field, Literal>;
  enum class Operator : std::uint8_t {
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kIn,
    kStartsWith
  };
  enum class Kind : std::uint8_t { kAnd, kOr, kNot, kCompare };
  struct Node {
    Kind kind = Kind::kCompare;
    std::size_t left = 0;   // kAnd, kOr, kNot: index in nodes_
    std::size_t right = 0;  // kAnd, kOr
    Operator comparison = Operator::kEqual;
    Operand subject;               // kCompare
    std::vector<Operand> others;   // kCompare: one, or the list of IN
  };
  using Truth = std::optional<bool>;
  // Null is a value, nothing is none.
  using Value = std::optional<std::variant<Null, bool, double, std::string_view>>;

  static Value value_of(const Operand& operand, const DeviceRow& row);
  static Truth compare(const Value& a, Operator comparison, const Value& b);
  Truth truth_of_comparison(const Node& node, const DeviceRow& row) const;
  Truth truth_of(std::size_t node, const DeviceRow& row) const;

  std::vector<Node> nodes_;
  std::optional<std::size_t> where_;  // nothing: all devices
};

}  // namespace meterhub::identity
