// What a query will keep in memory, before it is a job: measured with few meters, told for many.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::app {

struct OperatorForecast {
  std::string step, what;   // as `job list` names them
  std::uint64_t keys = 0;   // at most at one time
  std::uint64_t bytes = 0;
};

struct MemoryForecast {
  std::vector<OperatorForecast> operators;
  std::uint64_t meters = 0;
  std::chrono::seconds interval{};     // between two packets of a meter
  std::uint32_t measured_meters = 0;
  std::chrono::seconds measured_span{};  // longer windows and histories hold more than is told here
  std::string text() const;
};

// Runs the query over packets as the platform's own meters send them, with two small towns whose tables are as full
// as those of the town asked for, and draws the line through both. Some ten seconds. `most_meters`: of the larger one.
// kInvalidArgument: the query does not compile, or reads more than one stream.
base::Result<MemoryForecast> forecast_memory(const std::string& query, std::uint64_t meters,
                                             std::chrono::seconds interval, std::uint32_t most_meters = 4'000);

}  // namespace meterhub::app
