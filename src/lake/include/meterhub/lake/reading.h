// One row of history before it is a column.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>

namespace meterhub::lake {

struct Reading {
  base::MeterNumber meter;       // gives shard and order, is not stored
  std::string device;            // DeviceID: the meter's EUI as text
  base::Timestamp time{};        // DateTime: event time
  std::optional<std::int32_t> type;
  std::optional<std::int32_t> code;
  std::optional<std::int64_t> bought;  // litres, stored as m3 with three digits
  std::optional<std::int64_t> left;
  std::optional<std::int64_t> used;
  std::optional<std::int32_t> status;
  std::optional<std::string> version;
  base::TenantNumber tenant;
  base::SessionNumber session;
  base::Generation generation;
  std::uint32_t fcnt = 0;              // Seq
  base::Timestamp enqueued{};          // EnqueuedTime: when the hub took the packet
  bool late = false;
  std::optional<std::uint8_t> port;
  std::string gateways;                // EUIs of the first copy, comma between
  std::optional<std::int32_t> best_rssi;  // dBm
  std::optional<double> best_snr;         // dB
  std::optional<std::string> payload;     // base64, only when it could not be decoded
  // How it is placed; neither is a column of `readings`.
  bool stale = false;  // may be there already: kept only when its identity is absent
  bool redo = false;   // decoded again: replaces the row of its identity
  base::Offset offset;  // in the log `readings`
  // Of a redo: why, `replay` or a dead letter's reason, and when the log took it.
  std::string reason{};
  base::Timestamp redone{};
};

}  // namespace meterhub::lake
