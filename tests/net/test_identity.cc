#include "test_identity.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

namespace meterhub::net::test {
namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const auto length = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(length));
  BIO_free(bio);
  return out;
}

Identity as_pem(X509* certificate, EVP_PKEY* key) {
  BIO* certificate_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_bio, certificate);
  BIO* key_bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  return {text_of(certificate_bio), text_of(key_bio)};
}

void extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* blank(const std::string& common_name, EVP_PKEY* key) {
  static long serial = 1;
  X509* out = X509_new();
  X509_set_version(out, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(out), serial++);
  X509_gmtime_adj(X509_getm_notBefore(out), -3600);
  X509_gmtime_adj(X509_getm_notAfter(out), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509_set_pubkey(out, key);
  return out;
}

}  // namespace

Authority::Authority() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = blank("Test CA", key);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(certificate, key, EVP_sha256());
  identity = as_pem(certificate, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

Identity Authority::issue(const std::string& common_name, const std::string& alternative_names) const {
  BIO* bio = BIO_new_mem_buf(identity.certificate_pem.data(), -1);
  X509* issuer = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  bio = BIO_new_mem_buf(identity.key_pem.data(), -1);
  EVP_PKEY* issuer_key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = blank(common_name, key);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  extend(certificate, NID_subject_alt_name, alternative_names);
  X509_sign(certificate, issuer_key, EVP_sha256());
  const auto out = as_pem(certificate, key);
  X509_free(certificate);
  X509_free(issuer);
  EVP_PKEY_free(key);
  EVP_PKEY_free(issuer_key);
  return out;
}

const Authority& authority() {
  static const Authority kAuthority;
  return kAuthority;
}

}  // namespace meterhub::net::test
