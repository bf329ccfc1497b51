#include <meterhub/decrypt/cipher_plugins.h>

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

#include <meterhub/decrypt/cipher_plugin.h>

namespace meterhub::decrypt {
namespace {

using EntryPoint = const meterhub_plugin* (*)(std::uint32_t);

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::unexpected<base::Error> refuse(const std::string& path, const std::string& why) {
  return base::fail(base::Errc::kInvalidArgument, "cipher plug-in " + path + ": " + why);
}

std::string dl_error() {
  const char* text = ::dlerror();
  return text == nullptr ? "unknown error" : text;
}

bool is_complete(const meterhub_plugin& plugin) {
  return plugin.create != nullptr && plugin.destroy != nullptr &&
         (plugin.open_body != nullptr) != (plugin.open_frame != nullptr);
}

}  // namespace

base::Result<std::unique_ptr<CipherPlugins>> CipherPlugins::load(const std::string& directory) {
  std::unique_ptr<CipherPlugins> out(new CipherPlugins());
  if (directory.empty()) return out;
  std::error_code error;
  std::filesystem::directory_iterator files(directory, error);
  if (error) return base::fail(base::Errc::kNotFound, "plug-in directory " + directory + ": " + error.message());
  for (; files != std::filesystem::directory_iterator(); files.increment(error)) {
    const auto& path = files->path();
    if (path.extension() != ".so") continue;
    MH_TRY_VOID(out->add(path.stem().string(), path.string()));
  }
  if (error) return base::fail(base::Errc::kIo, "plug-in directory " + directory + ": " + error.message());
  return out;
}

base::Result<void> CipherPlugins::add(const std::string& name, const std::string& path) {
  if (!is_name(name)) return refuse(path, "the name may hold a-z, 0-9, '-' and '_' only");
  void* const library = ::dlopen(std::filesystem::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return refuse(path, dl_error());
  libraries_.push_back(library);
  const auto entry = reinterpret_cast<EntryPoint>(::dlsym(library, METERHUB_PLUGIN_ENTRY));
  if (entry == nullptr) return refuse(path, dl_error());
  const auto* const plugin = entry(METERHUB_PLUGIN_ABI);
  if (plugin == nullptr) return refuse(path, "it does not support this host");
  if (plugin->abi != METERHUB_PLUGIN_ABI) {
    return refuse(path, "it speaks version " + std::to_string(plugin->abi) + " of the interface, this host " +
                            std::to_string(METERHUB_PLUGIN_ABI));
  }
  if (!is_complete(*plugin)) return refuse(path, "it must give create, destroy and one of open_body and open_frame");
  const auto settings = std::filesystem::path(path).replace_extension(".conf").string();
  entries_.emplace(name, CipherPlugins::Entry{plugin, settings});
  return {};
}

CipherPlugins::~CipherPlugins() {
  for (void* const library : libraries_) ::dlclose(library);
}

const CipherPlugins::Entry* CipherPlugins::find(std::string_view name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : &it->second;
}

std::vector<std::string> CipherPlugins::names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) out.push_back(name);
  return out;
}

}  // namespace meterhub::decrypt
