// The one implementation of Connection: a non-blocking stream socket, with or without TLS.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/net/connection.h>

#include "socket_address.h"
#include "tls_state.h"

namespace meterhub::net {

// Loop thread. Kept alive by its owner; a callback under way holds it too.
class Stream final : public Connection, public FdHandler, public std::enable_shared_from_this<Stream> {
 public:
  struct Setup {
    OwnedFd fd;
    Address peer;
    bool local = false;
    SslPtr ssl;
    std::shared_ptr<TlsSession> session{};  // what the SSL refers to
    // Accepted: its SSL is made when the peer has said something, and until it is open it can wait.
    std::shared_ptr<TlsContext> accepts{};
    ConnectionLimits limits;
    // Accepted: asked when the peer has said something. False: its handshake waits for admit().
    std::move_only_function<bool()> may_begin{};
    // Runs once, with the outcome of the handshake; the handler's on_open() otherwise.
    std::move_only_function<void(bool ok, CloseReason why)> opened;
    // Runs once, when the descriptor is closed.
    std::move_only_function<void(CloseReason)> ended;
  };

  Stream(EventLoop& loop, Setup setup);
  ~Stream() override;

  // Begins the handshake, or with `connecting` waits for the connection first.
  base::Result<void> start(bool connecting);
  // The same for an accepted one, but it is not looked at before `delay` is over.
  base::Result<void> start_after(std::chrono::nanoseconds delay);
  // Its handshake may begin.
  void admit();
  // Accepted, and has not spoken or is not listened to yet.
  bool is_silent() const;

  void set_handler(ConnectionHandler& handler) override { handler_ = &handler; }
  void write(base::BytesView bytes) override;
  std::size_t output_waiting() const override { return out_.size() - out_at_; }
  void pause_reading() override;
  void resume_reading() override;
  void close() override;
  void abort() override;
  void move_to(EventLoop& other, std::move_only_function<void(ConnectionPtr)> arrived) override;
  const Address& peer() const override { return peer_; }
  bool is_tls() const override { return ssl_ != nullptr || accepts_ != nullptr; }
  bool is_resumed() const override { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }
  bool is_local() const override { return local_; }
  std::string peer_name() const override;
  std::optional<PeerCertificate> peer_certificate() const override;
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }

  void on_ready(std::uint32_t events) override;

 private:
  enum class State : std::uint8_t { kConnecting, kHandshaking, kOpen, kFlushing, kLingering, kClosed };
  struct Read {
    std::size_t bytes = 0;
    bool more = false;                   // worth trying again without waiting
    std::optional<CloseReason> ended{};
  };

  // An open connection on its way from one loop to another.
  struct Luggage {
    Setup setup;
    std::vector<std::uint8_t> out;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
  };
  std::optional<Luggage> pack();
  bool unpack(Luggage luggage);
  void handshake();
  bool says_nothing();
  bool begin_handshake();
  void established();
  void read_ready();
  Read read_block(std::span<std::uint8_t> into);
  Read read_once(std::span<std::uint8_t> into);
  void flush();
  bool write_some();
  void drained();
  void finish_close();
  void discard_until_end();
  void fail(CloseReason reason, std::string_view text);
  void release(CloseReason reason);
  void update_interest();
  bool may_read() const { return state_ == State::kOpen && !paused_ && output_waiting() < limits_.output_high; }
  // How an OpenSSL call ended that did not go through; nothing = wait for the socket.
  std::optional<CloseReason> tls_outcome(int result);
  void arm(std::chrono::milliseconds timeout);

  EventLoop& loop_;
  OwnedFd fd_;
  Address peer_;
  std::shared_ptr<TlsSession> session_;
  SslPtr ssl_;
  std::shared_ptr<TlsContext> accepts_;  // until there is an SSL
  ConnectionLimits limits_;
  ConnectionHandler* handler_ = nullptr;
  std::move_only_function<bool()> may_begin_;
  std::move_only_function<void(bool, CloseReason)> opened_;
  std::move_only_function<void(CloseReason)> ended_;
  std::vector<std::uint8_t> out_;  // empty and without memory while nothing waits
  std::size_t out_at_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
  std::uint32_t interest_ = 0;
  State state_ = State::kHandshaking;
  bool local_ = false;
  bool is_patient_ = false;   // watched as what can wait
  bool waits_ = false;        // to be admitted
  bool paused_ = false;
  bool want_write_ = false;   // the socket took no more, or TLS must write first
  bool above_high_ = false;
  bool flush_planned_ = false;
};

}  // namespace meterhub::net
