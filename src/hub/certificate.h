// Certificates as proof of who a device is (spec/azure-amqp.md 2.1: such a client shows no token). Pure.
#pragma once

#include <meterhub/base/clock.h>
#include <meterhub/hub/gateway_directory.h>
#include <meterhub/net/tls.h>

namespace meterhub::hub {

// A certificate and what it was found to prove.
struct ShownCertificate {
  net::PeerCertificate facts;
  Proof proof = Proof::kNone;
};

// True when it is this device's. By fingerprint: whoever signed it, as IoT Hub has it. By authority: in the device's
// name. A device that proves itself in another way is not proven by any certificate.
bool is_of(const net::PeerCertificate& shown, const Gateway& gateway);
// An authority's word holds for a time only; a fingerprint holds while the registry has it.
bool in_time(const net::PeerCertificate& shown, Proof proof, base::Timestamp now);

}  // namespace meterhub::hub
