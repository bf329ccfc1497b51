// A record of a log: what the platform knows about it, and the bytes that came.
// One encoding for all engines: docs/formats/record.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>

namespace meterhub::log {

// Where a packet first entered the platform. Copied along the whole way, so that a
// reading, an alert or a dead letter can be traced back to one delivery.
struct Origin {
  std::string log;                  // "telemetry"; empty = this record is the origin
  base::PartitionId partition;
  base::Offset offset;
  std::uint32_t index = 0;          // which packet of the delivery (rxpk element), from 0
  base::Timestamp enqueued{};       // the hub's enqueue time

  bool operator==(const Origin&) const = default;
};

// Internal properties: no AMQP sender can set them. Zero or empty = not known.
struct Properties {
  Origin origin;
  base::MeterNumber meter;
  base::TenantNumber tenant;
  base::SessionNumber session;
  base::Generation generation;
  std::uint32_t fcnt = 0;
  std::array<std::uint8_t, 4> mic{};
  base::Timestamp time{};           // event time: the best reception's (spec/lorawan-ns.md 6)
  bool late = false;                // counter behind the meter's newest, proven unseen
  bool stale = false;               // too old to be proven unseen: history places it by identity
  bool redo = false;                // comes from retry or replay
  bool undecoded = false;           // payload could not be decoded: userData is null
  bool unproven = false;            // no network server of ours verified the counter: resets are allowed
  bool heartbeat = false;           // a frame without application data: ends in status
  std::string gateway;              // hub device that delivered it
  std::string reason;               // deadletter and noise: why (lower-case code)

  bool operator==(const Properties&) const = default;
};

// A record to append.
struct NewRecord {
  std::string key;         // gateway id in telemetry, meter EUI text behind it
  Properties properties;
  std::string sections;    // AMQP properties + application-properties sections, bytes as sent
  std::string body;
};

// A record to append, by reference: lives as long as what it points to.
struct RecordParts {
  std::string_view key;
  const Properties& properties;
  std::string_view sections;
  std::string_view body;
};
inline RecordParts parts_of(const NewRecord& record) {
  return {record.key, record.properties, record.sections, record.body};
}

// A record read. Views live as long as the Batch they came in.
struct RecordView {
  base::Offset offset;
  base::Timestamp enqueued{};
  std::string_view key;
  Properties properties;
  std::string_view sections;
  std::string_view body;
};

}  // namespace meterhub::log
