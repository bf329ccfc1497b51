#include "event_metadata.h"

#include <array>

namespace meterhub::engine {
namespace {

constexpr std::array<std::string_view, 4> kColumns{"EventProcessedUtcTime", "PartitionId", "EventEnqueuedUtcTime", "IoTHub"};

Value hub_field(std::string_view name, const EventMetadata& of) {
  if (equal_without_case(name, "ConnectionDeviceId") && !of.device.empty()) return Value::characters(of.device);
  if (equal_without_case(name, "EnqueuedTime")) return Value::datetime(of.arrival);
  return Value::null();
}

Value hub_record(const EventMetadata& of, Arena& arena) {
  std::string json = "{";
  for (const std::string_view name : {"ConnectionDeviceId", "EnqueuedTime"}) {
    if (json.size() > 1) json += ',';
    append_json_string(json, name);
    json += ':';
    append_json(json, hub_field(name, of));
  }
  json += '}';
  return Value::record(arena.keep(json));
}

}  // namespace

std::span<const std::string_view> metadata_columns(sql::InputMetadata kind) {
  switch (kind) {
    case sql::InputMetadata::kNone: return {};
    case sql::InputMetadata::kEventHub: return std::span(kColumns).first(3);
    case sql::InputMetadata::kIotHub: return kColumns;
  }
  return {};
}

Value metadata_value(std::span<const std::string> path, const EventMetadata& of, Arena& arena) {
  const std::string_view name = path.front();
  if (equal_without_case(name, "IoTHub")) {
    if (path.size() == 1) return hub_record(of, arena);
    return path.size() == 2 ? hub_field(path[1], of) : Value::null();
  }
  if (path.size() > 1) return Value::null();
  if (equal_without_case(name, "PartitionId")) return Value::bigint(of.partition);
  // An event is processed when it arrives: a wall clock would show in results (10.2).
  return Value::datetime(of.arrival);
}

}  // namespace meterhub::engine
