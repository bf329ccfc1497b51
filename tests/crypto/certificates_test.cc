#include <meterhub/crypto/certificates.h>

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "handles.h"

namespace meterhub::crypto {
namespace {

using base::Timestamp;

constexpr Timestamp kFrom{std::chrono::seconds(1'700'000'000)};
constexpr Timestamp kUntil = kFrom + std::chrono::hours(24 * 397);

Certificate load(const std::string& pem) {
  const Buffer buffer(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(PEM_read_bio_X509(buffer.get(), nullptr, nullptr, nullptr));
}

// Verifies the chain as a TLS client would, for a host and a purpose, at a time.
int verify(const std::string& authority, const std::string& leaf, const char* host, int purpose, Timestamp at) {
  const std::unique_ptr<X509_STORE, CFree<&X509_STORE_free>> store(X509_STORE_new());
  const Certificate ca = load(authority);
  const Certificate end = load(leaf);
  X509_STORE_add_cert(store.get(), ca.get());
  const std::unique_ptr<X509_STORE_CTX, CFree<&X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), end.get(), nullptr);
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set1_host(rules, host, 0);
  X509_VERIFY_PARAM_set_purpose(rules, purpose);
  X509_VERIFY_PARAM_set_time(rules, std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}

struct Chain {
  CertificateAndKey authority = *make_authority("Meterhub test CA", kFrom, kFrom + std::chrono::hours(24 * 3650));
  CertificateAndKey server = *make_certificate(
      authority, {.common_name = "hub", .dns_names = {"hub.example", "*.gas.example"}, .addresses = {"127.0.0.1", "::1"}, .from = kFrom, .until = kUntil});
};

TEST(Certificates, MakeAChainThatATlsClientAccepts) {
  const Chain chain;
  const Timestamp now = kFrom + std::chrono::hours(1);
  const auto check = [&](const char* host, int purpose, Timestamp at) {
    return verify(chain.authority.certificate, chain.server.certificate, host, purpose, at);
  };
  EXPECT_EQ(check("hub.example", X509_PURPOSE_SSL_SERVER, now), X509_V_OK);
  EXPECT_EQ(check("a.gas.example", X509_PURPOSE_SSL_SERVER, now), X509_V_OK);
  EXPECT_EQ(check("other.example", X509_PURPOSE_SSL_SERVER, now), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(check("hub.example", X509_PURPOSE_SSL_CLIENT, now), X509_V_ERR_INVALID_PURPOSE);
  EXPECT_EQ(check("hub.example", X509_PURPOSE_SSL_SERVER, kUntil + std::chrono::hours(1)), X509_V_ERR_CERT_HAS_EXPIRED);
}

TEST(Certificates, OfAnotherAuthorityAreNotAccepted) {
  const Chain one;
  const Chain other;
  EXPECT_NE(verify(other.authority.certificate, one.server.certificate, "hub.example", X509_PURPOSE_SSL_SERVER, kFrom), X509_V_OK);
}

TEST(Certificates, SayWhatTheyAre) {
  const Chain chain;
  const auto facts = read_certificate(chain.server.certificate);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->subject, "hub");
  EXPECT_EQ(facts->from, kFrom);
  EXPECT_EQ(facts->until, kUntil);
  EXPECT_EQ(facts->names, (std::vector<std::string>{"hub.example", "*.gas.example", "127.0.0.1", "0000:0000:0000:0000:0000:0000:0000:0001"}));
  EXPECT_EQ(facts->sha256.size(), 64U);
}

TEST(Certificates, RefuseRequestsThatCannotBeSigned) {
  const Chain chain;
  const auto code = [&](const CertificateRequest& request, const CertificateAndKey& authority) {
    return make_certificate(authority, request).error().code;
  };
  EXPECT_EQ(code({.from = kFrom, .until = kUntil}, chain.authority), base::Errc::kInvalidArgument);
  EXPECT_EQ(code({.addresses = {"300.1.1.1"}, .from = kFrom, .until = kUntil}, chain.authority), base::Errc::kInvalidArgument);
  EXPECT_EQ(code({.common_name = "x", .from = kUntil, .until = kFrom}, chain.authority), base::Errc::kInvalidArgument);
  EXPECT_EQ(code({.common_name = "x", .from = kFrom, .until = kUntil}, {"no", "pem"}), base::Errc::kInvalidArgument);
  EXPECT_FALSE(read_certificate("no pem"));
}

}  // namespace
}  // namespace meterhub::crypto
