#include "stream.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <meterhub/base/assert.h>

#include "peer_certificate.h"

namespace meterhub::net {
namespace {

constexpr std::size_t kWriteAtOnce = 256 * 1024;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

Stream::Stream(EventLoop& loop, Setup setup)
    : loop_(loop),
      fd_(std::move(setup.fd)),
      peer_(setup.peer),
      session_(std::move(setup.session)),
      ssl_(std::move(setup.ssl)),
      accepts_(std::move(setup.accepts)),
      limits_(setup.limits),
      may_begin_(std::move(setup.may_begin)),
      opened_(std::move(setup.opened)),
      ended_(std::move(setup.ended)),
      local_(setup.local) {}

Stream::~Stream() { release(CloseReason::kLocal); }

base::Result<void> Stream::start(bool connecting) {
  state_ = connecting ? State::kConnecting : State::kHandshaking;
  if (ssl_ && SSL_set_fd(ssl_.get(), fd_.get()) != 1) return base::fail(base::Errc::kInternal, tls_error());
  interest_ = connecting ? EPOLLOUT : EPOLLIN;
  is_patient_ = accepts_ != nullptr;
  MH_TRY_VOID(loop_.watch(fd_.get(), interest_, *this, is_patient_ ? Urgency::kCanWait : Urgency::kNow));
  arm(limits_.open_timeout);
  return {};
}

base::Result<void> Stream::start_after(std::chrono::nanoseconds delay) {
  MH_TRY_VOID(start(false));
  if (delay <= std::chrono::nanoseconds(0)) {
    if (!accepts_) handshake();  // nothing to shake hands about
    return {};
  }
  waits_ = true;
  update_interest();
  loop_.cancel(timer_);
  timer_ = loop_.after(delay, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->admit();
    if (!self->accepts_) self->handshake();
  });
  return {};
}

// The time that it waited is not counted against it.
void Stream::admit() {
  if (!std::exchange(waits_, false)) return;
  arm(limits_.open_timeout);
  update_interest();
}

bool Stream::is_silent() const {
  std::uint8_t first = 0;
  return waits_ || ::recv(fd_.get(), &first, 1, MSG_PEEK) <= 0;
}

void Stream::arm(std::chrono::milliseconds timeout) {
  loop_.cancel(timer_);
  timer_ = loop_.after(timeout, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    const bool closing = self->state_ == State::kFlushing || self->state_ == State::kLingering;
    self->fail(closing ? CloseReason::kLocal : CloseReason::kTimeout,
               closing ? "closed; the peer did not take all output" : "no connection within the time allowed");
  });
}

void Stream::on_ready(std::uint32_t events) {
  const auto self = shared_from_this();
  if (state_ == State::kConnecting) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return fail(CloseReason::kReset, system_error("connect", error));
    state_ = State::kHandshaking;
    return handshake();
  }
  if (state_ == State::kHandshaking) {
    if (waits_) return fail(CloseReason::kReset, "the peer has gone");  // nothing else is told meanwhile
    return handshake();
  }
  if (state_ == State::kLingering) return discard_until_end();
  if ((events & EPOLLOUT) != 0) flush();
  if (may_read() && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    read_ready();
  } else if ((events & (EPOLLHUP | EPOLLERR)) != 0 && state_ != State::kClosed) {
    fail(CloseReason::kReset, "the peer has gone");
  }
}

// Nothing to read, yet or, which fails it, ever: whoever connects and hangs up costs no TLS state.
bool Stream::says_nothing() {
  std::uint8_t first = 0;
  const auto got = ::recv(fd_.get(), &first, 1, MSG_PEEK);
  if (got == 0) fail(CloseReason::kPeer, "the peer has gone");
  if (got < 0 && !would_block(errno)) fail(CloseReason::kReset, system_error("handshake", errno));
  return got <= 0;
}

// Whoever says nothing costs no more than its socket.
bool Stream::begin_handshake() {
  ssl_ = std::exchange(accepts_, nullptr)->state().make();
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd_.get()) != 1) return false;
  SSL_set_accept_state(ssl_.get());
  // What is begun is finished before the next begins: with little time, all would run into their deadlines else.
  loop_.unwatch(fd_.get());
  return loop_.watch(fd_.get(), interest_, *this, Urgency::kBegun).has_value();
}

void Stream::handshake() {
  if (accepts_) {
    if (says_nothing()) return;
    waits_ = may_begin_ && !may_begin_();
    if (waits_) loop_.cancel(timer_);
    if (waits_) return update_interest();
  }
  if (accepts_ && !begin_handshake()) return fail(CloseReason::kTls, "TLS: " + tls_error());
  if (ssl_) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) {
      if (const auto reason = tls_outcome(result)) return fail(*reason, "TLS handshake: " + tls_error());
      return update_interest();
    }
  }
  established();
}

void Stream::established() {
  loop_.cancel(timer_);
  state_ = State::kOpen;
  want_write_ = false;
  if (std::exchange(is_patient_, false)) {
    loop_.unwatch(fd_.get());
    interest_ = EPOLLIN | EPOLLRDHUP;
    if (!loop_.watch(fd_.get(), interest_, *this)) return fail(CloseReason::kReset, "no descriptor");
  }
  update_interest();
  if (auto opened = std::exchange(opened_, nullptr)) {
    opened(true, CloseReason::kLocal);
  } else if (handler_ != nullptr) {
    handler_->on_open();
  }
  if (state_ == State::kOpen && output_waiting() > 0) flush();  // written while connecting
  // The first request may have come with the last flight of the handshake.
  if (state_ == State::kOpen && ssl_ && SSL_has_pending(ssl_.get()) == 1) loop_.again(fd_.get());
}

std::optional<CloseReason> Stream::tls_outcome(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: return std::nullopt;
    case SSL_ERROR_WANT_WRITE: want_write_ = true; return std::nullopt;
    case SSL_ERROR_ZERO_RETURN: return CloseReason::kPeer;
    case SSL_ERROR_SYSCALL: return errno == 0 ? CloseReason::kPeer : CloseReason::kReset;
    default: return CloseReason::kTls;
  }
}

Stream::Read Stream::read_once(std::span<std::uint8_t> into) {
  if (!ssl_) {
    const auto got = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (got > 0) return {.bytes = static_cast<std::size_t>(got)};
    if (got == 0) return {.ended = CloseReason::kPeer};
    if (would_block(errno)) return {};
    return {.ended = CloseReason::kReset};
  }
  ERR_clear_error();
  errno = 0;
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  if (result == 1) return {.bytes = got, .more = SSL_has_pending(ssl_.get()) == 1};
  return {.ended = tls_outcome(result)};
}

// Several TLS records become one block, so that the owner is called once.
Stream::Read Stream::read_block(std::span<std::uint8_t> into) {
  Read all;
  do {
    const auto one = read_once(into.subspan(all.bytes));
    all.bytes += one.bytes;
    all.more = one.more;
    all.ended = one.ended;
  } while (all.more && all.bytes < into.size());
  bytes_in_ += all.bytes;
  return all;
}

void Stream::read_ready() {
  const auto scratch = loop_.scratch();
  const auto got = read_block(scratch.first(std::min(scratch.size(), limits_.read_per_iteration)));
  MH_ASSERT(handler_ != nullptr);
  if (got.bytes > 0) handler_->on_data(scratch.first(got.bytes));
  if (state_ != State::kOpen) return;
  if (got.ended) {
    const bool broken = *got.ended == CloseReason::kTls;
    return fail(*got.ended, broken ? "TLS: " + tls_error() : std::string(close_reason_name(*got.ended)));
  }
  if (got.more) loop_.again(fd_.get());
  update_interest();
}

void Stream::write(base::BytesView bytes) {
  if (state_ >= State::kFlushing || bytes.empty()) return;
  if (output_waiting() + bytes.size() > limits_.output_max) {
    // Not inside the caller's stack: it may be in the middle of a frame.
    loop_.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->fail(CloseReason::kSlow, "the peer does not take its output");
    });
    return;
  }
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  if (output_waiting() >= limits_.output_high && !above_high_) {
    above_high_ = true;
    if (state_ == State::kOpen) update_interest();  // before that it waits for the connection
  }
  if (flush_planned_ || want_write_ || state_ != State::kOpen) return;
  flush_planned_ = true;
  loop_.before_wait([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->flush();
  });
}

// Writes a piece; false when the socket takes no more or the connection has failed.
bool Stream::write_some() {
  const auto piece = std::min(output_waiting(), kWriteAtOnce);
  std::size_t written = 0;
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write_ex(ssl_.get(), out_.data() + out_at_, piece, &written);
    if (result != 1) {
      if (const auto reason = tls_outcome(result)) fail(*reason, "write failed");
      return false;
    }
  } else {
    const auto result = ::send(fd_.get(), out_.data() + out_at_, piece, MSG_NOSIGNAL);
    if (result < 0) {
      want_write_ = would_block(errno);
      if (!want_write_) fail(CloseReason::kReset, system_error("write", errno));
      return false;
    }
    written = static_cast<std::size_t>(result);
  }
  out_at_ += written;
  bytes_out_ += written;
  return true;
}

void Stream::flush() {
  flush_planned_ = false;
  if (state_ != State::kOpen && state_ != State::kFlushing) return;
  want_write_ = false;
  while (output_waiting() > 0 && write_some()) {
  }
  if (state_ == State::kClosed) return;
  if (output_waiting() == 0) {
    drained();
  } else if (out_at_ >= kWriteAtOnce) {
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(out_at_));
    out_at_ = 0;
  }
  if (state_ != State::kClosed) update_interest();
}

void Stream::drained() {
  out_ = {};
  out_at_ = 0;
  if (state_ == State::kFlushing) return finish_close();
  if (!std::exchange(above_high_, false)) return;
  if (handler_ != nullptr) handler_->on_writable();
  if (state_ == State::kOpen && ssl_ && SSL_has_pending(ssl_.get()) == 1) loop_.again(fd_.get());
}

void Stream::pause_reading() {
  paused_ = true;
  if (state_ == State::kOpen) update_interest();
}

void Stream::resume_reading() {
  if (!std::exchange(paused_, false) || state_ != State::kOpen) return;
  update_interest();
  if (ssl_ && SSL_has_pending(ssl_.get()) == 1) loop_.again(fd_.get());
}

void Stream::close() {
  if (state_ >= State::kFlushing) return;
  if (state_ != State::kOpen) {
    loop_.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->fail(CloseReason::kLocal, "closed");
    });
    return;
  }
  state_ = State::kFlushing;
  arm(limits_.close_timeout);
  update_interest();
  loop_.before_wait([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->flush();
  });
}

// All is written: say goodbye, then wait for the peer's end, so that no reset overtakes
// the last bytes.
void Stream::finish_close() {
  if (ssl_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(fd_.get(), SHUT_WR);
  state_ = State::kLingering;
  want_write_ = false;
  update_interest();
}

void Stream::discard_until_end() {
  std::array<std::uint8_t, 4096> nothing;
  for (int i = 0; i < 64; ++i) {
    const auto got = ::recv(fd_.get(), nothing.data(), nothing.size(), 0);
    if (got > 0) continue;
    if (got < 0 && would_block(errno)) return;
    return fail(CloseReason::kLocal, "closed");
  }
}

void Stream::abort() {
  handler_ = nullptr;
  may_begin_ = nullptr;
  opened_ = nullptr;
  release(CloseReason::kLocal);
}

// Not inside the caller's stack, which may be that of on_data().
void Stream::move_to(EventLoop& other, std::move_only_function<void(ConnectionPtr)> arrived) {
  handler_ = nullptr;
  pause_reading();
  loop_.post([self = shared_from_this(), &other, arrived = std::move(arrived)]() mutable {
    auto luggage = self->pack();
    if (!luggage) return;
    other.post([&other, luggage = std::move(*luggage), arrived = std::move(arrived)]() mutable {
      auto there = std::make_shared<Stream>(other, std::move(luggage.setup));
      if (there->unpack(std::move(luggage))) arrived(there);
      there->resume_reading();
    });
  });
}

// Nothing when it broke meanwhile. Its listener hears of its end on its own loop, as before.
std::optional<Stream::Luggage> Stream::pack() {
  if (state_ != State::kOpen) return std::nullopt;
  loop_.cancel(timer_);
  loop_.unwatch(fd_.get());
  state_ = State::kClosed;
  Luggage out;
  out.setup = {.fd = std::move(fd_),
               .peer = peer_,
               .local = local_,
               .ssl = std::move(ssl_),
               .session = std::move(session_),
               .limits = limits_,
               .opened = {},
               .ended = {}};
  if (ended_) {
    out.setup.ended = [&home = loop_, ended = std::exchange(ended_, nullptr)](CloseReason reason) mutable {
      home.post([ended = std::move(ended), reason]() mutable { ended(reason); });
    };
  }
  out.out.assign(out_.begin() + static_cast<std::ptrdiff_t>(out_at_), out_.end());
  out.bytes_in = bytes_in_;
  out.bytes_out = bytes_out_;
  return out;
}

// Paused: what waits is read once it has a handler.
bool Stream::unpack(Luggage luggage) {
  bytes_in_ = luggage.bytes_in;
  bytes_out_ = luggage.bytes_out;
  state_ = State::kOpen;
  paused_ = true;
  interest_ = 0;
  if (!loop_.watch(fd_.get(), interest_, *this)) {
    release(CloseReason::kReset);
    return false;
  }
  write(luggage.out);
  return true;
}

void Stream::fail(CloseReason reason, std::string_view text) {
  if (state_ == State::kClosed) return;
  const auto self = weak_from_this().lock();
  // A close that was asked for ends as one, whatever the peer did meanwhile.
  const bool closing = state_ == State::kFlushing || state_ == State::kLingering;
  release(closing ? CloseReason::kLocal : reason);
  if (auto opened = std::exchange(opened_, nullptr)) {
    opened(false, reason);
  } else if (auto* handler = std::exchange(handler_, nullptr)) {
    handler->on_closed(closing ? CloseReason::kLocal : reason, text);
  }
}

void Stream::release(CloseReason reason) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  // OpenSSL calls the session of a connection that ends without a goodbye no good: links that break are what it is kept
  // for.
  if (session_ && ssl_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  loop_.cancel(timer_);
  loop_.unwatch(fd_.get());
  fd_.reset();
  out_ = {};
  out_at_ = 0;
  if (auto ended = std::exchange(ended_, nullptr)) ended(reason);
}

void Stream::update_interest() {
  if (state_ == State::kClosed) return;
  std::uint32_t wanted = 0;
  if (state_ == State::kHandshaking && !waits_) wanted |= EPOLLIN;
  if (state_ == State::kLingering || may_read()) wanted |= EPOLLIN | EPOLLRDHUP;
  if (want_write_) wanted |= EPOLLOUT;
  if (state_ == State::kHandshaking && want_write_) wanted = EPOLLOUT;
  if (state_ == State::kHandshaking) want_write_ = false;
  if (wanted == interest_) return;
  interest_ = wanted;
  loop_.change(fd_.get(), wanted);
}

std::string Stream::peer_name() const {
  if (!ssl_ || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
  const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate == nullptr ? std::string() : common_name(certificate);
}

std::optional<PeerCertificate> Stream::peer_certificate() const {
  const X509* const certificate = ssl_ ? SSL_get0_peer_certificate(ssl_.get()) : nullptr;
  if (certificate == nullptr) return std::nullopt;
  auto out = describe(certificate);
  if (out) out->signed_by_authority = SSL_get_verify_result(ssl_.get()) == X509_V_OK;
  return out;
}

}  // namespace meterhub::net
