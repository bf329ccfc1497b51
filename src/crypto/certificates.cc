#include <meterhub/crypto/certificates.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <cstdint>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/hash.h>

#include "handles.h"

namespace meterhub::crypto {
namespace {

using base::Errc;
using base::Result;

// What the library refused, as text; empties its error queue.
std::unexpected<base::Error> refused(std::string_view what, Errc code = Errc::kInternal) {
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  ERR_clear_error();
  return base::fail(code, std::string(what) + ": " + reason.data());
}

Buffer buffer_of(std::string_view text) { return Buffer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string text_of(BIO* buffer) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(buffer, &data);
  return {data, static_cast<std::size_t>(size)};
}

Result<CertificateAndKey> to_pem(X509* certificate, EVP_PKEY* key) {
  const Buffer first(BIO_new(BIO_s_mem()));
  const Buffer second(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(first.get(), certificate) != 1) return refused("writing a certificate");
  if (PEM_write_bio_PKCS8PrivateKey(second.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return refused("writing a private key");
  }
  return CertificateAndKey{text_of(first.get()), text_of(second.get())};
}

bool set_times(X509* certificate, base::Timestamp from, base::Timestamp until) {
  const auto seconds = [](base::Timestamp t) { return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count(); };
  return ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(from)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(until)) != nullptr;
}

// 159 random bits: unique, positive and within RFC 5280's 20 bytes.
bool set_serial(X509* certificate) {
  const Number serial(BN_new());
  return BN_rand(serial.get(), 159, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_name(X509_NAME* name, std::string_view common_name) {
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

// An extension in the library's own notation; `issuer` gives the key identifiers.
bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<void> add_name(GENERAL_NAMES* names, int type, ASN1_STRING* value) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (name == nullptr) return refused("making a name");
  GENERAL_NAME_set0_value(name, type, value);
  if (sk_GENERAL_NAME_push(names, name) == 0) {
    GENERAL_NAME_free(name);
    return refused("making a name");
  }
  return {};
}

Result<void> add_alternative_names(X509* certificate, const CertificateRequest& request) {
  const Names names(sk_GENERAL_NAME_new_null());
  for (const std::string& dns : request.dns_names) {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    if (text == nullptr || ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size())) != 1) return refused("making a name");
    MH_TRY_VOID(add_name(names.get(), GEN_DNS, text));
  }
  for (const std::string& address : request.addresses) {
    ASN1_OCTET_STRING* bytes = a2i_IPADDRESS(address.c_str());
    if (bytes == nullptr) return refused("not an IP address: " + address, Errc::kInvalidArgument);
    MH_TRY_VOID(add_name(names.get(), GEN_IPADD, bytes));
  }
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1) {
    return refused("adding the alternative names");
  }
  return {};
}

// A certificate with version, serial, times, subject and key set; issuer and signature are open.
Result<Certificate> begin(std::string_view common_name, base::Timestamp from, base::Timestamp until, EVP_PKEY* key) {
  if (until <= from) return base::fail(Errc::kInvalidArgument, "a certificate must end after it begins");
  Certificate certificate(X509_new());
  const bool good = certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    set_serial(certificate.get()) && set_times(certificate.get(), from, until) &&
                    set_name(X509_get_subject_name(certificate.get()), common_name) &&
                    X509_set_pubkey(certificate.get(), key) == 1;
  if (!good) return refused("making a certificate", Errc::kInvalidArgument);
  return certificate;
}

Result<PrivateKey> new_key() {
  PrivateKey key(EVP_EC_gen("P-256"));
  if (key == nullptr) return refused("making a key");
  return key;
}

struct Authority {
  Certificate certificate;
  PrivateKey key;
};

Result<Authority> read_authority(const CertificateAndKey& pem) {
  const Buffer first = buffer_of(pem.certificate);
  const Buffer second = buffer_of(pem.private_key);
  Authority out{Certificate(PEM_read_bio_X509(first.get(), nullptr, nullptr, nullptr)),
                PrivateKey(PEM_read_bio_PrivateKey(second.get(), nullptr, nullptr, nullptr))};
  if (out.certificate == nullptr || out.key == nullptr) return refused("reading the authority", Errc::kInvalidArgument);
  return out;
}

const char* extended_usage(const CertificateRequest& request) {
  if (request.server && request.client) return "serverAuth,clientAuth";
  return request.client ? "clientAuth" : "serverAuth";
}

base::Timestamp time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  const auto date = std::chrono::year(parts.tm_year + 1900) / (parts.tm_mon + 1) / parts.tm_mday;
  return std::chrono::sys_days(date) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
         std::chrono::seconds(parts.tm_sec);
}

std::string address_text(const ASN1_OCTET_STRING* bytes) {
  const std::uint8_t* data = ASN1_STRING_get0_data(bytes);
  const int size = ASN1_STRING_length(bytes);
  std::string out;
  for (int i = 0; i < size; ++i) {
    if (size == 4) out += (i == 0 ? "" : ".") + std::to_string(data[i]);
    if (size == 16) out += (i > 0 && i % 2 == 0 ? ":" : "") + base::hex_encode({data + i, 1});
  }
  return out;
}

std::vector<std::string> alternative_names(const X509* certificate) {
  std::vector<std::string> out;
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    auto* value = static_cast<ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    if (type == GEN_IPADD) out.push_back(address_text(value));
    if (type == GEN_DNS) {
      out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), static_cast<std::size_t>(ASN1_STRING_length(value)));
    }
  }
  return out;
}

}  // namespace

Result<CertificateAndKey> make_authority(std::string_view common_name, base::Timestamp from, base::Timestamp until) {
  const PrivateKey key = MH_TRY(new_key());
  const Certificate certificate = MH_TRY(begin(common_name, from, until, key.get()));
  X509* x509 = certificate.get();
  const bool good = X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 &&
                    add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    add_extension(x509, x509, NID_subject_key_identifier, "hash") &&
                    X509_sign(x509, key.get(), EVP_sha256()) > 0;
  if (!good) return refused("making the authority");
  return to_pem(x509, key.get());
}

Result<CertificateAndKey> make_certificate(const CertificateAndKey& authority, const CertificateRequest& request) {
  if (request.dns_names.empty() && request.addresses.empty() && request.common_name.empty()) {
    return base::fail(Errc::kInvalidArgument, "a certificate needs a name");
  }
  const Authority issuer = MH_TRY(read_authority(authority));
  const PrivateKey key = MH_TRY(new_key());
  const Certificate certificate = MH_TRY(begin(request.common_name, request.from, request.until, key.get()));
  X509* x509 = certificate.get();
  X509* ca = issuer.certificate.get();
  if (!request.dns_names.empty() || !request.addresses.empty()) MH_TRY_VOID(add_alternative_names(x509, request));
  const bool good = X509_set_issuer_name(x509, X509_get_subject_name(ca)) == 1 &&
                    add_extension(x509, ca, NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(x509, ca, NID_key_usage, "critical,digitalSignature") &&
                    add_extension(x509, ca, NID_ext_key_usage, extended_usage(request)) &&
                    add_extension(x509, ca, NID_subject_key_identifier, "hash") &&
                    add_extension(x509, ca, NID_authority_key_identifier, "keyid:always") &&
                    X509_sign(x509, issuer.key.get(), EVP_sha256()) > 0;
  if (!good) return refused("signing a certificate");
  return to_pem(x509, key.get());
}

Result<CertificateFacts> read_certificate(std::string_view pem) {
  const Buffer buffer = buffer_of(pem);
  const Certificate certificate(PEM_read_bio_X509(buffer.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return refused("reading a certificate", Errc::kInvalidArgument);
  CertificateFacts facts;
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(), name.size());
  facts.subject = name.data();
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  if (X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1) return refused("reading a certificate");
  facts.sha256 = base::hex_encode(digest);
  facts.from = time_of(X509_get0_notBefore(certificate.get()));
  facts.until = time_of(X509_get0_notAfter(certificate.get()));
  facts.names = alternative_names(certificate.get());
  return facts;
}

}  // namespace meterhub::crypto
