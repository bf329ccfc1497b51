// The oracle: what a plan gives for bounded inputs, worked out in the plainest way from the
// words of stream-sql 4 to 8. It keeps every row of every step, looks at all pairs, all window
// ends and all earlier events, and shares with the engine only the evaluation of scalar
// expressions and the reading of JSON. Slow; for tests. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/engine/pipeline.h>
#include <meterhub/sql/plan.h>

namespace meterhub::engine::oracle {

// An event as it came in. Its number in the input, from 0, is its offset, whatever its partition.
struct InputEvent {
  std::string body;
  std::optional<Ticks> arrival;  // none: neither early nor late
  std::uint32_t partition = 0;
  bool late = false;             // marked late: no stateful SELECT sees it (5.2)
  bool stale = false;            // no statement sees it
};

struct InputEvents {
  std::string name;
  std::vector<InputEvent> events;  // in order of arrival
  std::string device;              // hub device that sent them
};

// Reference data: the rows valid from `start` on, until the next version (6.7).
struct ReferenceVersion {
  Ticks start = 0;
  std::vector<std::string> rows;  // JSON objects
};

struct ReferenceTable {
  std::string name;
  std::vector<ReferenceVersion> versions;  // by start
};

struct Options {
  OnRuntimeError on_error = OnRuntimeError::kDropEvent;
  bool policies = false;  // 5.2; else the events' own times count and nothing is late
  Ticks start = 0;        // time of events without TIMESTAMP BY and without arrival
};

struct ResultRow {
  std::string output;
  Ticks time = 0;
  std::string json;
};

struct Results {
  std::vector<ResultRow> rows;       // by time; of one time: events' own rows, then steps in order, then keys
  std::vector<std::string> dropped;  // "INPUT NUMBER reason: text", number from 1; or "STEP group data_error: text"
  std::optional<std::string> failure;  // kFail: what the first data error says; rows are those before it
};

Results evaluate(const sql::Plan& plan, const std::vector<InputEvents>& inputs,
                 const std::vector<ReferenceTable>& references, const Options& options);

// What the oracle can work out; the rest is refused by sql::unsupported().
const sql::Capabilities& capabilities();

}  // namespace meterhub::engine::oracle
