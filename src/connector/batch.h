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
#include <meterhub/lorawan/report.h>
#include <meterhub/meter/reading.h>
#include <meterhub/registry/directory.h>

#include "profiles.h"

namespace meterhub::connector {

// Where records go.
struct Topics {
  base::TopicId telemetry, retry, decoded, status, joins, deadletter, noise;
  std::uint32_t decoded_partitions = 1, status_partitions = 1, joins_partitions = 1, deadletter_partitions = 1,
                noise_partitions = 1;
};

// What the connector must know of a delivery beside its body.
struct Source {
  Delivery delivery;
  bool redo = false;         // from log `retry`
  std::string_view reason;   // of the letter that is driven again
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
  Sorter(Topics topics, const registry::Directory& directory, const Profiles& profiles, base::Metrics& metrics);

  // `opened[i]` came back for `sources[i]`.
  void sort(std::span<const Source> sources, std::span<const Opened> opened, log::Appends& out);

 private:
  void answer(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
              log::Appends& out);
  void reading(const registry::Directory::View& view, const Source& source, const lorawan::Answer& answer,
               log::Appends& out);
  void gateway_status(const Source& source, const lorawan::Answer& answer, log::Appends& out);
  void join(const Source& source, const lorawan::Answer& answer, log::Appends& out);
  void letter(const Source& source, const lorawan::Answer& answer, std::string_view reason, bool noise,
              log::Appends& out);
  std::string_view decode(const registry::MeterEntry& meter, std::string_view profile, const lorawan::Answer& answer,
                          const meter::Profile*& found);
  log::Properties properties(const Source& source, const lorawan::Answer& answer) const;
  base::Counter& reason_counter(std::string_view name, std::string_view help, std::string_view reason);

  const Topics topics_;
  const registry::Directory& directory_;
  const Profiles& profiles_;
  base::Metrics& metrics_;
  base::Counter& decoded_;
  base::Counter& heartbeats_;
  base::Counter& joins_;
  base::Counter& gateway_reports_;
  meter::Reading reading_;  // reused, as the texts are
  std::string origin_;
  std::string body_;
  PacketBodies bodies_;     // of the delivery being sorted
  std::vector<std::string_view> whole_;  // reasons for which its whole body was put aside
};

}  // namespace meterhub::connector
