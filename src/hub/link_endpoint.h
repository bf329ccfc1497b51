// One link of a connection, from its attach to its end.
#pragma once

#include <cstdint>

#include <meterhub/amqp/engine.h>

namespace meterhub::hub {

// Owned by its session, which calls it; destroyed when the link is gone. Loop thread. The calls do nothing by default.
class LinkEndpoint {
 public:
  LinkEndpoint() = default;
  virtual ~LinkEndpoint() = default;
  LinkEndpoint(const LinkEndpoint&) = delete;
  LinkEndpoint& operator=(const LinkEndpoint&) = delete;

  // The peer sends.
  virtual void on_delivery(const amqp::Delivery& /*delivery*/) {}
  virtual void on_oversized(std::uint64_t /*bytes*/) {}
  // The hub began or stopped granting credit, or looks again at who was held back.
  virtual void update_window() {}

  // The peer receives: there is credit and room, or there may be again.
  virtual void on_credit() {}
  virtual void on_drain() {}
  virtual void on_outcome(amqp::DeliveryId /*first*/, amqp::DeliveryId /*last*/, amqp::Outcome /*outcome*/,
                          const amqp::ErrorView& /*error*/) {}

  // A request node outlives what it granted: its links are not detached when the hub ends a connection.
  virtual bool is_request_node() const { return false; }
  // Once a second.
  virtual void sweep() {}
  // A claim of the connection has ended: true while those that are left permit this link.
  virtual bool permitted() const { return true; }
};

}  // namespace meterhub::hub
