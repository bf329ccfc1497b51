#include <meterhub/net/tls.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <utility>

#include "tls_state.h"

namespace meterhub::net {
namespace {

using BioPtr = std::unique_ptr<BIO, CFree<&BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, CFree<&X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, CFree<&EVP_PKEY_free>>;

BioPtr memory(const std::string& text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::unexpected<base::Error> bad(const std::string& what) {
  return base::fail(base::Errc::kInvalidArgument, what + ": " + tls_error());
}

base::Result<void> use_identity(SSL_CTX* context, const Identity& identity) {
  const auto bio = memory(identity.certificate_pem);
  const X509Ptr leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) return bad("the certificate cannot be used");
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return bad("the certificate chain cannot be used");
    }
  }
  ERR_clear_error();  // "no more certificates" is the normal end
  const auto key_bio = memory(identity.key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) return bad("the private key cannot be used");
  if (SSL_CTX_check_private_key(context) != 1) return bad("certificate and private key do not belong together");
  return {};
}

base::Result<void> trust(SSL_CTX* context, const std::string& ca_pem) {
  const auto bio = memory(ca_pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    const X509Ptr owner(next);
    if (X509_STORE_add_cert(store, next) != 1) return bad("the CA certificate cannot be used");
    ++count;
  }
  if (count == 0) return bad("no CA certificate in the PEM text");
  ERR_clear_error();
  return {};
}

base::Result<SslCtxPtr> fresh(const SSL_METHOD* method) {
  SslCtxPtr context(SSL_CTX_new(method));
  if (!context) return base::fail(base::Errc::kInternal, "OpenSSL: " + tls_error());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // An idle connection keeps no read or write buffers; a read takes what the socket has
  // in one system call, so SSL_has_pending tells when nothing is left.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

// Of certificates that anybody may show: authorities between leaf and root, and bytes of them all.
constexpr int kClientChainMax = 4;
constexpr long kClientChainBytesMax = 32 * 1024;

// The handshake goes on whatever came of it: what the certificate is good for is asked later.
int take_unverified(X509_STORE_CTX* context, void* /*unused*/) {
  X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_UNTRUSTED);
  return 1;
}
int take_and_verify(X509_STORE_CTX* context, void* /*unused*/) {
  if (X509_verify_cert(context) != 1 && X509_STORE_CTX_get_error(context) == X509_V_OK) {
    X509_STORE_CTX_set_error(context, X509_V_ERR_UNSPECIFIED);
  }
  return 1;
}

base::Result<SslCtxPtr> make_server(const TlsServerOptions& options) {
  auto context = MH_TRY(fresh(TLS_server_method()));
  MH_TRY_VOID(use_identity(context.get(), options.identity));
  // Tickets hold the session at the client; nothing is cached here.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("meterhub"), 8);
  if (!options.client_ca_pem.empty()) MH_TRY_VOID(trust(context.get(), options.client_ca_pem));
  if (options.client_certificate == ClientCertificate::kAny) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_verify_depth(context.get(), kClientChainMax);
    SSL_CTX_set_max_cert_list(context.get(), kClientChainBytesMax);
    SSL_CTX_set_cert_verify_callback(context.get(), options.client_ca_pem.empty() ? take_unverified : take_and_verify, nullptr);
  } else if (!options.client_ca_pem.empty()) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

int session_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// 1: the session is ours now.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* keeper = static_cast<TlsSession*>(SSL_get_ex_data(ssl, session_index()));
  if (keeper == nullptr) return 0;
  keeper->state().newest.reset(session);
  return 1;
}

base::Result<SslCtxPtr> make_client(const TlsClientOptions& options) {
  auto context = MH_TRY(fresh(TLS_client_method()));
  if (!options.identity.certificate_pem.empty()) MH_TRY_VOID(use_identity(context.get(), options.identity));
  if (options.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    MH_TRY_VOID(trust(context.get(), options.ca_pem));
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), keep_session);
  return context;
}

}  // namespace

TlsSession::TlsSession() : state_(std::make_unique<State>()) {}
TlsSession::~TlsSession() = default;

void use_session(SSL* ssl, TlsSession& session) {
  SSL_set_ex_data(ssl, session_index(), &session);
  if (session.state().newest) SSL_set_session(ssl, session.state().newest.get());
}

std::string tls_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

base::Result<std::shared_ptr<TlsContext>> TlsContext::server(const TlsServerOptions& options) {
  auto state = std::make_unique<State>(MH_TRY(make_server(options)));
  state->is_server = true;
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

base::Result<std::shared_ptr<TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  auto state = std::make_unique<State>(MH_TRY(make_client(options)));
  state->expected_name = options.expected_name;
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

base::Result<void> TlsContext::reload(const TlsServerOptions& options) {
  auto context = MH_TRY(make_server(options));
  const base::Lock lock(state_->mutex);
  state_->context.swap(context);  // SSL objects hold a reference to the old one
  return {};
}

}  // namespace meterhub::net
