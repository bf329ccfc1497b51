// What `meterhub bench pipeline` was asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <meterhub/sim/load_driver.h>

namespace meterhub::app::bench {

struct PipelineOptions {
  std::uint32_t meters = 10'000;
  std::uint32_t gateways = 1'000;
  sim::LoadPlan plan;
  std::chrono::seconds interval{0};  // between two lines of intermediate figures; 0: none
  bool add_rule = false;  // a job is added in the middle of the load
  std::string data;  // empty: a directory that is removed afterwards

  // For all gateways to connect, on a machine that is busy with other things too.
  std::chrono::milliseconds connect_patience() const {
    return std::chrono::minutes(3) + gateways * std::chrono::milliseconds(50);
  }
};

}  // namespace meterhub::app::bench
