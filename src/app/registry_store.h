// The registry of a data directory, opened by a command: beside a running platform too, as SQLite lets one process write
// while others read, and the platform follows the changes.
#pragma once

#include <memory>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/registry/store.h>

namespace meterhub::app {

// Whether a command may begin a registry where there is none.
enum class Begins : std::uint8_t { kNo, kYes };

struct RegistryPlace {
  std::string data = "meterhub-data";
  std::string master_key;  // file; empty = master.key in the data directory
};

// kNotFound: there is no registry, and the command begins none.
base::Result<std::unique_ptr<registry::Store>> open_registry(const RegistryPlace& place, const base::Clock& clock, Begins begins);

}  // namespace meterhub::app
