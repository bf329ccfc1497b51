// Certificates for tests: one authority per process, and leaves signed by it.
#pragma once

#include <string>
#include <vector>

#include <meterhub/net/tls.h>

namespace meterhub::net::test {

struct Authority {
  Identity identity;
  Authority();
  // For the given DNS names and IPv4 addresses; `common_name` is what peer_name() shows.
  Identity issue(const std::string& common_name, const std::string& alternative_names) const;
};
const Authority& authority();

}  // namespace meterhub::net::test
