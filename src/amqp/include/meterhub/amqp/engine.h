// One AMQP 1.0 connection without I/O: bytes in by feed(), events out through a
// Listener, bytes to write out by output(). Server and client side.
//
// Driving it (one thread, no locks inside):
//   connection.feed(bytes_read, now);            // calls the listener
//   … accept, refuse, set_window, settle, send, also later and outside feed() …
//   write(connection.output()); connection.consumed(n);
//   at next_deadline(): connection.tick(now);    // heartbeats and silence
//   when finished() and output() is empty: close the socket.
// While output_full(), stop reading from the socket and stop sending.
// While input_held(), stop reading too; once input_ready(), feed({}, now) goes on with what was held.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/amqp/performatives.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

namespace meterhub::amqp {

enum class Role : std::uint8_t { kServer, kClient };

// Ids are unique within their connection and not used again soon (2^16 reuses of a
// slot): acting on one that is gone does nothing, so work may finish late.
enum class SessionId : std::uint32_t {};
enum class LinkId : std::uint32_t {};
// Of one session and direction; consecutive, wraps around.
using DeliveryId = std::uint32_t;

// An error as it goes over the wire. Views; copied when handed in.
struct ErrorView {
  std::string_view condition{};  // "amqp:not-found", … (spec/azure-amqp.md section 10)
  std::string_view description{};
};

enum class Outcome : std::uint8_t { kAccepted, kRejected, kReleased, kModified };

enum class SaslMechanism : std::uint8_t { kAnonymous, kMssbcbs, kPlain, kExternal };

// What a peer may take of us. Going over one ends the message, link, session or
// connection with the AMQP error that says so.
struct Limits {
  std::uint32_t max_frame_size = 65536;       // offered in open; at least 512
  std::uint16_t sessions = 64;
  std::uint16_t links_per_session = 64;
  std::size_t link_bytes = 4096;              // of a peer's link: its name; its source and target together
  std::uint32_t deliveries_in_flight = 16384; // per session: oldest unsettled to newest
  std::size_t assembly_bytes = 4u << 20;      // of all half-received messages together
  std::size_t output_bytes = 1u << 20;        // output_full() above this
  std::size_t held_bytes = 1u << 20;          // input beyond credit; over it the connection is ended
  std::chrono::seconds handshake{20};         // first byte to the peer's open
};

struct Options {
  Role role = Role::kServer;
  std::string container_id = "meterhub";
  std::string hostname{};                            // client: of open
  std::optional<std::chrono::milliseconds> idle_timeout = std::chrono::minutes(4);  // ours, told to the peer
  std::uint32_t session_window = 8192;             // transfers, told to the peer
  bool sasl = false;                               // client: a SASL layer with ANONYMOUS first
  // Server: offered, in this order. A client without a SASL layer is always taken.
  std::vector<SaslMechanism> mechanisms = {SaslMechanism::kAnonymous, SaslMechanism::kMssbcbs, SaslMechanism::kPlain,
                                           SaslMechanism::kExternal};
  Limits limits;
};

// What the peer said in its open. Views, valid during the call.
struct PeerOpen {
  const Open& fields;
};

// A link the peer asks for (server: on_attach) or confirms (on_attached).
struct PeerAttach {
  SessionId session{};
  LinkId link{};
  bool peer_sends = false;           // the peer is the sender, we receive
  const Attach& fields;              // name, settle modes, properties, desired_capabilities, …
  std::optional<Source> source{};      // with the filter map
  std::optional<Target> target{};

  // The address that the link is about: target when the peer sends, source when it receives.
  std::string_view address() const;
};

// One complete message. The payload is a view: of the bytes fed when the message came
// in one transfer, else of the link's assembly buffer. Valid during the call.
struct Delivery {
  SessionId session{};
  LinkId link{};
  DeliveryId id = 0;
  base::BytesView tag{};
  std::uint32_t message_format = 0;
  bool settled = false;              // the sender wants no answer: do not settle
  base::BytesView payload{};
};

struct SaslLogin {
  SaslMechanism mechanism = SaslMechanism::kAnonymous;
  std::string_view user{};             // PLAIN: authentication id; ANONYMOUS: the trace text
  std::string_view password{};         // PLAIN only
};

// Called from within feed() and tick(), never from another action. All that a listener
// may do with the connection it may do inside a call. The defaults do nothing.
class Listener {
 public:
  virtual ~Listener() = default;

  // Server: lets the peer pass, or not. Authority comes from $cbs, so all but PLAIN
  // pass by default.
  virtual bool on_sasl(const SaslLogin& login) { return login.mechanism != SaslMechanism::kPlain; }
  // The peer's open has come. A server has not answered yet: close() here refuses.
  virtual void on_open(const PeerOpen& /*open*/) {}
  virtual void on_session(SessionId /*session*/) {}
  // Server: the peer asks for a link; answer with accept() or refuse(), now or later.
  // Answered now (with set_window), a peer that pipelines its first transfer is served.
  virtual void on_attach(const PeerAttach& /*attach*/) {}
  // A link that we asked for stands. When the peer refuses it, on_detached follows.
  virtual void on_attached(const PeerAttach& /*attach*/) {}
  // The credit or window to send on this link grew: sendable() tells how far.
  virtual void on_credit(LinkId /*link*/) {}
  // The receiver asks to use up its credit or give it back: send what there is, then drained().
  virtual void on_drain(LinkId /*link*/) {}
  virtual void on_delivery(const Delivery& /*delivery*/) {}
  // A message was over the link's size and has been rejected by the engine.
  virtual void on_oversized(LinkId /*link*/, std::uint64_t /*bytes*/) {}
  // The receiver's verdict on what we sent: deliveries first … last of this link.
  virtual void on_outcome(LinkId /*link*/, DeliveryId /*first*/, DeliveryId /*last*/, Outcome /*outcome*/,
                          const ErrorView& /*error*/) {}
  // The link is gone (the engine has answered the detach). Not called for our own detach().
  virtual void on_detached(LinkId /*link*/, const ErrorView& /*error*/) {}
  // The session is gone, its links with it (each had its on_detached).
  virtual void on_session_ended(SessionId /*session*/, const ErrorView& /*error*/) {}
  // Nothing more will come: the peer closed, broke the protocol, fell silent, or answered
  // our close. Links and sessions had no further calls. `by_peer`: the error is the peer's.
  virtual void on_closed(const ErrorView& /*error*/, bool /*by_peer*/) {}
};

// How a link is accepted. What is empty is echoed from the peer's attach.
struct AcceptOptions {
  std::uint64_t max_message_size = 1u << 20;  // bytes; offered and enforced when the peer sends
  std::string_view dynamic_address{};           // when the peer asked for a dynamic node
  Value properties{}, offered_capabilities{};
};

// A link that we ask for.
struct AttachOptions {
  std::string_view name{};
  bool receiver = false;              // our role
  std::string_view source{}, target{};    // addresses; empty = null
  SettleMode settle_mode = SettleMode::kMixed;
  Value filter{};                       // a map, for the source
  Value properties{}, desired_capabilities{};
  std::uint64_t max_message_size = 1u << 20;  // receiving
};

struct SendOptions {
  std::uint32_t message_format = 0;
  bool settled = false;
  base::BytesView tag{};  // at most 32 bytes, never twice on a link; empty = the engine's own, of 4 bytes
};

struct Statistics {
  std::uint64_t frames_in = 0, frames_out = 0;
  std::uint64_t transfers_in = 0, deliveries_in = 0, deliveries_out = 0;
  std::uint64_t oversized = 0;
  std::uint64_t late_frames = 0;  // flows, dispositions and detaches of sessions that had ended: passed over
};

class Connection {
 public:
  // The listener outlives the connection. A client's first bytes are in output() at once.
  Connection(Options options, Listener& listener, base::MonotonicTime now);
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) = delete;

  // Takes any cut of the stream. After the end (finished()) bytes are ignored.
  void feed(base::BytesView bytes, base::MonotonicTime now);
  // What is to be written, in order; collects the dispositions and flows due. The view
  // is valid until the next call of any other member.
  base::BytesView output();
  void consumed(std::size_t bytes);
  bool output_full() const;
  // The peer sent a message that its link had no credit for (uAMQP does; seen with 1.5). From that transfer on the
  // input is kept as it came, unread: stop reading, so that TCP holds the peer back. What is fed all the same is kept
  // up to Limits::held_bytes.
  bool input_held() const;
  // It is held and need not be any longer: the link has credit again, or is gone. feed({}, now) goes on.
  bool input_ready() const;
  // No further bytes in either direction once output() is empty.
  bool finished() const;

  // When tick() has work at the latest; MonotonicTime::max() when never.
  base::MonotonicTime next_deadline() const;
  // Sends the heartbeat due, ends the connection when handshake or peer took too long.
  void tick(base::MonotonicTime now);

  // --- links ---
  void accept(LinkId link, const AcceptOptions& options);
  // Answers the attach and detaches with closed=true and the error (spec 10).
  void refuse(LinkId link, const ErrorView& error);
  // Client. The link's id is valid at once; on_attached tells when it stands.
  SessionId begin();
  // kResourceExhausted: limits reached or the session is gone.
  base::Result<LinkId> attach(SessionId session, const AttachOptions& options);
  // closed=true, with an error when its condition is not empty.
  void detach(LinkId link, const ErrorView& error = {});
  void end(SessionId session, const ErrorView& error = {});
  void close(const ErrorView& error = {});

  // --- receiving ---
  // Lets the peer have at most `messages` under way: credit + unsettled. The engine tops
  // the credit up while deliveries are settled; 0 stops the peer (back-pressure).
  void set_window(LinkId link, std::uint32_t messages);
  // The same for a smaller window, but what was granted stands: it is not renewed before the window
  // allows it. A flow that takes credit back crosses what is under way, and uAMQP sends on after one
  // (seen with 1.5: it stops neither at a credit of 0 nor when its credit is used up).
  void let_window_close(LinkId link, std::uint32_t messages);
  // Settles deliveries first … last (inclusive) of a session. Neighbouring calls with the
  // same outcome leave as one disposition. Ids already settled are skipped.
  void settle(SessionId session, DeliveryId first, DeliveryId last, Outcome outcome, const ErrorView& error = {});

  // --- sending ---
  // Messages that may be sent on the link right now (credit, session window, output room).
  std::uint32_t sendable(LinkId link) const;
  // The message's encoding, `head` then `body` (either may be empty), in as many transfers
  // as the peer's frame size asks for. kUnavailable: sendable() is 0. kNotFound: no such link.
  // kTooLarge: over the peer's max-message-size.
  // A link whose peer wants it settled sends settled.
  base::Result<DeliveryId> send(LinkId link, base::BytesView head, base::BytesView body,
                                const SendOptions& options = {});
  // Answers on_drain: what credit is left is given back.
  void drained(LinkId link);
  // Deliveries of ours on this link without a verdict.
  std::uint32_t unsettled(LinkId link) const;

  const Statistics& statistics() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace meterhub::amqp
