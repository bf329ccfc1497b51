// Loads vendors' cipher plug-ins from a directory (docs/formats/plugin-abi.md).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/result.h>

struct meterhub_plugin;

namespace meterhub::decrypt {

// Immutable after load(); any thread. Outlives every PluginOpener: libraries are unloaded with it.
class CipherPlugins {
 public:
  // Every NAME.so of `directory`; names are of a-z, 0-9, '-' and '_'. An empty path: none. kNotFound without
  // the directory, kInvalidArgument naming the library that cannot be loaded or speaks another version.
  static base::Result<std::unique_ptr<CipherPlugins>> load(const std::string& directory);
  ~CipherPlugins();

  struct Entry {
    const meterhub_plugin* plugin = nullptr;
    std::string settings_file;
  };
  // Null when there is none.
  const Entry* find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  CipherPlugins() = default;
  base::Result<void> add(const std::string& name, const std::string& path);

  std::vector<void*> libraries_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace meterhub::decrypt
