// A link on which a client sends events to an event hub (spec/azure-amqp.md 7).
#pragma once

#include <optional>
#include <string>

#include "event_hubs.h"
#include "event_records.h"
#include "link_endpoint.h"
#include "session_host.h"

namespace meterhub::hub {

// To the partition that the address names, that of the events' key, or the next in turn. A message is stored all or none, and
// settled when it is durable. Loop thread.
class SenderEndpoint final : public LinkEndpoint {
 public:
  // `hub` outlives it.
  SenderEndpoint(Session& session, amqp::LinkId link, const EventHub& hub, const LinkAddress& address);

  // Why nobody may send to this address, or not in the way that the attach asks for; nothing: the link may be accepted.
  static std::optional<amqp::ErrorView> objection(const EventHub& hub, const LinkAddress& address, const amqp::PeerAttach& attach);

  void on_delivery(const amqp::Delivery& delivery) override;
  void update_window() override;
  bool permitted() const override;

 private:
  base::Result<void> take(const amqp::Delivery& delivery);
  base::Result<void> take_events(const amqp::Delivery& delivery);
  base::Result<void> take_documents(const amqp::Delivery& delivery);
  base::PartitionId partition_for(std::string_view key);
  void count_rate(std::size_t events, std::size_t bytes);
  Answer answer_of(const amqp::Delivery& delivery) const;

  Session& session_;
  const amqp::LinkId link_;
  const EventHub& hub_;
  const std::string partition_name_;  // as the address has it; empty: none
  const std::optional<base::PartitionId> partition_;
  std::uint32_t turn_;                // of messages without a partition or key
  bool open_window_ = true;
};

}  // namespace meterhub::hub
