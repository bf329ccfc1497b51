// The platform's certificates below DIR/tls: an authority of its own, made at first start, and
// the server's certificate, renewed at start when it is about to expire or lacks a name.
#pragma once

#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/net/tls.h>

namespace meterhub::app {

struct TlsFiles {
  std::string authority_file;  // what clients trust: DIR/tls/ca.pem
  std::string authority_pem;
  net::Identity server;
};

// `directory` is DIR/tls. `names` are what clients call the server by; localhost, the loopback
// addresses and the machine's name are added.
base::Result<TlsFiles> load_or_make_tls(base::Disk& disk, const base::Clock& clock, const std::string& directory,
                                        const std::vector<std::string>& names);

// A certificate of the platform's authority for another process: NAME.pem, NAME.key (0600) and
// ca.pem in `to`, for both sides of a connection. Returns what was written, as text for people.
base::Result<std::string> issue_certificate(base::Disk& disk, const base::Clock& clock, const std::string& directory,
                                            const std::string& name, const std::vector<std::string>& names,
                                            const std::string& to);

// A certificate that the user brings, with its chain.
base::Result<net::Identity> read_identity(const base::Disk& disk, const std::string& certificate_file,
                                          const std::string& key_file);

}  // namespace meterhub::app
