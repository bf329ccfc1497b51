// What the platform knows of an event beside its payload (stream-sql 3.4, 8.1).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <meterhub/engine/value.h>
#include <meterhub/sql/plan.h>

#include "evaluate.h"

namespace meterhub::engine {

// The columns that an input of this kind adds, in the order in which `*` shows them.
std::span<const std::string_view> metadata_columns(sql::InputMetadata kind);

// The value at `path`, which begins with one of them: `PartitionId`, `IoTHub.EnqueuedTime`.
Value metadata_value(std::span<const std::string> path, const EventMetadata& of, Arena& arena);

}  // namespace meterhub::engine
