// The composite types of AMQP 1.0 (parts 2, 3 and 5) as plain structs. Texts and
// bytes are views: of the received frame when decoded, of the caller's data when
// encoded. Their fields, types, defaults and codes on the wire stand in one table,
// performative_table.h, from which encoding and decoding follow.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <meterhub/amqp/value.h>

namespace meterhub::amqp {

// Milliseconds on the wire, as AMQP has them.
using Milliseconds = std::uint32_t;

// --- part 2: transport ---

struct ErrorFields {  // amqp:error
  Symbol condition{};
  std::optional<std::string_view> description{};
  Value info{};
};

struct Open {
  std::string_view container_id{};
  std::optional<std::string_view> hostname{};
  std::uint32_t max_frame_size = 0xffffffff;
  std::uint16_t channel_max = 65535;
  std::optional<Milliseconds> idle_time_out{};
  Value outgoing_locales{}, incoming_locales{}, offered_capabilities{}, desired_capabilities{}, properties{};
};

struct Begin {
  std::optional<std::uint16_t> remote_channel{};
  std::uint32_t next_outgoing_id = 0;
  std::uint32_t incoming_window = 0;
  std::uint32_t outgoing_window = 0;
  std::uint32_t handle_max = 0xffffffff;
  Value offered_capabilities{}, desired_capabilities{}, properties{};
};

enum class SettleMode : std::uint8_t { kUnsettled = 0, kSettled = 1, kMixed = 2 };

struct Attach {
  std::string_view name{};
  std::uint32_t handle = 0;
  bool receiver = false;             // the role of who sends this frame
  std::uint8_t snd_settle_mode = 2;  // SettleMode
  std::uint8_t rcv_settle_mode = 0;  // 0 first, 1 second
  Value source{}, target{}, unsettled{};
  bool incomplete_unsettled = false;
  std::optional<std::uint32_t> initial_delivery_count{};
  std::optional<std::uint64_t> max_message_size{};
  Value offered_capabilities{}, desired_capabilities{}, properties{};
};

struct Flow {
  std::optional<std::uint32_t> next_incoming_id{};
  std::uint32_t incoming_window = 0;
  std::uint32_t next_outgoing_id = 0;
  std::uint32_t outgoing_window = 0;
  std::optional<std::uint32_t> handle{}, delivery_count{}, link_credit{}, available{};
  bool drain = false;
  bool echo = false;
  Value properties{};
};

struct Transfer {
  std::uint32_t handle = 0;
  std::optional<std::uint32_t> delivery_id{};
  std::optional<base::BytesView> delivery_tag{};
  std::optional<std::uint32_t> message_format{};
  std::optional<bool> settled{};
  bool more = false;
  std::optional<std::uint8_t> rcv_settle_mode{};
  Value state{};
  bool resume = false;
  bool aborted = false;
  bool batchable = false;
};

struct Disposition {
  bool receiver = false;
  std::uint32_t first = 0;
  std::optional<std::uint32_t> last{};
  bool settled = false;
  Value state{};
  bool batchable = false;
};

struct Detach {
  std::uint32_t handle = 0;
  bool closed = false;
  Value error{};
};
struct End { Value error{}; };
struct Close { Value error{}; };

// --- part 3: messaging ---

struct Source {
  Value address{};  // string, or null
  std::uint32_t durable = 0;
  Symbol expiry_policy{"session-end"};
  std::uint32_t timeout = 0;
  bool dynamic = false;
  Value dynamic_node_properties{}, distribution_mode{}, filter{}, default_outcome{}, outcomes{}, capabilities{};
};

struct Target {
  Value address{};  // string, or null
  std::uint32_t durable = 0;
  Symbol expiry_policy{"session-end"};
  std::uint32_t timeout = 0;
  bool dynamic = false;
  Value dynamic_node_properties{}, capabilities{};
};

struct Accepted {};
struct Released {};
struct Rejected { Value error{}; };
struct Modified {
  bool delivery_failed = false;
  bool undeliverable_here = false;
  Value message_annotations{};
};
struct Received {
  std::uint32_t section_number = 0;
  std::uint64_t section_offset = 0;
};

struct Header {
  bool durable = false;
  std::uint8_t priority = 4;
  std::optional<Milliseconds> ttl{};
  bool first_acquirer = false;
  std::uint32_t delivery_count = 0;
};

// A point in time on the wire: UTC, milliseconds since 1970.
struct WireTime {
  std::int64_t ms = 0;
  friend bool operator==(const WireTime&, const WireTime&) = default;
};

struct Properties {
  Value message_id{};  // ulong, uuid, binary or string
  std::optional<base::BytesView> user_id{};
  Value to{};          // a string, as are the next two where present
  std::optional<std::string_view> subject{};
  Value reply_to{};
  Value correlation_id{};
  std::optional<Symbol> content_type{}, content_encoding{};
  std::optional<WireTime> absolute_expiry_time{}, creation_time{};
  std::optional<std::string_view> group_id{};
  std::optional<std::uint32_t> group_sequence{};
  std::optional<std::string_view> reply_to_group_id{};
};

// --- part 5: SASL ---

struct SaslMechanisms { Value mechanisms{}; };  // a symbol or an array of symbol
struct SaslInit {
  Symbol mechanism{};
  std::optional<base::BytesView> initial_response{};
  std::optional<std::string_view> hostname{};
};
struct SaslChallenge { base::BytesView challenge{}; };
struct SaslResponse { base::BytesView response{}; };
struct SaslOutcome {
  std::uint8_t code = 0;
  std::optional<base::BytesView> additional_data{};
};

// T is one of the structs above.
//
// Appends the described list, fields up to the last that is not its default.
template <class T>
void encode(base::Bytes& out, const T& fields);
// Reads one described list of type T and moves `in` past it. kInvalidArgument names
// the type and the field that was missing or of a wrong type.
template <class T>
base::Result<T> decode(base::BytesView& in);
// The same from a value already read.
template <class T>
base::Result<T> decode(const Value& value);
// True when the value carries T's descriptor, as code or as symbol.
template <class T>
bool is(const Value& value);
// Descriptor code at the head of `in` without moving it; 0 when there is none.
std::uint64_t peek_descriptor(base::BytesView in);

}  // namespace meterhub::amqp
