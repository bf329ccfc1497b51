// A link on which a client reads the events of one partition (spec/azure-amqp.md 6).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "event_source.h"
#include "link_endpoint.h"
#include "receivers.h"
#include "session_host.h"
#include "start_position.h"

namespace meterhub::hub {

// What its attach asked for, checked.
struct ReaderRequest {
  const EventHub* event_hub = nullptr;
  base::PartitionId partition;
  std::string group;                      // lower case
  StartPosition start{};
  std::optional<std::int64_t> epoch{};    // owner level
  std::string name{};                     // that it gave itself
  bool tracks_last_enqueued = false;
};
// Conditions as in docs/reference/amqp.md. `address` is a Node::kEvents.
std::expected<ReaderRequest, FilterError> read_request(const amqp::PeerAttach& attach, const LinkAddress& address,
                                                       const EventHubs& event_hubs);

// Loop thread. Its source works on the readers' thread; what that returns for one that has gone is dropped.
class EventReceiver final : public LinkEndpoint, public Receiver {
 public:
  // The link is accepted or refused later, once its position is known.
  EventReceiver(Session& session, amqp::LinkId link, ReaderRequest request);
  ~EventReceiver() override;

  // Memory of one: events that are ready, a read of the log, and the log's block that it came from.
  static constexpr std::size_t kShare = 512 * 1024;

  void on_credit() override { send_some(); }
  void on_drain() override;
  void on_outcome(amqp::DeliveryId first, amqp::DeliveryId last, amqp::Outcome outcome, const amqp::ErrorView& error) override;
  bool permitted() const override;
  void stolen(std::string_view by) override;

 private:
  // Runs `work` with the source on the readers' thread, then `done` here with its result, if this is still here.
  template <class Work, class Done>
  void on_reader(Work work, Done done);
  void located(const base::Result<base::Offset>& start);
  void send_some();
  bool send_event(base::BytesView event);
  base::BytesView runtime_metrics();
  void read_more();
  void take(base::Result<EventBlock> block);
  void wait_for_more();
  void fail(std::string_view condition, std::string_view text);

  Session& session_;
  SessionHost& host_;
  const amqp::LinkId link_;
  const ReaderRequest request_;
  const Receivers::Place place_;
  std::shared_ptr<EventSource> source_;
  EventBlock block_;
  std::size_t sent_ = 0;      // events of block_
  base::Bytes metrics_head_;  // delivery annotations, when they are asked for
  bool open_ = false;
  bool reading_ = false;
  bool waiting_ = false;      // for the log to grow
  std::unique_ptr<log::Watch> watch_;
  std::shared_ptr<void> alive_ = std::make_shared<char>();
};

}  // namespace meterhub::hub
