// Opens gateways' bodies with cipher plug-ins: what they hand over becomes answers like those of
// Opener. The host bounds and checks everything; a library that corrupts memory cannot be held off.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/decrypt/cipher_plugins.h>
#include <meterhub/decrypt/opener.h>

namespace meterhub::decrypt {

// One thread each; its instances of the plug-ins are its own.
class PluginOpener {
 public:
  static constexpr std::size_t kReadingsMax = 1024;      // a body
  static constexpr std::size_t kPayloadMax = 4096;       // bytes
  static constexpr std::size_t kReceptionsMax = 64;      // a reading

  // `plugins` outlives this; null: there are none.
  explicit PluginOpener(const CipherPlugins* plugins);
  PluginOpener(const CipherPlugins* plugins, Opener::Options options);
  ~PluginOpener();

  // kNoPlugin without a plug-in of that name; kPluginFailed when it broke its contract, beside the
  // readings it had handed over until then.
  std::vector<lorawan::Answer> open(std::string_view plugin, const Body& body, const HintLookup& hints = {});

  const OpenerCounters& counters() const { return counters_; }

 private:
  struct Instance;
  Instance* instance(std::string_view plugin);
  std::vector<lorawan::Answer> open_body(Instance& instance, const Body& body);
  std::vector<lorawan::Answer> open_frames(Instance& instance, const Body& body, const HintLookup& hints);
  lorawan::Answer open_frame(Instance& instance, const lorawan::Rxpk& packet, const HintLookup& hints);

  const CipherPlugins* plugins_;
  const Opener::Options options_;
  OpenerCounters counters_;
  lorawan::ReportReader reader_;
  std::map<std::string, std::unique_ptr<Instance>, std::less<>> instances_;
};

}  // namespace meterhub::decrypt
