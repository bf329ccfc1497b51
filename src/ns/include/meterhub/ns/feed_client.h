// Fills the session table of an NS process from the feed of the registry's owner, over mutual TLS.
// The last snapshot and what changed since lie encrypted on disk (docs/formats/session-file.md), so
// that the process starts without the feed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/crypto/aead.h>
#include <meterhub/decrypt/session_table.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::ns {

struct FeedClientOptions {
  std::vector<net::Address> servers;         // tried in turn
  std::shared_ptr<net::TlsContext> tls;      // client, with our certificate; null only in tests on loopback
  std::string server_name;                   // in the server's certificate; empty: its address
  // Encrypted copy; empty: none is kept.
  std::string file;
  crypto::Key256 file_key{};
  // Changes after the snapshot over this: the copy is written anew. Bytes.
  std::size_t file_changes_max = 64 * 1024 * 1024;
  std::chrono::milliseconds reconnect_first{200};
  std::chrono::milliseconds reconnect_max{10'000};
  // Nothing for so long (the feed beats every 100 ms): connect anew.
  std::chrono::milliseconds silence_max{5'000};
};

// Loop's thread; it is the table's one writer. Syncs the disk on its thread: give it a loop that
// serves no packets. What is passed outlives it.
class FeedClient {
 public:
  // Reads the encrypted copy before it returns, when there is one. A copy that cannot be opened
  // (another key, damage) is logged and left alone until a new one replaces it. kInvalidArgument without servers.
  static base::Result<std::unique_ptr<FeedClient>> create(net::EventLoop& loop, decrypt::SessionTable& table,
                                                          base::Disk& disk, base::Metrics& metrics,
                                                          FeedClientOptions options);
  virtual ~FeedClient() = default;
  // A whole snapshot has been taken, from disk or from the feed.
  virtual bool has_sessions() const = 0;
  virtual bool connected() const = 0;
};

}  // namespace meterhub::ns
