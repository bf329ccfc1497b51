// The state behind Connection. Three files implement it by layer: transport.cc (bytes,
// frames, SASL, open and close, time), links.cc (sessions, links, credit), deliveries.cc.
//
// Links and sessions are freed only by the handlers of the peer's frames, after their
// listener calls: an action never invalidates what a handler holds.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/amqp/engine.h>

#include "delivery_ring.h"

namespace meterhub::amqp {

struct Session;

struct Link {
  enum class State : std::uint8_t {
    kAsked,      // the peer attached, we have not answered
    kAsking,     // we attached, the peer has not answered
    kAttached,
    kDetaching,  // we detached and wait for the peer's detach
  };

  LinkId id{};
  Session* session = nullptr;
  State state = State::kAsked;
  bool receiver = false;       // our role
  bool presettled = false;     // sending: the peer wants it settled
  bool touched = false;        // in the list of links whose credit may want topping up
  std::string name;
  std::uint32_t handle = 0;    // ours
  std::optional<std::uint32_t> remote_handle;
  base::Bytes source, target;  // the peer's, until answered
  std::uint8_t snd_settle_mode = 2;

  std::uint32_t delivery_count = 0;
  std::uint32_t credit = 0;
  std::uint32_t unsettled = 0;
  bool drain = false;          // sending: asked by the peer

  // Receiving.
  std::uint32_t window = 0;
  std::uint32_t granted_to = 0;  // highest delivery-count + credit ever offered
  std::uint64_t max_message_size = 0;
  struct Incoming {
    bool under_way = false;
    bool single = false;   // in one transfer, as nearly all are
    bool settled = false;
    bool oversized = false;
    DeliveryId id = 0;
    std::uint32_t format = 0;
    std::uint64_t bytes = 0;
    base::Bytes tag, payload;  // of a delivery in pieces
  } incoming;

  // Receiving: nothing more may come before there is credit. A window made smaller does not call back what was
  // granted before. Of a link that ends, what still comes is dropped.
  bool awaits_credit() const {
    return state != State::kDetaching && static_cast<std::int32_t>(granted_to - delivery_count) <= 0;
  }
};

struct Session {
  enum class State : std::uint8_t { kAsking, kMapped, kEnding };

  SessionId id{};
  State state = State::kMapped;
  bool touched = false;
  std::uint16_t channel = 0;  // ours
  std::optional<std::uint16_t> remote_channel;
  std::uint32_t next_incoming_id = 0;
  std::uint32_t incoming_window = 0;
  std::uint32_t next_outgoing_id = 0;
  std::uint32_t remote_window = 0;
  std::uint32_t remote_handle_max = 0xffffffff;
  std::vector<Link*> by_handle;         // ours
  std::vector<Link*> by_remote_handle;  // bounded by the handle-max we offered
  DeliveryRing incoming, outgoing;
  std::deque<base::Bytes> held;         // transfers of one message beyond the peer's window

  struct Settlement {
    DeliveryId first = 0;
    DeliveryId last = 0;
    Outcome outcome = Outcome::kAccepted;
    std::string condition, description;
  };
  std::vector<Settlement> settlements;  // not yet written
};

class Connection::Engine {
 public:
  Engine(Options options, Listener& listener, base::MonotonicTime now);

  // --- transport.cc ---
  void feed(base::BytesView bytes, base::MonotonicTime now);
  base::BytesView output();
  void consumed(std::size_t bytes);
  bool output_full() const { return output_.size() - written_ > options_.limits.output_bytes; }
  bool input_held() const { return short_of_credit_.has_value() && !ended_; }
  bool input_ready() const;
  bool finished() const { return ended_; }
  base::MonotonicTime next_deadline() const;
  void tick(base::MonotonicTime now);
  void close(const ErrorView& error);

  // --- links.cc ---
  void accept(LinkId link, const AcceptOptions& options);
  void refuse(LinkId link, const ErrorView& error);
  SessionId begin();
  base::Result<LinkId> attach(SessionId session, const AttachOptions& options);
  void detach(LinkId link, const ErrorView& error);
  void end(SessionId session, const ErrorView& error);
  void set_window(LinkId link, std::uint32_t messages);
  void let_window_close(LinkId link, std::uint32_t messages);

  // --- deliveries.cc ---
  void settle(SessionId session, DeliveryId first, DeliveryId last, Outcome outcome, const ErrorView& error);
  std::uint32_t sendable(LinkId link) const;
  base::Result<DeliveryId> send(LinkId link, base::BytesView head, base::BytesView body, const SendOptions& options);
  void drained(LinkId link);
  std::uint32_t unsettled(LinkId link) const;

  const Statistics& statistics() const { return statistics_; }

 private:
  enum class Stage : std::uint8_t {
    kHeader,         // server: the first protocol header
    kSaslMechanisms, // client
    kSaslInit,       // server
    kSaslOutcome,    // client
    kAmqpHeader,     // the header of the AMQP layer
    kFrames,
  };
  struct Frame {
    std::uint8_t type = 0;
    std::uint16_t channel = 0;
    base::BytesView body;
  };

  // --- transport.cc ---
  void take(base::BytesView bytes);
  void hold(base::BytesView bytes);
  std::size_t wanted(base::BytesView unit);
  std::size_t collect(base::BytesView bytes);
  void take_unit(base::BytesView unit);
  void take_header(base::BytesView header);
  void take_first_header(std::uint8_t protocol);
  void take_frame(base::BytesView bytes);
  void take_performative(const Frame& frame);
  void take_sasl(base::BytesView body);
  void take_sasl_mechanisms(base::BytesView body);
  void take_sasl_init(base::BytesView body);
  void take_sasl_outcome(base::BytesView body);
  void take_open(base::BytesView body);
  void take_close(base::BytesView body);
  void send_header(std::uint8_t protocol);
  void send_mechanisms();
  void send_open();
  void send_close(const ErrorView& error);
  void fail(std::string_view condition, std::string_view description);
  void finish(const ErrorView& error, bool by_peer);
  bool told_by_peer() const;
  // Frames of the AMQP layer go behind the SASL layer, which may not be through yet.
  base::Bytes& frames_out() { return sasl_under_way_ ? behind_sasl_ : output_; }
  template <class T>
  void write(std::uint16_t channel, const T& fields);
  template <class T>
  void write_sasl(const T& fields);
  std::size_t begin_frame(base::Bytes& out, std::uint8_t type, std::uint16_t channel);
  void end_frame(base::Bytes& out, std::size_t at);
  // Decoded fields, or nothing after having failed the connection.
  template <class T>
  std::optional<T> decoded(base::BytesView body);

  // --- links.cc ---
  Session* session_on(std::uint16_t remote_channel);
  bool is_late(std::uint16_t remote_channel, std::uint64_t performative) const;
  Session* find(SessionId id) const;
  Link* find(LinkId id) const;
  Link* usable(LinkId id) const;  // attached, in a mapped session
  Session* make_session();
  Link* make_link(Session& session);
  void free_link(Link& link);
  void free_session(Session& session);
  void take_begin(std::uint16_t channel, base::BytesView body);
  void take_attach(Session& session, base::BytesView body);
  void take_attach_reply(Link& link, const Attach& attach);
  void take_new_attach(Session& session, const Attach& attach);
  void take_flow(Session& session, base::BytesView body);
  void take_link_flow(Link& link, const Flow& flow);
  void take_detach(Session& session, base::BytesView body);
  void take_end(Session& session, base::BytesView body);
  Link* remote_link(Session& session, std::uint32_t handle);
  void send_begin(Session& session);
  void send_flow(Session& session, const Link* link);
  void answer_attach(Link& link, const AcceptOptions& options, bool refused);
  void send_detach(Link& link, const ErrorView& error, bool closed);
  void fail_session(Session& session, std::string_view condition, std::string_view description);
  void drop_links(Session& session, const ErrorView& error);
  void touch(Session& session);
  void touch(Link& link);
  void top_up(Link& link);
  void flush();

  // --- deliveries.cc ---
  void take_transfer(Session& session, base::BytesView body);
  bool begin_delivery(Session& session, Link& link, const Transfer& transfer);
  void take_payload(Link& link, const Transfer& transfer, base::BytesView payload);
  void abort_delivery(Link& link);
  void drop_assembly(Link& link);
  void complete_delivery(Link& link, base::BytesView tag, base::BytesView payload);
  void reject_oversized(Link& link);
  void take_disposition(Session& session, base::BytesView body);
  void take_outcome(Session& session, const Disposition& disposition);
  void take_sender_settled(Session& session, const Disposition& disposition);
  void flush_settlements(Session& session);
  void flush_held(Session& session);
  void write_transfer(Session& session, const Transfer& first, base::BytesView head, base::BytesView body);

  Options options_;
  Listener& listener_;
  base::MonotonicTime now_;

  Stage stage_;
  bool sasl_under_way_ = false;
  bool open_sent_ = false;
  bool open_received_ = false;
  bool close_sent_ = false;
  bool ended_ = false;
  base::Bytes partial_;      // the beginning of a header or frame
  // The input from the first transfer on that its link, this one, had no credit for.
  base::Bytes held_;
  std::optional<LinkId> short_of_credit_;
  base::Bytes output_;       // from written_ on still to be written
  base::Bytes behind_sasl_;
  std::size_t written_ = 0;

  std::uint32_t remote_max_frame_ = 512;  // until open tells
  std::uint16_t remote_channel_max_ = 65535;
  std::optional<std::chrono::milliseconds> remote_idle_;
  base::MonotonicTime started_, last_in_, last_out_, close_sent_at_;

  std::vector<std::unique_ptr<Session>> sessions_;  // by our channel
  std::vector<Session*> by_remote_channel_;
  std::vector<bool> ended_channels_;                // the peer's, whose session has ended; sized as by_remote_channel_
  std::vector<std::unique_ptr<Link>> links_;        // by the lower half of LinkId
  std::vector<std::uint16_t> session_generations_, link_generations_;
  std::vector<LinkId> touched_links_;
  std::vector<SessionId> touched_sessions_;
  std::size_t assembled_ = 0;  // bytes in all links' assembly buffers
  Statistics statistics_;
};

// The error of a performative's `error` field; views of the value.
ErrorView error_of(const Value& value);
// Encodes an error for such a field into `buffer`; null when it has no condition.
Value encoded_error(base::Bytes& buffer, const ErrorView& error);

template <class T>
void Connection::Engine::write(std::uint16_t channel, const T& fields) {
  base::Bytes& out = frames_out();
  const std::size_t at = begin_frame(out, 0, channel);
  encode(out, fields);
  end_frame(out, at);
}

template <class T>
std::optional<T> Connection::Engine::decoded(base::BytesView body) {
  auto fields = decode<T>(body);
  if (fields) return *fields;
  fail("amqp:decode-error", fields.error().text);
  return std::nullopt;
}

}  // namespace meterhub::amqp
