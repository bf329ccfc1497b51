// What a TlsContext is made of, for connection.cc.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <utility>

#include <meterhub/base/mutex.h>
#include <meterhub/net/tls.h>

namespace meterhub::net {

template <auto Free>
struct CFree {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using SslCtxPtr = std::unique_ptr<SSL_CTX, CFree<&SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, CFree<&SSL_SESSION_free>>;
using SslPtr = std::unique_ptr<SSL, CFree<&SSL_free>>;

struct TlsContext::State {
  explicit State(SslCtxPtr first) : context(std::move(first)) {}

  bool is_server = false;
  std::string expected_name;
  // A new SSL of the current certificate. Any thread.
  SslPtr make() const {
    const base::Lock lock(mutex);
    return SslPtr(SSL_new(context.get()));
  }
  mutable base::Mutex mutex;
  SslCtxPtr context MH_GUARDED_BY(mutex);
};

struct TlsSession::State {
  SslSessionPtr newest;
};

// The client's connection shows what `session` holds, and keeps there what the server gives it; it outlives the
// connection.
void use_session(SSL* ssl, TlsSession& session);

// The newest error of this thread's OpenSSL queue, which is emptied.
std::string tls_error();

}  // namespace meterhub::net
