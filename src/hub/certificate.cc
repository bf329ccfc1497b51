#include "certificate.h"

#include <meterhub/base/encoding.h>

namespace meterhub::hub {
namespace {

// The length says which of the two digests is meant.
bool is_fingerprint_of(const std::string& thumbprint, const net::PeerCertificate& shown) {
  return !thumbprint.empty() &&
         (thumbprint == base::hex_encode(shown.sha1) || thumbprint == base::hex_encode(shown.sha256));
}

}  // namespace

bool is_of(const net::PeerCertificate& shown, const Gateway& gateway) {
  switch (gateway.proof) {
    case Proof::kThumbprint:
      return is_fingerprint_of(gateway.primary_thumbprint, shown) ||
             is_fingerprint_of(gateway.secondary_thumbprint, shown);
    case Proof::kAuthority: return shown.signed_by_authority && shown.common_name == gateway.id;
    case Proof::kKeys:
    case Proof::kNone: break;
  }
  return false;
}

bool in_time(const net::PeerCertificate& shown, Proof proof, base::Timestamp now) {
  return proof != Proof::kAuthority || (shown.from <= now && now < shown.until);
}

}  // namespace meterhub::hub
