// A whole connection of the engine, and a peer that may say anything. The input is either
// the peer's stream, or a program of frames that make sense one by one but not together.
// Every input runs twice, its bytes cut differently: what the listener hears and what goes
// out must be the same.
#include <meterhub/amqp/engine.h>

#include <map>
#include <set>
#include <string>

#include "input.h"

namespace meterhub::amqp {
namespace {

using fuzz::require;

constexpr std::size_t kFrameMax = 1024;
constexpr std::size_t kMessageMax = 3000;
constexpr std::uint16_t kSessions = 3;
constexpr std::uint16_t kLinks = 4;
constexpr std::size_t kHeader = 8;

std::uint32_t load(base::BytesView bytes) {
  std::uint32_t value = 0;
  for (const auto byte : bytes) value = value << 8 | byte;
  return value;
}

template <class T>
void must_decode(base::BytesView body) {
  require(decode<T>(body).has_value());
}

// What goes out is headers and whole frames, each a performative on a channel that we have.
void check_performative(base::BytesView body) {
  switch (peek_descriptor(body)) {
    case 0x10: return must_decode<Open>(body);
    case 0x11: return must_decode<Begin>(body);
    case 0x12: return must_decode<Attach>(body);
    case 0x13: return must_decode<Flow>(body);
    case 0x14: return must_decode<Transfer>(body);
    case 0x15: return must_decode<Disposition>(body);
    case 0x16: return must_decode<Detach>(body);
    case 0x17: return must_decode<End>(body);
    case 0x18: return must_decode<Close>(body);
    case 0x40: return must_decode<SaslMechanisms>(body);
    case 0x41: return must_decode<SaslInit>(body);
    case 0x44: return must_decode<SaslOutcome>(body);
    default: require(false);
  }
}

void check_output(base::BytesView out) {
  while (!out.empty()) {
    require(out.size() >= kHeader);
    if (out[0] == 'A') {
      out = out.subspan(kHeader);
      continue;
    }
    const auto size = load(out.first(4));
    require(size >= kHeader && size <= out.size() && out[4] == 2 && out[5] <= 1 && load(out.subspan(6, 2)) < kSessions);
    if (size > kHeader) check_performative(out.subspan(kHeader, size - kHeader));
    out = out.subspan(size);
  }
}

// How the listener behaves; from one byte of the input.
struct Policy {
  explicit Policy(std::uint8_t byte)
      : role(byte & 1 ? Role::kClient : Role::kServer), refuses((byte & 2) != 0), settles_late((byte & 4) != 0),
        detaches((byte & 8) != 0), window(byte & 16 ? 2 : 5) {}
  Role role;
  bool refuses;       // every second link
  bool settles_late;  // between feeds, not in on_delivery
  bool detaches;      // after the third message of a link
  std::uint32_t window;
};

// Writes down what it hears, and holds the engine to what its header promises.
class Checker final : public Listener {
 public:
  explicit Checker(Policy policy) : policy_(policy) {}
  Connection* connection = nullptr;
  const std::string& heard() const { return heard_; }

  bool on_sasl(const SaslLogin& login) override {
    say("sasl", login.user, login.password);
    return login.password.empty();
  }
  void on_open(const PeerOpen& open) override { say("open", open.fields.container_id); }
  void on_session(SessionId session) override {
    require(sessions_.insert(session).second);
    say("session", std::to_string(static_cast<std::uint32_t>(session)));
    if (policy_.role == Role::kClient) ask(session);
  }
  void on_attach(const PeerAttach& attach) override {
    require(sessions_.contains(attach.session));
    add(attach);
    if (policy_.refuses && links_.size() % 2 == 0) {
      connection->refuse(attach.link, {"amqp:not-found", "no"});
      links_.erase(attach.link);
      return;
    }
    AcceptOptions options;
    options.max_message_size = kMessageMax;
    options.dynamic_address = "dynamic";
    connection->accept(attach.link, options);
    if (attach.peer_sends) connection->set_window(attach.link, policy_.window);
  }
  void on_attached(const PeerAttach& attach) override {
    if (!links_.contains(attach.link)) return;
    add(attach);
    if (attach.peer_sends) connection->set_window(attach.link, policy_.window);
  }
  void on_credit(LinkId link) override {
    known(link);
    say("credit", std::to_string(connection->sendable(link)));
    const base::Bytes body(kFrameMax + 700, 7);
    for (std::uint32_t i = std::min<std::uint32_t>(connection->sendable(link), 3); i > 0; --i) {
      const auto size = body.size() / (i * i);
      const auto sent = connection->send(link, base::as_bytes("head"), base::BytesView(body).first(size), {.message_format = i, .settled = i == 2});
      say("sent", sent ? std::to_string(*sent) : sent.error().text);
    }
  }
  void on_drain(LinkId link) override {
    known(link);
    say("drain");
    connection->drained(link);
  }
  void on_delivery(const Delivery& d) override {
    auto& link = known(d.link);
    require(link.session == d.session && d.payload.size() <= kMessageMax && d.tag.size() <= 32);
    say("delivery", base::as_text(d.tag), std::to_string(d.id) + (d.settled ? " settled " : " ") + std::to_string(d.message_format));
    heard_.append(base::as_text(d.payload));
    if (!d.settled) take(link, d);
    if (policy_.detaches && ++link.messages == 3) drop(d.link);
  }
  void on_oversized(LinkId link, std::uint64_t bytes) override {
    known(link);
    say("oversized", std::to_string(bytes));
  }
  void on_outcome(LinkId link, DeliveryId first, DeliveryId last, Outcome outcome, const ErrorView& error) override {
    require(last - first < 0x7fffffff);
    say("outcome", std::to_string(static_cast<int>(outcome)) + " " + std::to_string(last), error.condition);
    if (links_.contains(link)) require(connection->unsettled(link) <= 64);
  }
  void on_detached(LinkId link, const ErrorView& error) override {
    require(links_.erase(link) == 1);
    say("detached", error.condition, error.description);
  }
  void on_session_ended(SessionId session, const ErrorView& error) override {
    require(sessions_.erase(session) == 1);
    for (const auto& [id, link] : links_) require(link.session != session);
    say("ended", error.condition, error.description);
  }
  void on_closed(const ErrorView& error, bool by_peer) override {
    require(!closed_);
    say(by_peer ? "closed by peer" : "closed", error.condition, error.description);
    closed_ = true;
  }

  // Between feeds.
  void settle_waiting() {
    for (const auto& [session, id] : std::exchange(waiting_, {})) {
      connection->settle(session, id, id, id % 3 == 0 ? Outcome::kRejected : Outcome::kAccepted, {"amqp:not-allowed", "no"});
    }
    for (auto& [id, link] : links_) link.unsettled = 0;
  }

 private:
  struct State {
    SessionId session{};
    std::uint32_t unsettled = 0;
    int messages = 0;
  };

  void say(std::string_view what, std::string_view a = {}, std::string_view b = {}) {
    require(!closed_);
    heard_.append(what).append(" ").append(a).append(" ").append(b).append("\n");
  }
  State& known(LinkId link) {
    const auto found = links_.find(link);
    require(found != links_.end());
    return found->second;
  }
  void add(const PeerAttach& attach) {
    say(attach.peer_sends ? "receiver" : "sender", attach.fields.name, attach.address());
    links_[attach.link].session = attach.session;
    require(links_.size() <= kSessions * kLinks);
  }
  void take(State& link, const Delivery& d) {
    if (policy_.settles_late) {
      require(++link.unsettled <= policy_.window);
      waiting_.emplace_back(d.session, d.id);
      return;
    }
    connection->settle(d.session, d.id, d.id, Outcome::kAccepted);
  }
  void drop(LinkId link) {
    connection->detach(link, {"amqp:link:stolen", "enough"});
    links_.erase(link);
  }
  // A client's links; the peer may grant them or not.
  void ask(SessionId session) {
    for (const bool receiver : {false, true}) {
      const auto link = connection->attach(session, {.name = receiver ? "l1" : "l0", .receiver = receiver, .source = "s", .target = "t"});
      if (link) links_[*link].session = session;
    }
  }

  Policy policy_;
  std::string heard_;
  std::set<SessionId> sessions_;
  std::map<LinkId, State> links_;
  std::vector<std::pair<SessionId, DeliveryId>> waiting_;
  bool closed_ = false;
};

Options options_for(Role role) {
  Options options;
  options.role = role;
  options.session_window = 12;
  options.limits.max_frame_size = kFrameMax;
  options.limits.sessions = kSessions;
  options.limits.links_per_session = kLinks;
  options.limits.deliveries_in_flight = 16;
  options.limits.assembly_bytes = 4096;
  options.limits.output_bytes = 8192;
  return options;
}

// The peer's words: bytes to feed, and a pause behind each piece in which we answer.
using Script = std::vector<base::Bytes>;

// Runs the script with the pieces cut at most `piece` bytes long; gives all that was seen.
std::string run(const Script& script, Policy policy, fuzz::Cuts cuts) {
  Checker checker(policy);
  Connection connection(options_for(policy.role), checker, {});
  checker.connection = &connection;
  if (policy.role == Role::kClient) connection.begin();
  std::string sent;
  for (const base::Bytes& bytes : script) {
    fuzz::in_pieces(base::BytesView(bytes), cuts, [&](base::BytesView piece) {
      connection.feed(base::Bytes(piece.begin(), piece.end()), {});
      return true;
    });
    checker.settle_waiting();
    const auto out = connection.output();
    require(out.size() <= 64 * bytes.size() + 16 * kFrameMax);
    check_output(out);
    sent.append(base::as_text(out));
    connection.consumed(out.size());
  }
  const auto& count = connection.statistics();
  return checker.heard() + "\n--\n" + sent + "\n--\n" + std::to_string(count.frames_in) + " " + std::to_string(count.transfers_in) + " " +
         std::to_string(count.deliveries_in) + " " + std::to_string(connection.finished());
}

// --- a peer's program ---

class Program {
 public:
  explicit Program(fuzz::Input input) : input_(input) {}

  Script script(bool sasl) {
    if (sasl) say_sasl();
    header(0);
    frame(0, Open{.container_id = "peer", .max_frame_size = 512u + input_.byte()});
    while (!input_.empty()) one();
    pause();
    return std::move(script_);
  }

 private:
  void pause() { script_.push_back(std::exchange(now_, {})); }
  void header(std::uint8_t protocol) {
    for (const std::uint8_t byte : {std::uint8_t{'A'}, std::uint8_t{'M'}, std::uint8_t{'Q'}, std::uint8_t{'P'}, protocol, std::uint8_t{1}, std::uint8_t{0}, std::uint8_t{0}}) {
      now_.push_back(byte);
    }
  }
  void raw_frame(std::uint8_t type, std::uint16_t channel, base::BytesView body) {
    const auto size = static_cast<std::uint32_t>(body.size() + kHeader);
    for (const int shift : {24, 16, 8, 0}) now_.push_back(static_cast<std::uint8_t>(size >> shift));
    for (const int byte : {2, int{type}, channel >> 8, channel & 0xff}) now_.push_back(static_cast<std::uint8_t>(byte));
    now_.insert(now_.end(), body.begin(), body.end());
  }
  template <class T>
  void frame(std::uint16_t channel, const T& fields, base::BytesView payload = {}, std::uint8_t type = 0) {
    base::Bytes body;
    encode(body, fields);
    body.insert(body.end(), payload.begin(), payload.end());
    raw_frame(type, channel, body);
  }
  void say_sasl() {
    header(3);
    SaslInit init;
    init.mechanism = {"PLAIN"};
    init.initial_response = input_.take(input_.byte() % 16);
    frame(0, init, {}, 1);
  }

  std::uint16_t channel() { return input_.byte() % (kSessions + 1); }
  std::uint32_t handle() { return input_.byte() % (kLinks + 1); }
  std::optional<std::uint32_t> maybe() {
    const auto byte = input_.byte();
    return byte % 4 == 0 ? std::nullopt : std::optional<std::uint32_t>(byte / 4);
  }

  void one() {
    switch (input_.byte() % 12) {
      case 0: return begin();
      case 1: return attach();
      case 2:
      case 3: return transfer();
      case 4: return flow();
      case 5: return disposition();
      case 6: return frame(channel(), Detach{.handle = handle(), .closed = true});
      case 7: return frame(channel(), End{});
      case 8: return input_.byte() == 0 ? frame(0, Close{}) : pause();
      case 9: return raw_frame(0, channel(), input_.take(input_.byte()));
      default: return pause();
    }
  }
  void begin() {
    Begin out;
    const auto remote = input_.byte();
    if (remote % 2 == 1) out.remote_channel = remote / 2;
    out.next_outgoing_id = input_.byte();
    out.incoming_window = input_.byte() % 8;
    out.outgoing_window = 100;
    frame(channel(), out);
  }
  void attach() {
    const auto how = input_.byte();
    base::Bytes source, target;
    Source from;
    Target to;
    from.dynamic = to.dynamic = (how & 8) != 0;
    encode(source, from);
    encode(target, to);
    Attach out;
    const std::string name = "l" + std::to_string(how % 4);
    out.name = name;
    out.handle = handle();
    out.receiver = (how & 16) != 0;
    out.snd_settle_mode = how >> 5 & 1 ? 1 : 2;
    out.source = Value::parse(source).value();
    out.target = Value::parse(target).value();
    if (how & 64) out.initial_delivery_count = 0xfffffffe;
    if (how & 128) out.max_message_size = 100u;
    frame(channel(), out);
  }
  // Deliveries with ids that follow on, unless the input wants others.
  void transfer() {
    const auto how = input_.byte();
    Transfer out;
    const auto on = channel();
    out.handle = handle();
    const std::uint8_t tag[] = {1, how};
    if ((how & 1) == 0) {
      out.delivery_id = how & 2 ? input_.byte() : next_[on]++;
      out.delivery_tag = tag;
    }
    out.more = (how & 4) != 0;
    if (how & 8) out.settled = (how & 16) != 0;
    out.aborted = (how & 96) == 96;
    if (how & 128) out.message_format = 0x80013700u;
    const base::Bytes filler(input_.byte() * std::size_t{3}, how);
    frame(on, out, filler);
  }
  void flow() {
    Flow out;
    const auto how = input_.byte();
    if (how & 1) out.next_incoming_id = input_.byte();
    out.incoming_window = input_.byte() % 16;
    out.next_outgoing_id = next_[0];
    out.outgoing_window = 50;
    if (how & 2) {
      out.handle = handle();
      out.delivery_count = maybe();
      out.link_credit = maybe();
      out.drain = (how & 4) != 0;
    }
    out.echo = (how & 8) != 0;
    frame(channel(), out);
  }
  void disposition() {
    const auto how = input_.byte();
    base::Bytes state;
    if (how & 8) encode(state, Accepted{});
    else if (how & 16) encode(state, Rejected{});
    else if (how & 32) encode(state, Received{});
    Disposition out;
    out.receiver = (how & 1) != 0;
    out.settled = (how & 2) != 0;
    out.first = input_.byte() % 24;
    if (how & 4) out.last = out.first + input_.byte() % 24;
    if (!state.empty()) out.state = Value::parse(state).value();
    frame(channel(), out);
  }

  fuzz::Input input_;
  Script script_;
  base::Bytes now_;
  std::array<std::uint32_t, kSessions + 1> next_{};
};

}  // namespace
}  // namespace meterhub::amqp

MH_FUZZER(amqp_connection, input) {
  using namespace meterhub::amqp;
  const auto kind = input.byte();
  const Policy policy(input.byte());
  const auto seed = input.byte();
  const Script script = kind % 4 == 0 ? Script{{input.rest().begin(), input.rest().end()}} : Program(input).script(kind % 4 == 1);
  const auto whole = run(script, policy, meterhub::fuzz::Cuts::none());
  meterhub::fuzz::require(whole == run(script, policy, meterhub::fuzz::Cuts(seed, kind & 64 ? 1 : 40)));
}
