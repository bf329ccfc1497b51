// The settings of section `rules`. Their defaults are those of Thresholds; a test compares.
#include <meterhub/rules/thresholds.h>

namespace meterhub::rules {
namespace {

using base::SettingKind;

void declare_limits(base::SettingsTable& table) {
  const auto litres = base::decimal_between(0, 1e9);
  table.add({"rules.low_limit_litres", "Balance below which a meter is low.", SettingKind::kInt, "5000",
             base::int_between(-1'000'000'000, 1'000'000'000)});
  table.add({"rules.own_limit", "A limit that the registry states for a meter is watched, in place of rules.low_limit_litres in query 03.",
             SettingKind::kBool, "true"});
  table.add({"rules.leak_duration", "Gas that flows this long without a pause is a leak; query 06 takes the section's own, in whole hops of ten minutes.",
             SettingKind::kDuration, "2h", base::duration_between("10m", "7d")});
  table.add({"rules.leak_step_litres", "A step between two readings up to this is a pause.", SettingKind::kDecimal, "0", litres});
  table.add({"rules.night_litres", "Use between 01:00 and 04:00 local time above which a meter is named.",
             SettingKind::kDecimal, "100", litres});
  table.add({"rules.tamper_tolerance_litres", "How far bought - left - used may be from 0.", SettingKind::kDecimal, "1.5",
             base::decimal_between(0.1, 1e9)});
  table.add({"rules.spike_factor", "A step is a spike above this many times the meter's mean of the last hour.",
             SettingKind::kDecimal, "10", base::decimal_between(1, 1e6)});
  table.add({"rules.spike_floor_litres", "And above this, whatever the mean.", SettingKind::kDecimal, "20", litres});
  table.add({"rules.flow_max", "The meter's Qmax, m³/h: 6 of a G4, 4 of a G2.5, 10 of a G6.", SettingKind::kDecimal, "6",
             base::decimal_between(0.01, 1e6)});
}

void declare_times(base::SettingsTable& table) {
  const auto silence = base::duration_between("10s", "7d");
  table.add({"rules.silence_meter", "A meter that has sent nothing for this long is silent, when the registry states no time for it; query 05 takes the section's own.",
             SettingKind::kDuration, "5m", silence});
  table.add({"rules.silence_gateway", "The same for a gateway; by tenant only.", SettingKind::kDuration, "5m", silence});
  table.add({"rules.stuck_counter", "A counter that has not moved for this long while its meter sends is stuck; longer than people are away.",
             SettingKind::kDuration, "30d", base::duration_between("1h", "3650d")});
  table.add({"rules.decrypt_failures", "Packets of one gateway that cannot be decrypted, within rules.decrypt_window, from which on it is a trouble; by tenant only.",
             SettingKind::kInt, "20", base::int_between(1, 1'000'000'000)});
  table.add({"rules.decrypt_window", "The time in which they are counted.", SettingKind::kDuration, "10m", base::duration_between("10s", "7d")});
  table.add({"rules.completeness_target", "Readings of those expected in a day, percent, below which they are incomplete.",
             SettingKind::kDecimal, "98.5", base::decimal_between(0, 100)});
}

// Bit 63 would be a sign in queries.
void declare_masks(base::SettingsTable& table) {
  const auto mask = base::int_between(0, INT64_MAX);
  table.add({"rules.battery_mask", "Bits of the status word that say: battery low. 0: the model has none; so with the masks below.",
             SettingKind::kInt, "1", mask});
  table.add({"rules.valve_mask", "Bits that say: valve closed.", SettingKind::kInt, "2", mask});
  table.add({"rules.tamper_mask", "Bits that say: case opened.", SettingKind::kInt, "8", mask});
  table.add({"rules.sensor_mask", "Bits that say: flow sensor faulty.", SettingKind::kInt, "16", mask});
}

}  // namespace

void declare(base::SettingsTable& table) {
  table.section("rules", "From when on something is a trouble. A model is a payload profile.");
  table.scopes("rules", {"tenant", "model"});
  declare_limits(table);
  declare_times(table);
  declare_masks(table);
}

}  // namespace meterhub::rules
