// From when on something about a meter or a gateway is a trouble: the settings of section `rules`, per tenant and meter
// model (payload profile). Read by the query pack's reference data and by the rules of module `fleet`, so that a table
// of the pack and an episode speak of the same limit. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/base/settings.h>

namespace meterhub::rules {

// For one tenant and model. Volumes in litres, masks of a reading's status word; a mask of 0: the model has no such bit,
// and the rule never speaks.
struct Thresholds {
  // Balance below which the platform, or the tenant, calls a meter low; any sign.
  std::int64_t low_limit_litres = 5'000;
  // Whether the customer's own limit, as the registry states it, is watched too. See low_limit_of().
  bool own_limit = true;

  // For meters whose registry entry states none (0): see silence_of(). Query 05 takes the platform's.
  std::chrono::seconds silence_meter{300};
  std::chrono::seconds silence_gateway{300};

  // Gas that flows this long without a pause is a leak; leak_step_litres: between any two readings more than this.
  std::chrono::seconds leak_duration{2 * 3600};
  double leak_step_litres = 0.0;
  // Use between 01:00 and 04:00 of the local night above which it is looked at.
  double night_litres = 100.0;

  // How far bought - left - used may be from 0. Meters count whole litres: 1 lets one rounding pass.
  double tamper_tolerance_litres = 1.5;

  // A step is a spike when it is over spike_floor_litres and over spike_factor times the mean of the last hour's.
  double spike_factor = 10.0;
  double spike_floor_litres = 20.0;
  // The meter's Qmax, m³/h: what more than this flows is no meter's reading.
  double flow_max = 6.0;

  // A counter that has not moved for this long while the meter sends.
  std::chrono::seconds stuck_counter{30 * 86'400};

  // Packets of one gateway that could not be decrypted: this many within the window. Those of a tenant's gateways; the
  // model is open.
  std::int64_t decrypt_failures = 20;
  std::chrono::seconds decrypt_window{600};

  // Readings of those expected in a day, percent, below which a building, district or tenant is incomplete.
  double completeness_target = 98.5;

  std::uint64_t battery_mask = 0x0001;  // set: low
  std::uint64_t valve_mask = 0x0002;    // set: the valve is closed
  std::uint64_t tamper_mask = 0x0008;   // set: case opened
  std::uint64_t sensor_mask = 0x0010;   // set: the flow sensor is faulty

  bool operator==(const Thresholds&) const = default;
};

// The limit that concerns the customer: its own when the registry states one and own_limit is on, else the tenant's.
std::int64_t low_limit_of(const Thresholds& thresholds, std::optional<std::int64_t> own_litres);
// How long this meter may be silent: what the registry states wins; 0 = it states nothing.
std::chrono::seconds silence_of(const Thresholds& thresholds, std::chrono::seconds registered);

// Adds section `rules` with its scopes `tenant` and `model` to the program's settings.
void declare(base::SettingsTable& table);

// The thresholds of all tenants and models. Immutable; any thread.
class Rules {
 public:
  // The defaults for everybody: what a platform without settings has.
  Rules();
  // `settings` are of a table that declare() has been given.
  explicit Rules(const base::Settings& settings);

  // By name; the reference lives as long as this. A tenant or model without settings of its own has what is set for all.
  // Two look-ups of texts: ask once a tenant and model, not once a reading.
  const Thresholds& of(std::string_view tenant, std::string_view model) const;

  // Names that the settings speak of, sorted; whoever knows the registry tells when there is no such one.
  const std::vector<std::string>& tenants() const { return tenants_; }
  const std::vector<std::string>& models() const { return models_; }

 private:
  std::vector<std::string> tenants_;
  std::vector<std::string> models_;
  // Of every pair of those names; "" stands for all others.
  std::map<std::pair<std::string, std::string>, Thresholds> thresholds_;
};

}  // namespace meterhub::rules
