// The role `console`: the HTTP API of docs/reference/http-api.md and the page, on loopback and over
// TLS (with a key) and on the control socket (without one: its file mode is the right).
//
// What the meters say comes from the fleet's state, which the role `office` keeps on the same
// thread; alerts come from the database, older readings from the lake. It writes nothing.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/console/list.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/http/server.h>
#include <meterhub/log/log.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>
#include <meterhub/registry/directory.h>
#include <meterhub/tables/database.h>

namespace meterhub::console {

// Someone who reads logs and may be behind: one line of `lag.stages`.
struct Stage {
  std::string name;
  std::string group;
  std::vector<std::string> logs;
  // Where it reads, of a reader that commits less often; partitions that are not in it count from what is committed.
  std::function<std::map<log::TopicPartition, base::Offset>()> positions{};
};
// connector, deduplication, archive. Jobs are added by the app: {name, "job." + name, inputs}.
std::vector<Stage> platform_stages();

// Where the same is offered over TLS.
struct HttpsListen {
  net::Address at;
  std::shared_ptr<net::TlsContext> tls;
};

struct ConsoleOptions {
  // Without TLS, loopback only. Nothing: none.
  std::optional<net::Address> listen = net::Address::loopback();
  std::optional<HttpsListen> https{};
  // "DIR/control.sock"; empty: none.
  std::string control_socket{};
  // What requests over TCP must show; make_key(). Empty is refused when there is a listener over TCP.
  std::string key{};
  // "DIR/lake"; empty or missing: meters of a large fleet show their last reading only.
  std::string lake{};
  base::Timestamp started{};
  std::vector<Stage> stages = platform_stages();
  // Names of the event hubs that the settings declare, whose content the status tells.
  std::vector<std::string> event_hubs{};
  std::size_t event_clients_max = 100;
  // Told now and then which of the registry's keys were used; on the loop. Nothing: nobody keeps it.
  std::function<void(std::vector<registry::Store::ApiKeyUse>)> keys_used{};
  // When a gateway was heard last, for the list of gateways; on the loop. Nothing: it is not known.
  std::function<std::optional<base::Timestamp>(const std::string& gateway)> gateway_heard{};
  // An existing directory for workbooks on their way; empty: the system's.
  std::string scratch{};
};

// What it looks at; all of it outlives the console.
struct ConsoleWorld {
  log::Log& log;
  const registry::Directory& directory;
  const tables::Database& database;
  // Kept by others, on the loop's thread. Its changes are taken here.
  fleet::FleetState& fleet;
  base::Metrics& metrics;
  const base::Disk& disk;
  // Blocks for queries of the lake: a thread that can wait.
  base::Executor& lake_thread;
};

// Everything happens on `loop`, which should be its own: reading the log and the database
// blocks it for milliseconds at a time. Loop thread, but for create().
class Console {
 public:
  // kInvalidArgument without a key, and what listening says.
  static base::Result<std::unique_ptr<Console>> create(net::EventLoop& loop, const ConsoleWorld& world,
                                                       ConsoleOptions options);
  virtual ~Console() = default;

  virtual std::optional<net::Address> address() const = 0;
  virtual std::optional<net::Address> https_address() const = 0;
  // "http://127.0.0.1:PORT/?key=KEY": for a person, once; it holds the key. Empty without a listener.
  virtual std::string url() const = 0;
  // For routes of others. Each must be in the table of scopes.cc, or registering it ends the
  // process; key, reach and right are checked before its handler, which asks caller_of(request).
  virtual http::Server& server() = 0;

  // A job was started or is gone.
  virtual void add_stage(Stage stage) = 0;
  virtual void remove_stage(std::string_view name) = 0;
  // A sentence for people on call that stays in the status for as long as the process runs.
  virtual void add_warning(std::string text) = 0;

  // GET `path` is this list from now on; the path is in scopes.cc as any other. `source` runs on the
  // loop, or on `on`, which outlives the console.
  virtual void add_list(std::string_view path, ListForm form, ListSource source, base::Executor* on = nullptr) = 0;
  // Answers one request as that list would, for a handler of server() whose own JSON is another. Nothing is asked of
  // `source` when `alive` has ended.
  virtual void answer_list(ListForm form, ListSource source, base::Executor& on, std::weak_ptr<void> alive,
                           const http::Request& request, http::Reply reply) = 0;

  // One event to those who follow /api/v1/events and see its data: one tenant's, or (nothing) the whole
  // platform's. `data` is JSON. Any thread; nothing happens when the console has ended.
  using Publish =
      std::function<void(std::string_view event, std::optional<base::TenantNumber> tenant, std::string data)>;
  virtual Publish publisher() = 0;

  // Ends listening, streams and reading, then calls `done`.
  virtual void drain(base::Task done) = 0;
};

// 128 random bits in hex.
std::string make_key();

}  // namespace meterhub::console
