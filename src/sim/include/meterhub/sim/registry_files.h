// A town as the files that `meterhub registry import` takes, and such files as a town.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/sim/town.h>

namespace meterhub::sim {

struct RegistryFileOptions {
  std::chrono::seconds silence_limit = std::chrono::hours(1);  // without a packet for so long a meter counts as silent
  std::string ns_plugin = {};                                  // cipher plug-in that the gateways' entries name
};

// The three CSV files (docs/formats/registry-csv.md), as text. They hold keys.
std::string tenants_csv(const Town& town);
std::string gateways_csv(const Town& town, const RegistryFileOptions& options = {});
std::string meters_csv(const Town& town, const RegistryFileOptions& options = {});

// "HostName=…;DeviceId=…;SharedAccessKey=…", what a gateway is configured with.
// `host` may carry a port.
std::string connection_string(const SimGateway& gateway, std::string_view host);

// Writes tenants.csv, gateways.csv, meters.csv and gateways.txt (connection strings, a line
// each) into `directory`, making it.
base::Result<void> write_registry_files(const Town& town, std::string_view host, base::Disk& disk,
                                        const std::string& directory, const RegistryFileOptions& options = {});

// The gateways and meters of gateways.csv and meters.csv in `directory`, to be simulated. Their profiles are among
// `profiles` or built in; both files must hold keys. Its seed is a digest of the files, so that the truth of other meters
// is refused. kInvalidArgument and kNotFound with file and line.
base::Result<Town> read_registry_files(const std::string& directory, const std::vector<meter::Profile>& profiles);

}  // namespace meterhub::sim
