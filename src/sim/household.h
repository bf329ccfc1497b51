// Gas use and prepayment of one flat (spec/lorawan-ns.md section 12).
#pragma once

#include <chrono>
#include <cstdint>

#include <meterhub/base/clock.h>

namespace meterhub::sim {

// The meter's status bits, by the simulator's convention (spec section 8).
namespace status {
inline constexpr std::uint16_t kBatteryLow = 0x0001;
inline constexpr std::uint16_t kValveClosed = 0x0002;
inline constexpr std::uint16_t kValveOpen = 0x0004;
inline constexpr std::uint16_t kTamper = 0x0008;
inline constexpr std::uint16_t kFlowSensor = 0x0010;
inline constexpr std::uint16_t kOverdraft = 0x0040;
}  // namespace status

// Figures in litres; left = bought - used.
struct Figures {
  std::uint32_t bought = 0;
  std::uint32_t used = 0;
  std::int32_t left() const { return static_cast<std::int32_t>(bought - used); }
};

// One flat. What is not in Figures is drawn anew from the seed or lost at a restart
// (the appliance that was on). Pure.
class Household {
 public:
  Household(std::uint64_t seed, std::uint32_t meter);

  // The figures of a meter on the wall for some years; about 1 % have less than 5 m3 left.
  Figures initial() const;
  // What happened in the `span` before `local`, the flat's local time. `turn` numbers the calls.
  void live(Figures& figures, base::Timestamp local, std::chrono::milliseconds span, std::uint64_t turn);
  std::uint16_t status(const Figures& figures) const;

 private:
  void top_up(Figures& figures, double hours, double luck, double amount) const;

  std::uint64_t seed_;
  std::uint32_t meter_;
  float litres_per_day_ = 0;
  std::int32_t top_up_below_ = 0;   // litres
  std::int32_t valve_closes_at_ = 0;  // litres, 0 or below
  bool battery_low_ = false;
  float flow_ = 0;        // litres per hour, of the appliance that is on
  float hours_left_ = 0;  // until it goes off
  float rest_ = 0;        // below a litre
};

}  // namespace meterhub::sim
