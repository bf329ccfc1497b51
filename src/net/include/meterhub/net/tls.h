// TLS 1.2 and newer over OpenSSL. Certificates come as PEM text; module crypto makes them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

namespace meterhub::net {

// A certificate (with its chain, leaf first) and its private key, as PEM text.
struct Identity {
  std::string certificate_pem;
  std::string key_pem;
};

// What is asked of clients.
enum class ClientCertificate : std::uint8_t {
  kOfAuthority,  // one that is signed by client_ca_pem; nothing when that is empty
  kAny,          // one if they have it, whoever signed it: Connection::peer_certificate() says what it is
};

struct TlsServerOptions {
  Identity identity;
  // Authorities (PEM) that clients' certificates are checked against.
  std::string client_ca_pem;
  ClientCertificate client_certificate = ClientCertificate::kOfAuthority;
};

// A certificate that a client has shown, whose private key it has.
struct PeerCertificate {
  std::array<std::uint8_t, 20> sha1{};
  std::array<std::uint8_t, 32> sha256{};
  std::string common_name;          // empty unless there is exactly one
  bool signed_by_authority = false; // by one of client_ca_pem, for clients, and good when it was shown
  base::Timestamp from{};
  base::Timestamp until{};
};

struct TlsClientOptions {
  // Empty: the system's store.
  std::string ca_pem;
  // Empty: none is shown.
  Identity identity;
  // The certificate must hold this name or address; empty = the name given to connect().
  std::string expected_name;
};

// What a client keeps of one server, under one name, to shake hands more cheaply the next time: the newest ticket.
// Used by one loop at a time.
class TlsSession {
 public:
  TlsSession();
  ~TlsSession();
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// Settings of many connections. Any thread; connections keep what they began with.
class TlsContext {
 public:
  static base::Result<std::shared_ptr<TlsContext>> server(const TlsServerOptions& options);
  static base::Result<std::shared_ptr<TlsContext>> client(const TlsClientOptions& options);
  ~TlsContext();

  // New handshakes use the new certificate; the old one stays when the new one is no good.
  base::Result<void> reload(const TlsServerOptions& options);

  struct State;
  State& state() { return *state_; }

 private:
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::net
