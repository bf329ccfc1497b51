// Payload profiles by name: those of the registry over the built-in ones.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <meterhub/meter/profile.h>
#include <meterhub/registry/directory.h>

namespace meterhub::reading {

// One thread. Profiles that were handed out stay valid as long as this lives, also when
// the registry has replaced them: a reading in the making keeps its profile.
class Profiles {
 public:
  // Reads the registry's profiles; one that does not parse is logged and left out.
  void load(const registry::Directory& directory);
  // Null for a name that neither the registry nor the program knows. "" is v1.
  const meter::Profile* find(std::string_view name) const;

 private:
  std::map<std::string, const meter::Profile*, std::less<>> current_;
  std::map<std::string, std::unique_ptr<meter::Profile>> by_text_;  // file text -> profile
};

}  // namespace meterhub::reading
