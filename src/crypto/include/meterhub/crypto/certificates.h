// The platform's own certificate authority: ECDSA P-256, made at first start when none is
// configured. Pure but for randomness; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

namespace meterhub::crypto {

// PEM texts; the private key is PKCS #8, not encrypted: the caller wipes it and keeps its file 0600.
struct CertificateAndKey {
  std::string certificate;
  std::string private_key;
};

// A self-signed authority that may sign end certificates only (path length 0).
base::Result<CertificateAndKey> make_authority(std::string_view common_name, base::Timestamp from, base::Timestamp until);

struct CertificateRequest {
  std::string common_name{};
  std::vector<std::string> dns_names{};  // subject alternative names, "*.example.org" too
  std::vector<std::string> addresses{};  // IPv4 or IPv6 text
  bool server = true;                  // extended key usages
  bool client = false;
  base::Timestamp from{};
  base::Timestamp until{};
};

// kInvalidArgument when an address is none, there is no name at all, or the authority's PEM is unreadable.
base::Result<CertificateAndKey> make_certificate(const CertificateAndKey& authority, const CertificateRequest& request);

// What a certificate says about itself, for `tls` and expiry checks.
struct CertificateFacts {
  std::string subject;               // common name
  std::string sha256;                // fingerprint, lower-case hex
  base::Timestamp from{};
  base::Timestamp until{};
  std::vector<std::string> names;    // DNS names and addresses
};
base::Result<CertificateFacts> read_certificate(std::string_view pem);

}  // namespace meterhub::crypto
