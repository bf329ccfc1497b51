// A TCP or Unix-domain connection, with or without TLS, on an event loop.
//
// Everything here belongs to the loop's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/bytes.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::net {

// Why a connection ended.
enum class CloseReason : std::uint8_t {
  kLocal,        // close() was called
  kPeer,         // the other side ended it, with or without TLS close
  kReset,        // reset, unreachable, or another error of the socket
  kTls,          // the TLS layer failed: bad record, refused certificate
  kTimeout,      // connect, handshake or close took too long
  kSlow,         // more output waits than the limit allows
};
std::string_view close_reason_name(CloseReason reason);

// Whoever owns a connection. Before it dies it calls abort() on the connection.
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // Connected and, with TLS, shaken hands. Only for connections made by connect().
  virtual void on_open() {}
  // Never empty. The bytes are good until the call returns.
  virtual void on_data(base::BytesView bytes) = 0;
  // Output that had passed `output_high` has been written out.
  virtual void on_writable() {}
  // The last call; `text` is for people. Not called after abort().
  virtual void on_closed(CloseReason reason, std::string_view text) = 0;
};

struct ConnectionLimits {
  // While more output than this waits, nothing is read: a peer that does not take its
  // answers sends no more requests.
  std::size_t output_high = 256 * 1024;
  // Over this the connection is ended (kSlow).
  std::size_t output_max = 4 * 1024 * 1024;
  // At most this much is read from one connection in one iteration.
  std::size_t read_per_iteration = 256 * 1024;
  // For connect and handshake together.
  std::chrono::milliseconds open_timeout{10'000};
  // For the peer to take what is left after close().
  std::chrono::milliseconds close_timeout{5'000};
};

class Connection {
 public:
  virtual ~Connection() = default;

  virtual void set_handler(ConnectionHandler& handler) = 0;
  // Buffered, written together at the iteration's end. Ignored after close().
  virtual void write(base::BytesView bytes) = 0;
  virtual std::size_t output_waiting() const = 0;
  // Until resumed nothing is read and the peer is held back by TCP.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  // Writes what is buffered, says goodbye (TLS close_notify), then on_closed(kLocal).
  // Nothing is read any more.
  virtual void close() = 0;
  // Drops it now. No handler is called again.
  virtual void abort() = 0;
  // Goes on on another loop: this one is dead to its owner from here on, and `arrived` gets its continuation on that loop's
  // thread, to give it a handler. Nothing that was sent or written meanwhile is lost. Only while it is open and after its
  // handler has let it go; one that breaks on the way, or is not the system's (a simulation's), never arrives.
  virtual void move_to(EventLoop& other, std::move_only_function<void(std::shared_ptr<Connection>)> arrived);

  virtual const Address& peer() const = 0;
  virtual bool is_tls() const = 0;
  // TLS, and the handshake went on from an earlier one's ticket.
  virtual bool is_resumed() const { return false; }
  virtual bool is_local() const = 0;  // Unix domain
  // Common name of the certificate that the peer has shown and that was verified, else "".
  virtual std::string peer_name() const = 0;
  // Nothing when it has shown none. Costs some microseconds.
  virtual std::optional<PeerCertificate> peer_certificate() const { return std::nullopt; }
  virtual std::uint64_t bytes_in() const = 0;
  virtual std::uint64_t bytes_out() const = 0;
};
using ConnectionPtr = std::shared_ptr<Connection>;

struct ListenOptions {
  // Null: plain.
  std::shared_ptr<TlsContext> tls;
  ConnectionLimits limits;
  // New connections over this are closed at once and counted.
  std::size_t max_connections = 100'000;
  // Connections that are not ready yet, all together: a socket each. Over it the oldest silent one of the source that
  // holds most gives its place away; while all are younger than a second, newcomers wait in the kernel's queue.
  std::size_t max_newcomers = 16'384;
  // Handshakes in progress, from the peer's first byte on: TLS state. Over it newcomers wait, first come first served;
  // of those that have not answered for three seconds the oldest of the source that holds most gives its place away.
  std::size_t max_handshakes = 2'048;
  // Per IP address (IPv6: per /64): steady rate and burst. What is over waits for its turn, not looked at and at most
  // so long; over that it is closed at once and counted. 0 = no limit. Not for Unix sockets.
  double accepts_per_second = 50;
  double accept_burst = 1'000;
  std::chrono::milliseconds accept_wait{5'000};
  // 127.0.0.1 and ::1 have no limit: proxies and simulations on this machine stand for many.
  bool spares_this_host = false;
  bool reuse_port = false;  // several loops share the port
  // Label of this listener's metrics.
  std::string name = "net";
};

// Called for each connection that is ready (after the handshake). The callee sets a
// handler and keeps the pointer, or lets it go, which ends it.
using Accept = std::move_only_function<void(ConnectionPtr)>;

// Listens until destroyed; connections already given away live on.
class Listener {
 public:
  static base::Result<std::unique_ptr<Listener>> tcp(EventLoop& loop, const Address& at, ListenOptions options,
                                                     base::Metrics& metrics, Accept accept);
  // Mode 0600. A socket file that nobody answers on is replaced; one that answers: kAlreadyExists.
  static base::Result<std::unique_ptr<Listener>> unix_domain(EventLoop& loop, const std::string& path,
                                                             ListenOptions options, base::Metrics& metrics,
                                                             Accept accept);
  virtual ~Listener() = default;
  // With the real port where 0 was asked for.
  virtual const Address& address() const = 0;
  virtual std::size_t connections() const = 0;
};

struct ConnectOptions {
  // Null: plain.
  std::shared_ptr<TlsContext> tls;
  std::string server_name;  // SNI and the name that the certificate must hold
  ConnectionLimits limits;
  // Address to come from; port 0 = the system's choice.
  std::optional<Address> from{};
  // Kept from connection to connection to this server: a handshake that resumes costs a fraction.
  std::shared_ptr<TlsSession> session{};
};
// Begins to connect; on_open or on_closed follows, never inside the call.
base::Result<ConnectionPtr> connect(EventLoop& loop, const Address& to, ConnectOptions options,
                                    ConnectionHandler& handler);
base::Result<ConnectionPtr> connect_unix(EventLoop& loop, const std::string& path, ConnectionLimits limits,
                                         ConnectionHandler& handler);

}  // namespace meterhub::net
