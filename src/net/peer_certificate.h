// What an OpenSSL certificate says. Pure.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>

#include <meterhub/net/tls.h>

namespace meterhub::net {

// UTF-8; empty when there is none, or several: nobody could say which one is meant.
std::string common_name(const X509* certificate);
// Without a word on who signed it. Nothing when it cannot be read.
std::optional<PeerCertificate> describe(const X509* certificate);

}  // namespace meterhub::net
