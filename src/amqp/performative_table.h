// The table of AMQP's composite types: for each struct its descriptor and its fields
// in the order of the specification. Encoding and decoding are written once over it
// (performatives.cc). A field that is not mandatory goes out as null while it has the
// default that the struct gives it.
#pragma once

#include <tuple>

#include <meterhub/amqp/performatives.h>

namespace meterhub::amqp {

template <class T, class M>
struct Field {
  M T::*member;
  const char* name;
  bool mandatory;
};
template <class T, class M>
constexpr Field<T, M> must(M T::*member, const char* name) {
  return {member, name, true};
}
template <class T, class M>
constexpr Field<T, M> may(M T::*member, const char* name) {
  return {member, name, false};
}

template <class T>
struct Composite;

#define MH_COMPOSITE(type, descriptor_code, descriptor_name, ...)      \
  template <>                                                          \
  struct Composite<type> {                                             \
    using S = type;                                                    \
    static constexpr std::uint64_t kCode = descriptor_code;            \
    static constexpr std::string_view kName = descriptor_name;         \
    static constexpr auto kFields = std::make_tuple(__VA_ARGS__);      \
  }

// clang-format off
MH_COMPOSITE(ErrorFields, 0x1d, "amqp:error:list",
  must(&S::condition, "condition"), may(&S::description, "description"), may(&S::info, "info"));

MH_COMPOSITE(Open, 0x10, "amqp:open:list",
  must(&S::container_id, "container-id"), may(&S::hostname, "hostname"),
  may(&S::max_frame_size, "max-frame-size"), may(&S::channel_max, "channel-max"),
  may(&S::idle_time_out, "idle-time-out"), may(&S::outgoing_locales, "outgoing-locales"),
  may(&S::incoming_locales, "incoming-locales"), may(&S::offered_capabilities, "offered-capabilities"),
  may(&S::desired_capabilities, "desired-capabilities"), may(&S::properties, "properties"));

MH_COMPOSITE(Begin, 0x11, "amqp:begin:list",
  may(&S::remote_channel, "remote-channel"), must(&S::next_outgoing_id, "next-outgoing-id"),
  must(&S::incoming_window, "incoming-window"), must(&S::outgoing_window, "outgoing-window"),
  may(&S::handle_max, "handle-max"), may(&S::offered_capabilities, "offered-capabilities"),
  may(&S::desired_capabilities, "desired-capabilities"), may(&S::properties, "properties"));

MH_COMPOSITE(Attach, 0x12, "amqp:attach:list",
  must(&S::name, "name"), must(&S::handle, "handle"), must(&S::receiver, "role"),
  may(&S::snd_settle_mode, "snd-settle-mode"), may(&S::rcv_settle_mode, "rcv-settle-mode"),
  may(&S::source, "source"), may(&S::target, "target"), may(&S::unsettled, "unsettled"),
  may(&S::incomplete_unsettled, "incomplete-unsettled"),
  may(&S::initial_delivery_count, "initial-delivery-count"), may(&S::max_message_size, "max-message-size"),
  may(&S::offered_capabilities, "offered-capabilities"), may(&S::desired_capabilities, "desired-capabilities"),
  may(&S::properties, "properties"));

MH_COMPOSITE(Flow, 0x13, "amqp:flow:list",
  may(&S::next_incoming_id, "next-incoming-id"), must(&S::incoming_window, "incoming-window"),
  must(&S::next_outgoing_id, "next-outgoing-id"), must(&S::outgoing_window, "outgoing-window"),
  may(&S::handle, "handle"), may(&S::delivery_count, "delivery-count"), may(&S::link_credit, "link-credit"),
  may(&S::available, "available"), may(&S::drain, "drain"), may(&S::echo, "echo"),
  may(&S::properties, "properties"));

MH_COMPOSITE(Transfer, 0x14, "amqp:transfer:list",
  must(&S::handle, "handle"), may(&S::delivery_id, "delivery-id"), may(&S::delivery_tag, "delivery-tag"),
  may(&S::message_format, "message-format"), may(&S::settled, "settled"), may(&S::more, "more"),
  may(&S::rcv_settle_mode, "rcv-settle-mode"), may(&S::state, "state"), may(&S::resume, "resume"),
  may(&S::aborted, "aborted"), may(&S::batchable, "batchable"));

MH_COMPOSITE(Disposition, 0x15, "amqp:disposition:list",
  must(&S::receiver, "role"), must(&S::first, "first"), may(&S::last, "last"), may(&S::settled, "settled"),
  may(&S::state, "state"), may(&S::batchable, "batchable"));

MH_COMPOSITE(Detach, 0x16, "amqp:detach:list",
  must(&S::handle, "handle"), may(&S::closed, "closed"), may(&S::error, "error"));
MH_COMPOSITE(End, 0x17, "amqp:end:list", may(&S::error, "error"));
MH_COMPOSITE(Close, 0x18, "amqp:close:list", may(&S::error, "error"));

MH_COMPOSITE(Received, 0x23, "amqp:received:list",
  must(&S::section_number, "section-number"), must(&S::section_offset, "section-offset"));
MH_COMPOSITE(Rejected, 0x25, "amqp:rejected:list", may(&S::error, "error"));
MH_COMPOSITE(Modified, 0x27, "amqp:modified:list",
  may(&S::delivery_failed, "delivery-failed"), may(&S::undeliverable_here, "undeliverable-here"),
  may(&S::message_annotations, "message-annotations"));

MH_COMPOSITE(Source, 0x28, "amqp:source:list",
  may(&S::address, "address"), may(&S::durable, "durable"), may(&S::expiry_policy, "expiry-policy"),
  may(&S::timeout, "timeout"), may(&S::dynamic, "dynamic"),
  may(&S::dynamic_node_properties, "dynamic-node-properties"), may(&S::distribution_mode, "distribution-mode"),
  may(&S::filter, "filter"), may(&S::default_outcome, "default-outcome"), may(&S::outcomes, "outcomes"),
  may(&S::capabilities, "capabilities"));
MH_COMPOSITE(Target, 0x29, "amqp:target:list",
  may(&S::address, "address"), may(&S::durable, "durable"), may(&S::expiry_policy, "expiry-policy"),
  may(&S::timeout, "timeout"), may(&S::dynamic, "dynamic"),
  may(&S::dynamic_node_properties, "dynamic-node-properties"), may(&S::capabilities, "capabilities"));

MH_COMPOSITE(Header, 0x70, "amqp:header:list",
  may(&S::durable, "durable"), may(&S::priority, "priority"), may(&S::ttl, "ttl"),
  may(&S::first_acquirer, "first-acquirer"), may(&S::delivery_count, "delivery-count"));
MH_COMPOSITE(Properties, 0x73, "amqp:properties:list",
  may(&S::message_id, "message-id"), may(&S::user_id, "user-id"), may(&S::to, "to"),
  may(&S::subject, "subject"), may(&S::reply_to, "reply-to"), may(&S::correlation_id, "correlation-id"),
  may(&S::content_type, "content-type"), may(&S::content_encoding, "content-encoding"),
  may(&S::absolute_expiry_time, "absolute-expiry-time"), may(&S::creation_time, "creation-time"),
  may(&S::group_id, "group-id"), may(&S::group_sequence, "group-sequence"),
  may(&S::reply_to_group_id, "reply-to-group-id"));

MH_COMPOSITE(SaslMechanisms, 0x40, "amqp:sasl-mechanisms:list", must(&S::mechanisms, "sasl-server-mechanisms"));
MH_COMPOSITE(SaslInit, 0x41, "amqp:sasl-init:list",
  must(&S::mechanism, "mechanism"), may(&S::initial_response, "initial-response"), may(&S::hostname, "hostname"));
MH_COMPOSITE(SaslChallenge, 0x42, "amqp:sasl-challenge:list", must(&S::challenge, "challenge"));
MH_COMPOSITE(SaslResponse, 0x43, "amqp:sasl-response:list", must(&S::response, "response"));
MH_COMPOSITE(SaslOutcome, 0x44, "amqp:sasl-outcome:list",
  must(&S::code, "code"), may(&S::additional_data, "additional-data"));
// clang-format on

// Composites without fields.
template <>
struct Composite<Accepted> {
  static constexpr std::uint64_t kCode = 0x24;
  static constexpr std::string_view kName = "amqp:accepted:list";
  static constexpr auto kFields = std::make_tuple();
};
template <>
struct Composite<Released> {
  static constexpr std::uint64_t kCode = 0x26;
  static constexpr std::string_view kName = "amqp:released:list";
  static constexpr auto kFields = std::make_tuple();
};

#undef MH_COMPOSITE

#define MH_EACH_COMPOSITE(X)                                                              \
  X(ErrorFields) X(Open) X(Begin) X(Attach) X(Flow) X(Transfer) X(Disposition) X(Detach)  \
  X(End) X(Close) X(Received) X(Accepted) X(Rejected) X(Released) X(Modified) X(Source)   \
  X(Target) X(Header) X(Properties) X(SaslMechanisms) X(SaslInit) X(SaslChallenge)        \
  X(SaslResponse) X(SaslOutcome)

}  // namespace meterhub::amqp
