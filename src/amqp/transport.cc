// Bytes, frames, SASL, open and close, time.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "big_endian.h"
#include "connection_engine.h"

namespace meterhub::amqp {
namespace {

constexpr std::size_t kHeaderSize = 8;  // of the protocol, and of a frame
constexpr std::uint8_t kAmqpProtocol = 0;
constexpr std::uint8_t kSaslProtocol = 3;
constexpr std::uint8_t kSaslFrame = 1;
constexpr std::size_t kKeepCapacity = 64 * 1024;
constexpr std::chrono::seconds kCloseWait{5};

constexpr std::pair<SaslMechanism, std::string_view> kMechanisms[] = {
    {SaslMechanism::kAnonymous, "ANONYMOUS"},
    {SaslMechanism::kMssbcbs, "MSSBCBS"},
    {SaslMechanism::kPlain, "PLAIN"},
    {SaslMechanism::kExternal, "EXTERNAL"},
};

std::string_view name_of(SaslMechanism mechanism) {
  return std::ranges::find(kMechanisms, mechanism, [](const auto& m) { return m.first; })->second;
}

// "authorization-id NUL authentication-id NUL password" (RFC 4616).
SaslLogin plain_login(std::string_view response) {
  SaslLogin login{.mechanism = SaslMechanism::kPlain, .user = {}, .password = {}};
  const auto first = response.find('\0');
  if (first == std::string_view::npos) return login;
  const auto second = response.find('\0', first + 1);
  if (second == std::string_view::npos) return login;
  login.user = response.substr(first + 1, second - first - 1);
  login.password = response.substr(second + 1);
  return login;
}

}  // namespace

ErrorView error_of(const Value& value) {
  if (value.is_null()) return {};
  const auto fields = decode<ErrorFields>(value);
  if (!fields) return {};
  return {fields->condition.text, fields->description.value_or("")};
}

Value encoded_error(base::Bytes& buffer, const ErrorView& error) {
  if (error.condition.empty()) return {};
  ErrorFields fields;
  fields.condition = {error.condition};
  if (!error.description.empty()) fields.description = error.description;
  encode(buffer, fields);
  return Value::parse(buffer).value_or(Value{});
}

Connection::Engine::Engine(Options options, Listener& listener, base::MonotonicTime now)
    : options_(std::move(options)),
      listener_(listener),
      now_(now),
      stage_(Stage::kHeader),
      started_(now),
      last_in_(now),
      last_out_(now),
      close_sent_at_(now) {
  options_.limits.max_frame_size = std::max<std::uint32_t>(options_.limits.max_frame_size, 512);
  options_.limits.sessions = std::max<std::uint16_t>(options_.limits.sessions, 1);
  options_.limits.links_per_session = std::max<std::uint16_t>(options_.limits.links_per_session, 1);
  if (options_.role == Role::kServer) return;
  sasl_under_way_ = options_.sasl;
  if (options_.sasl) send_header(kSaslProtocol);
  base::Bytes& out = frames_out();
  constexpr std::uint8_t kHeader[] = {'A', 'M', 'Q', 'P', kAmqpProtocol, 1, 0, 0};
  out.insert(out.end(), std::begin(kHeader), std::end(kHeader));
  send_open();
}

// --- bytes to headers and frames ---

void Connection::Engine::feed(base::BytesView bytes, base::MonotonicTime now) {
  now_ = now;
  if (!bytes.empty()) last_in_ = now;
  if (!input_held()) return take(bytes);
  if (!input_ready()) return hold(bytes);
  const base::Bytes held = std::exchange(held_, {});
  short_of_credit_.reset();
  take(held);
  input_held() ? hold(bytes) : take(bytes);
}

void Connection::Engine::take(base::BytesView bytes) {
  while (!bytes.empty() && !ended_) {
    if (partial_.empty()) {
      const std::size_t size = wanted(bytes);
      if (ended_) return;
      if (bytes.size() >= size) {
        take_unit(bytes.first(size));
        if (input_held()) return hold(bytes);  // this unit is the first of it
        bytes = bytes.subspan(size);
        continue;
      }
    }
    bytes = bytes.subspan(collect(bytes));
    if (input_held()) return hold(bytes);
  }
}

void Connection::Engine::hold(base::BytesView bytes) {
  if (held_.size() + bytes.size() > options_.limits.held_bytes) {
    return fail("amqp:resource-limit-exceeded", "too much was sent without credit");
  }
  held_.insert(held_.end(), bytes.begin(), bytes.end());
}

bool Connection::Engine::input_ready() const {
  if (!input_held()) return false;
  const Link* link = close_sent_ ? nullptr : find(*short_of_credit_);
  return link == nullptr || link->session->state == Session::State::kEnding || !link->awaits_credit();
}

// Adds to the unit begun earlier, takes it when complete. Returns the bytes used.
std::size_t Connection::Engine::collect(base::BytesView bytes) {
  const std::size_t used = std::min(wanted(partial_) - partial_.size(), bytes.size());
  partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
  const std::size_t size = wanted(partial_);  // known better now
  if (ended_ || partial_.size() < size) return used;
  take_unit(partial_);
  if (input_held()) hold(partial_);
  partial_ = {};  // idle connections hold no buffer
  return used;
}

// Bytes that the header or frame at the head of `unit` needs, as far as it can be told.
std::size_t Connection::Engine::wanted(base::BytesView unit) {
  if (stage_ == Stage::kHeader || stage_ == Stage::kAmqpHeader) return kHeaderSize;
  if (unit.size() < 4) return 4;
  const std::uint32_t size = load_be<std::uint32_t>(unit.data());
  if (size >= kHeaderSize && size <= options_.limits.max_frame_size) return size;
  fail("amqp:connection:framing-error", fmt::format("a frame of {} bytes", size));
  return 0;
}

void Connection::Engine::take_unit(base::BytesView unit) {
  if (stage_ == Stage::kHeader || stage_ == Stage::kAmqpHeader) return take_header(unit);
  take_frame(unit);
}

void Connection::Engine::take_header(base::BytesView header) {
  constexpr std::array<std::uint8_t, 3> kVersion = {1, 0, 0};
  const bool ours = base::as_text(header.first(4)) == "AMQP" && std::ranges::equal(header.subspan(5), kVersion);
  const std::uint8_t protocol = header[4];
  if (options_.role == Role::kServer) {
    if (ours && stage_ == Stage::kHeader) return take_first_header(protocol);
    if (ours && protocol == kAmqpProtocol) {
      send_header(kAmqpProtocol);
      stage_ = Stage::kFrames;
      return;
    }
  } else if (ours && protocol == (sasl_under_way_ ? kSaslProtocol : kAmqpProtocol)) {
    stage_ = sasl_under_way_ ? Stage::kSaslMechanisms : Stage::kFrames;
    return;
  }
  // Part 2, section 2.2: answer with the header that would have been right, and close.
  if (options_.role == Role::kServer) send_header(kAmqpProtocol);
  finish({"amqp:connection:framing-error", "not the AMQP 1.0 protocol"}, false);
}

void Connection::Engine::take_first_header(std::uint8_t protocol) {
  if (protocol == kSaslProtocol) {
    send_header(kSaslProtocol);
    send_mechanisms();
    stage_ = Stage::kSaslInit;
    return;
  }
  send_header(kAmqpProtocol);
  stage_ = Stage::kFrames;
  if (protocol != kAmqpProtocol) finish({"amqp:connection:framing-error", "unknown protocol id"}, false);
}

void Connection::Engine::take_frame(base::BytesView bytes) {
  ++statistics_.frames_in;
  const std::size_t offset = std::size_t{bytes[4]} * 4;
  if (offset < kHeaderSize || offset > bytes.size()) {
    return fail("amqp:connection:framing-error", "a frame's data offset is outside it");
  }
  const Frame frame{bytes[5], load_be<std::uint16_t>(bytes.data() + 6), bytes.subspan(offset)};
  const bool sasl = stage_ != Stage::kFrames;
  if (frame.type != (sasl ? kSaslFrame : 0)) {
    return fail("amqp:connection:framing-error", "a frame of a type that has no place here");
  }
  if (sasl) return take_sasl(frame.body);
  if (!frame.body.empty()) take_performative(frame);  // else a heartbeat
}

void Connection::Engine::take_performative(const Frame& frame) {
  const std::uint64_t code = peek_descriptor(frame.body);
  if (code == 0x18) return take_close(frame.body);
  if (close_sent_) return;
  if (code == 0x10) return take_open(frame.body);
  if (!open_received_) return fail("amqp:connection:framing-error", "a frame before open");
  if (code == 0x11) return take_begin(frame.channel, frame.body);
  Session* session = session_on(frame.channel);
  if (session == nullptr && is_late(frame.channel, code)) {
    ++statistics_.late_frames;
    return;
  }
  if (session == nullptr) return fail("amqp:connection:framing-error", "a frame on a channel without a session");
  if (session->state == Session::State::kEnding && code != 0x17) return;
  switch (code) {
    case 0x12: return take_attach(*session, frame.body);
    case 0x13: return take_flow(*session, frame.body);
    case 0x14: return take_transfer(*session, frame.body);
    case 0x15: return take_disposition(*session, frame.body);
    case 0x16: return take_detach(*session, frame.body);
    case 0x17: return take_end(*session, frame.body);
    default: return fail("amqp:decode-error", "a frame without a known performative");
  }
}

// --- SASL ---

void Connection::Engine::take_sasl(base::BytesView body) {
  const std::uint64_t code = peek_descriptor(body);
  if (stage_ == Stage::kSaslInit && code == 0x41) return take_sasl_init(body);
  if (stage_ == Stage::kSaslMechanisms && code == 0x40) return take_sasl_mechanisms(body);
  if (stage_ == Stage::kSaslOutcome && code == 0x44) return take_sasl_outcome(body);
  fail("amqp:decode-error", "a SASL frame that has no place here");
}

void Connection::Engine::take_sasl_mechanisms(base::BytesView body) {
  const auto offered = decoded<SaslMechanisms>(body);
  if (!offered) return;
  if (!offered->mechanisms.contains_symbol("ANONYMOUS")) {
    return finish({"amqp:unauthorized-access", "the peer does not offer ANONYMOUS"}, false);
  }
  SaslInit init;
  init.mechanism = {"ANONYMOUS"};
  if (!options_.hostname.empty()) init.hostname = options_.hostname;
  write_sasl(init);
  stage_ = Stage::kSaslOutcome;
}

void Connection::Engine::take_sasl_init(base::BytesView body) {
  const auto init = decoded<SaslInit>(body);
  if (!init) return;
  const auto known = std::ranges::find(kMechanisms, init->mechanism.text, [](const auto& m) { return m.second; });
  bool passes = known != std::end(kMechanisms) && std::ranges::count(options_.mechanisms, known->first) > 0;
  if (passes) {
    const std::string_view response = base::as_text(init->initial_response.value_or(base::BytesView{}));
    passes = listener_.on_sasl(known->first == SaslMechanism::kPlain
                                   ? plain_login(response)
                                   : SaslLogin{.mechanism = known->first, .user = response, .password = {}});
  }
  SaslOutcome outcome;
  outcome.code = passes ? 0 : 1;
  write_sasl(outcome);
  stage_ = Stage::kAmqpHeader;
  if (!passes) finish({"amqp:unauthorized-access", "SASL did not let the peer pass"}, false);
}

void Connection::Engine::take_sasl_outcome(base::BytesView body) {
  const auto outcome = decoded<SaslOutcome>(body);
  if (!outcome) return;
  if (outcome->code != 0) return finish({"amqp:unauthorized-access", "SASL outcome is not ok"}, true);
  output_.insert(output_.end(), behind_sasl_.begin(), behind_sasl_.end());
  behind_sasl_ = {};
  sasl_under_way_ = false;
  stage_ = Stage::kAmqpHeader;
}

void Connection::Engine::send_mechanisms() {
  base::Bytes buffer;
  std::vector<std::string_view> names;
  names.reserve(options_.mechanisms.size());
  for (const SaslMechanism mechanism : options_.mechanisms) names.push_back(name_of(mechanism));
  Writer(buffer).array_of_symbols(names);
  write_sasl(SaslMechanisms{Value::parse(buffer).value_or(Value{})});
}

template <class T>
void Connection::Engine::write_sasl(const T& fields) {
  const std::size_t at = begin_frame(output_, kSaslFrame, 0);
  encode(output_, fields);
  end_frame(output_, at);
}

// --- open and close ---

void Connection::Engine::take_open(base::BytesView body) {
  const auto open = decoded<Open>(body);
  if (!open) return;
  if (open_received_) return fail("amqp:connection:framing-error", "a second open");
  if (open->max_frame_size < 512) return fail("amqp:invalid-field", "open: max-frame-size is under 512");
  open_received_ = true;
  remote_max_frame_ = open->max_frame_size;
  remote_channel_max_ = open->channel_max;
  if (open->idle_time_out.value_or(0) > 0) remote_idle_ = std::chrono::milliseconds(*open->idle_time_out);
  listener_.on_open(PeerOpen{*open});
  if (!open_sent_) send_open();
}

void Connection::Engine::take_close(base::BytesView body) {
  if (!open_received_) return fail("amqp:connection:framing-error", "close before open");
  const auto fields = decoded<Close>(body);
  if (!fields) return;
  const bool theirs = !close_sent_;
  if (theirs) send_close({});
  finish(error_of(fields->error), theirs);
}

void Connection::Engine::send_header(std::uint8_t protocol) {
  const std::uint8_t header[] = {'A', 'M', 'Q', 'P', protocol, 1, 0, 0};
  output_.insert(output_.end(), std::begin(header), std::end(header));
  last_out_ = now_;
}

void Connection::Engine::send_open() {
  Open open;
  open.container_id = options_.container_id;
  if (!options_.hostname.empty()) open.hostname = options_.hostname;
  open.max_frame_size = options_.limits.max_frame_size;
  open.channel_max = static_cast<std::uint16_t>(options_.limits.sessions - 1);
  if (options_.idle_timeout) open.idle_time_out = static_cast<Milliseconds>(options_.idle_timeout->count());
  open_sent_ = true;
  write(0, open);
}

void Connection::Engine::send_close(const ErrorView& error) {
  flush();
  if (!open_sent_) send_open();
  base::Bytes buffer;
  write(0, Close{encoded_error(buffer, error)});
  close_sent_ = true;
  close_sent_at_ = now_;
}

void Connection::Engine::close(const ErrorView& error) {
  if (ended_ || close_sent_) return;
  const bool speaks_amqp = stage_ == Stage::kFrames || options_.role == Role::kClient;
  if (!speaks_amqp) {
    ended_ = true;
    return;
  }
  send_close(error);
}

void Connection::Engine::fail(std::string_view condition, std::string_view description) {
  if (ended_) return;
  if (stage_ == Stage::kFrames && !close_sent_) send_close({condition, description});
  finish({condition, description}, false);
}

void Connection::Engine::finish(const ErrorView& error, bool by_peer) {
  if (ended_) return;
  ended_ = true;
  listener_.on_closed(error, by_peer);
}

// --- bytes out and time ---

std::size_t Connection::Engine::begin_frame(base::Bytes& out, std::uint8_t type, std::uint16_t channel) {
  const std::size_t at = out.size();
  out.resize(at + kHeaderSize);
  out[at + 4] = 2;
  out[at + 5] = type;
  store_be(out.data() + at + 6, channel);
  return at;
}

void Connection::Engine::end_frame(base::Bytes& out, std::size_t at) {
  store_be(out.data() + at, static_cast<std::uint32_t>(out.size() - at));
  ++statistics_.frames_out;
  last_out_ = now_;
}

base::BytesView Connection::Engine::output() {
  if (!ended_ && !close_sent_) flush();
  return base::BytesView(output_).subspan(written_);
}

void Connection::Engine::consumed(std::size_t bytes) {
  written_ += std::min(bytes, output_.size() - written_);
  if (written_ < output_.size()) {
    if (written_ < kKeepCapacity) return;
    output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(written_));
    written_ = 0;
    return;
  }
  written_ = 0;
  output_.clear();
  if (output_.capacity() > kKeepCapacity) output_ = {};
}

base::MonotonicTime Connection::Engine::next_deadline() const {
  if (ended_) return base::MonotonicTime::max();
  auto deadline = base::MonotonicTime::max();
  if (!open_received_) deadline = std::min(deadline, started_ + options_.limits.handshake);
  if (close_sent_) deadline = std::min(deadline, close_sent_at_ + kCloseWait);
  // What we told the peer is half of what we bear (part 2, section 2.4.5).
  if (options_.idle_timeout) deadline = std::min(deadline, last_in_ + 2 * *options_.idle_timeout);
  if (remote_idle_ && !close_sent_) deadline = std::min(deadline, last_out_ + *remote_idle_ / 2);
  return deadline;
}

void Connection::Engine::tick(base::MonotonicTime now) {
  now_ = now;
  if (ended_) return;
  if (!open_received_ && now >= started_ + options_.limits.handshake) {
    return finish({"amqp:connection:forced", "no open in time"}, false);
  }
  if (close_sent_ && now >= close_sent_at_ + kCloseWait) return finish({}, false);
  if (options_.idle_timeout && now >= last_in_ + 2 * *options_.idle_timeout) {
    return fail("amqp:resource-limit-exceeded", "the peer was silent beyond the idle time-out");
  }
  if (remote_idle_ && !close_sent_ && now >= last_out_ + *remote_idle_ / 2) {
    base::Bytes& out = frames_out();
    end_frame(out, begin_frame(out, 0, 0));
  }
}

}  // namespace meterhub::amqp
