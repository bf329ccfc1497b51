// The network server in the same process: no datagrams, no JSON between.
#pragma once

#include <meterhub/base/executor.h>
#include <meterhub/connector/transport.h>
#include <meterhub/decrypt/cipher_plugins.h>
#include <meterhub/decrypt/opener.h>

namespace meterhub::connector {

// Executor's thread. Keeps a bounded cache of counters that had to be searched for, which are the hints.
class EmbeddedTransport final : public Transport {
 public:
  // Addresses remembered; when full, the cache starts anew (the session's high word helps then).
  static constexpr std::size_t kHintsMax = 4'000'000;

  // `sessions`, `executor` and `plugins` (may be null) outlive this.
  EmbeddedTransport(const decrypt::SessionTable& sessions, base::Executor& executor,
                    const decrypt::CipherPlugins* plugins = nullptr);
  ~EmbeddedTransport() override;

  void open(Block block, Done done) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::connector
