// A process of the role ns: stateless, beside a platform or on another machine. Owns no data
// directory; its sessions come from the platform's feed.
#pragma once

#include <memory>

#include <meterhub/base/disk.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/settings.h>
#include <meterhub/decrypt/cipher_plugins.h>
#include <meterhub/decrypt/session_table.h>
#include <meterhub/http/server.h>
#include <meterhub/ns/feed_client.h>
#include <meterhub/ns/server.h>

#include "threads.h"

namespace meterhub::app {

// One thread.
class NsProcess {
 public:
  static base::Result<std::unique_ptr<NsProcess>> start(const base::Settings& settings);
  ~NsProcess();
  NsProcess(const NsProcess&) = delete;
  NsProcess& operator=(const NsProcess&) = delete;

  const net::Address& address() const { return address_; }

 private:
  NsProcess() = default;
  base::Result<void> start_feed(const base::Settings& settings);
  base::Result<void> start_server(const base::Settings& settings);
  base::Result<void> start_http(const base::Settings& settings);

  base::PosixDisk disk_;
  base::Metrics metrics_;
  decrypt::SessionTable sessions_;
  std::unique_ptr<decrypt::CipherPlugins> plugins_;
  // Packets have a loop of their own; the other one syncs its copy of the sessions to disk.
  std::unique_ptr<LoopThread> packets_, rest_;
  std::unique_ptr<ns::FeedClient> feed_;    // on rest_
  std::unique_ptr<http::Server> http_;      // on rest_
  std::unique_ptr<ns::Server> server_;      // on packets_
  net::Address address_;
};

}  // namespace meterhub::app
