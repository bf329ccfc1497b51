// A town for load tests: all of a meter follows from its index, so that a million cost no memory
// and two processes know the same town without a word.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/sim/town.h>

namespace meterhub::sim {

// What a meter shows, in litres. About one in a hundred meters has less than 5 m³ left, always.
struct LoadFigures {
  std::uint32_t bought = 0;
  std::int32_t left = 0;
  std::uint32_t used = 0;
};

// Immutable; any thread.
class LoadTown {
 public:
  // kInvalidArgument: no meters, too many, no gateways or more of them than meters.
  static base::Result<LoadTown> create(std::uint32_t meters, std::uint32_t gateways);

  std::uint32_t meters() const { return meters_; }
  std::uint32_t gateways() const { return gateways_; }
  // Every gateway has its block of neighbouring meters: [first_meter(g), first_meter(g + 1)).
  std::uint32_t first_meter(std::uint32_t gateway) const;

  SimMeter meter(std::uint32_t index) const;
  SimGateway gateway(std::uint32_t index) const;
  std::string district(std::uint32_t building) const;
  std::string building(std::uint32_t building) const;
  // Nothing for a meter of another town.
  std::optional<std::uint32_t> index_of(base::Eui64 meter) const;

  // Of the packet with this counter.
  LoadFigures figures(std::uint32_t meter, std::uint32_t fcnt) const;

 private:
  LoadTown(std::uint32_t meters, std::uint32_t gateways) : meters_(meters), gateways_(gateways) {}
  std::uint32_t meters_;
  std::uint32_t gateways_;
};

}  // namespace meterhub::sim
