// Network servers over the wire: what the settings ns.* say to both sides.
#pragma once

#include <memory>

#include <meterhub/base/disk.h>
#include <meterhub/base/settings.h>
#include <meterhub/connector/foreign_transport.h>
#include <meterhub/connector/udp_transport.h>
#include <meterhub/net/address.h>
#include <meterhub/net/tls.h>

#include "tls_files.h"

namespace meterhub::app {

// "10.0.0.1:1700" of a list setting; kInvalidArgument names the setting.
base::Result<std::vector<net::Address>> addresses_of(const base::Settings& settings, std::string_view name);
base::Result<std::vector<net::Network>> networks_of(const base::Settings& settings, std::string_view name);

// The connector's side. Answers outside loopback come over mutual TLS unless ns.plaintext.
base::Result<connector::UdpTransportOptions> udp_options(const base::Settings& settings, const TlsFiles& tls);
base::Result<connector::ForeignTransportOptions> foreign_options(const base::Settings& settings, const TlsFiles& tls);

// Of a process of the role ns: ns.ca_file, ns.certificate_file, ns.key_file. Null when none is set.
base::Result<std::shared_ptr<net::TlsContext>> ns_client_tls(const base::Settings& settings, const base::Disk& disk);

}  // namespace meterhub::app
