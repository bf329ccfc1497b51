// From answers to records: pure, no I/O. One Sorter a connector.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/metrics.h>
#include <meterhub/connector/transport.h>
#include <meterhub/log/log.h>
#include <meterhub/log/replay.h>
#include <meterhub/lorawan/report.h>
#include <meterhub/reading/external_documents.h>
#include <meterhub/reading/profiles.h>
#include <meterhub/reading/reading.h>
#include <meterhub/registry/directory.h>

namespace meterhub::connector {

// Where records go.
struct Topics {
  base::TopicId telemetry, retry, decoded, status, joins, deadletter, noise;
  std::uint32_t decoded_partitions = 1, status_partitions = 1, joins_partitions = 1, deadletter_partitions = 1,
                noise_partitions = 1;

  reading::DocumentTopics of_documents() const {
    return {decoded, status, deadletter, decoded_partitions, status_partitions, deadletter_partitions};
  }
};

// What the connector must know of a delivery beside its body.
struct Source {
  Delivery delivery;
  bool redo = false;         // from log `retry`
  std::string_view reason;   // of the letter that is driven again

  // Decoded once more for history alone (log/replay.h).
  bool is_replay() const { return redo && reason == log::kReplay; }
  // Sent by a connector outside, decoded already: no network server is asked.
  bool is_document() const { return delivery.origin.log == reading::kExternalOrigin; }
};

// The packets of one delivery as bodies of their own. One thread.
class PacketBodies {
 public:
  // `body` lives while packets are asked for.
  void begin(std::string_view body);
  // The part that packet `index` stands in; nothing where the body cannot be cut.
  std::optional<std::string> packet(std::optional<std::uint32_t> index);

 private:
  std::string_view body_;
  std::optional<std::vector<lorawan::ReportPart>> parts_;  // once, when the first is asked for
};

// Turns opened deliveries into appends. One thread.
class Sorter {
 public:
  Sorter(Topics topics, const registry::Directory& directory, const reading::Profiles& profiles, base::Metrics& metrics);

  // `opened[i]` came back for `sources[i]`; nothing for documents.
  void sort(std::span<const Source> sources, std::span<const Opened> opened, log::Appends& out);

 private:
  void answer(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
              log::Appends& out);
  void replay(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
              log::Appends& out);
  void reading(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
               log::Appends& out);
  void gateway_status(const Source& source, const lorawan::Answer& answer, log::Appends& out);
  void join(const Source& source, const lorawan::Answer& answer, log::Appends& out);
  void letter(const Source& source, const lorawan::Answer& answer, std::string_view reason, bool noise,
              log::Appends& out);
  void document(const registry::Directory::View& view, const Source& source, log::Appends& out);
  base::Counter& reason_counter(std::string_view name, std::string_view help, std::string_view reason);

  const Topics topics_;
  const registry::Directory& directory_;
  base::Metrics& metrics_;
  base::Counter& decoded_;
  base::Counter& heartbeats_;
  base::Counter& joins_;
  base::Counter& gateway_reports_;
  reading::ReadingMaker maker_;
  reading::ExternalDocuments documents_;
  std::string body_;        // reused
  PacketBodies bodies_;     // of the delivery being sorted
  std::vector<std::string_view> whole_;  // reasons for which its whole body was put aside
};

}  // namespace meterhub::connector
