// Owners of OpenSSL's objects, for this module only.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace meterhub::crypto {

template <auto Fn>
struct CFree {
  template <class T>
  void operator()(T* p) const noexcept {
    Fn(p);
  }
};

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CFree<&EVP_CIPHER_CTX_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, CFree<&EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, CFree<&X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, CFree<&X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, CFree<&BN_free>>;
using Buffer = std::unique_ptr<BIO, CFree<&BIO_free_all>>;
using Names = std::unique_ptr<GENERAL_NAMES, CFree<&GENERAL_NAMES_free>>;

}  // namespace meterhub::crypto
