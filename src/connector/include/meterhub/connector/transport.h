// How the connector reaches a network server. Implementations: embedded (here), udp and
// foreign (over the wire).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/ids.h>
#include <meterhub/lorawan/answer.h>
#include <meterhub/log/record.h>

namespace meterhub::connector {

// One delivery of a gateway to be opened. `body` lives until the answer has come.
struct Delivery {
  log::Origin origin;             // where it entered the platform
  std::string_view gateway_id;    // hub device that sent it
  base::Eui64 gateway;            // its registered EUI; 0 = it has none
  std::string_view plugin;        // cipher plug-in of the registry's entry; empty = LoRaWAN
  base::Timestamp enqueued{};     // by the hub
  std::string_view body;
};

// What came back for one delivery.
struct Opened {
  // Packets that servers failed on, or left unanswered, are among them as kError (kNsFailed, kNsUnanswered).
  std::vector<lorawan::Answer> answers;
  // Session feed's last message at the server. Errors about keys from a table older than
  // the delivery are no verdict (spec/lorawan-ns.md 2.1); so are those of a table that has not
  // heard the feed yet (the beginning of time). None: a server that does not say.
  std::optional<base::Timestamp> fresh_as_of{};
};

// A block of deliveries and what keeps their bytes alive.
struct Block {
  std::vector<Delivery> deliveries;
  std::shared_ptr<const void> storage;
};

// One thread: the connector's executor calls and is called.
class Transport {
 public:
  using Done = std::move_only_function<void(std::vector<Opened>)>;

  virtual ~Transport() = default;
  // `done` gets one Opened a delivery, in their order, as a task of its own, never inside
  // open(). While no server answers it waits: an outage is never dead-lettered.
  virtual void open(Block block, Done done) = 0;
};

}  // namespace meterhub::connector
