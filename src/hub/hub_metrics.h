// The hub's counters, looked up once.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/base/metrics.h>

namespace meterhub::hub {

struct HubMetrics {
  explicit HubMetrics(base::Metrics& m)
      : metrics(m),
        received(m.counter("meterhub_hub_messages_received_total", "Messages of gateways taken in, AMQP and GWMP")),
        received_bytes(m.counter("meterhub_hub_received_bytes_total", "Bytes of their bodies")),
        settled(m.counter("meterhub_hub_messages_settled_total", "Messages acknowledged as durable")),
        presettled(m.counter("meterhub_hub_messages_presettled_total", "Messages sent settled: no promise")),
        unanswered(m.counter("meterhub_hub_answers_unsent_total", "Durable messages whose gateway had gone")),
        transactions(m.counter("meterhub_hub_transactions_total", "Blocks handed to the log")),
        events(m.counter("meterhub_hub_events_received_total", "Events taken in for event hubs, each of a batch")),
        event_bytes(m.counter("meterhub_hub_events_received_bytes_total", "Bytes of their bodies")),
        events_settled(m.counter("meterhub_hub_event_batches_settled_total", "Messages to event hubs acknowledged as durable")),
        throttled(m.counter("meterhub_hub_throttled_total", "Times a gateway's or sender's credit was withheld for its rate")),
        devicebound_taken(
            m.counter("meterhub_hub_devicebound_taken_total", "Cloud-to-device messages taken in, durable")),
        devicebound_delivered(m.counter("meterhub_hub_devicebound_deliveries_total",
                                        "Cloud-to-device messages sent to devices, repeats too")),
        devicebound_late(m.counter("meterhub_hub_devicebound_late_total",
                                   "Answers of devices to deliveries that were void by then")),
        feedback_dropped(
            m.counter("meterhub_hub_feedback_dropped_total", "Feedback records that no service took in time")),
        events_sent(m.counter("meterhub_hub_events_sent_total", "Events given to readers")),
        events_expired(m.counter("meterhub_hub_events_expired_total", "Events that retention took before a reader came to them")),
        receivers_stolen(m.counter("meterhub_hub_receivers_stolen_total", "Readers that gave way to one with an owner level")),
        receivers(m.gauge("meterhub_hub_receivers", "Readers of events")),
        connections(m.gauge("meterhub_hub_connections", "Open AMQP connections")),
        in_flight(m.gauge("meterhub_hub_in_flight_bytes", "Bytes handed to the log and not yet durable")),
        credit_stopped(m.gauge("meterhub_hub_credit_stopped", "1 while no gateway is given credit")),
        devicebound_waiting(
            m.gauge("meterhub_hub_devicebound_messages", "Cloud-to-device messages that wait or are under way")),
        devicebound_bytes(m.gauge("meterhub_hub_devicebound_bytes", "Memory that they take of hub.devicebound_memory")),
        feedback_waiting(m.gauge("meterhub_hub_feedback_records", "Feedback records that no service has taken yet")) {}

  void rejected(std::string_view reason) {
    count("meterhub_hub_messages_rejected_total", "Messages rejected, by reason", "reason", reason);
  }
  void claim(std::string_view result) {
    count("meterhub_hub_claims_total", "Tokens shown, by what came of them", "result", result);
  }
  void devicebound_ended(std::string_view fate) {
    count("meterhub_hub_devicebound_ended_total", "Cloud-to-device messages that ended, by how", "status", fate);
  }
  void link_refused(std::string_view condition) {
    count("meterhub_hub_links_refused_total", "Links refused, by condition", "condition", condition);
  }
  void dropped(std::string_view reason) {
    count("meterhub_hub_connections_dropped_total", "Connections ended by the hub, by reason", "reason", reason);
  }
  void gwmp(std::string_view what) {
    count("meterhub_hub_gwmp_datagrams_total", "GWMP datagrams, by what came of them", "result", what);
  }

  base::Metrics& metrics;
  base::Counter& received;
  base::Counter& received_bytes;
  base::Counter& settled;
  base::Counter& presettled;
  base::Counter& unanswered;
  base::Counter& transactions;
  base::Counter& events;
  base::Counter& event_bytes;
  base::Counter& events_settled;
  base::Counter& throttled;
  base::Counter& devicebound_taken;
  base::Counter& devicebound_delivered;
  base::Counter& devicebound_late;
  base::Counter& feedback_dropped;
  base::Counter& events_sent;
  base::Counter& events_expired;
  base::Counter& receivers_stolen;
  base::Gauge& receivers;
  base::Gauge& connections;
  base::Gauge& in_flight;
  base::Gauge& credit_stopped;
  base::Gauge& devicebound_waiting;
  base::Gauge& devicebound_bytes;
  base::Gauge& feedback_waiting;

 private:
  void count(std::string_view name, std::string_view help, const char* label, std::string_view value) {
    metrics.counter(name, help, {{label, std::string(value)}}).add();
  }
};

}  // namespace meterhub::hub
