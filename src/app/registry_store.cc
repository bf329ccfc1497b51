#include "registry_store.h"

#include <filesystem>

#include <meterhub/registry/master_key.h>

namespace meterhub::app {

base::Result<std::unique_ptr<registry::Store>> open_registry(const RegistryPlace& place, const base::Clock& clock, Begins begins) {
  const std::filesystem::path data = place.data;
  std::error_code error;
  const bool there = std::filesystem::exists(data / "registry.sqlite", error);
  if (error) return base::fail(base::Errc::kIo, data.string() + ": " + error.message());
  if (!there && begins == Begins::kNo) {
    return base::fail(base::Errc::kNotFound, data.string() + ": there is no registry here (--data); the first import or add begins one");
  }
  std::filesystem::create_directories(data, error);
  if (error) return base::fail(base::Errc::kIo, data.string() + ": " + error.message());
  const auto key_file = place.master_key.empty() ? data / "master.key" : std::filesystem::path(place.master_key);
  return registry::Store::open({data / "registry.sqlite", MH_TRY(registry::master_key_of(data / "registry.sqlite", key_file))}, clock);
}

}  // namespace meterhub::app
