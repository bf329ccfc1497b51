// A town as the files that `meterhub registry import` takes.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

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

}  // namespace meterhub::sim
