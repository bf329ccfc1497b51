#include <meterhub/rules/thresholds.h>

#include <algorithm>

#include <meterhub/base/assert.h>

namespace meterhub::rules {
namespace {

// One scope's values, by the names that they have behind "rules.".
class Reader {
 public:
  Reader(const base::Settings& settings, std::string tenant, std::string model)
      : settings_(settings), scope_{std::move(tenant), std::move(model)} {}

  void read(bool& out, std::string_view name) const { out = std::get<bool>(at(name)); }
  void read(double& out, std::string_view name) const { out = std::get<double>(at(name)); }
  void read(std::int64_t& out, std::string_view name) const { out = std::get<std::int64_t>(at(name)); }
  void read(std::uint64_t& out, std::string_view name) const {
    out = static_cast<std::uint64_t>(std::get<std::int64_t>(at(name)));
  }
  void read(std::chrono::seconds& out, std::string_view name) const {
    out = std::chrono::duration_cast<std::chrono::seconds>(std::get<std::chrono::milliseconds>(at(name)));
  }

 private:
  const base::SettingValue& at(std::string_view name) const {
    return settings_.value("rules." + std::string(name), scope_);
  }

  const base::Settings& settings_;
  const base::SettingScope scope_;
};

Thresholds read(const base::Settings& settings, const std::string& tenant, const std::string& model) {
  const Reader from(settings, tenant, model);
  Thresholds out;
  from.read(out.low_limit_litres, "low_limit_litres");
  from.read(out.own_limit, "own_limit");
  from.read(out.silence_meter, "silence_meter");
  from.read(out.silence_gateway, "silence_gateway");
  from.read(out.leak_duration, "leak_duration");
  from.read(out.leak_step_litres, "leak_step_litres");
  from.read(out.night_litres, "night_litres");
  from.read(out.tamper_tolerance_litres, "tamper_tolerance_litres");
  from.read(out.spike_factor, "spike_factor");
  from.read(out.spike_floor_litres, "spike_floor_litres");
  from.read(out.flow_max, "flow_max");
  from.read(out.stuck_counter, "stuck_counter");
  from.read(out.decrypt_failures, "decrypt_failures");
  from.read(out.decrypt_window, "decrypt_window");
  from.read(out.completeness_target, "completeness_target");
  from.read(out.battery_mask, "battery_mask");
  from.read(out.valve_mask, "valve_mask");
  from.read(out.tamper_mask, "tamper_mask");
  from.read(out.sensor_mask, "sensor_mask");
  return out;
}

void add_name(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
}

std::string known(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::binary_search(names, name) ? std::string(name) : std::string();
}

}  // namespace

std::int64_t low_limit_of(const Thresholds& thresholds, std::optional<std::int64_t> own_litres) {
  return thresholds.own_limit ? own_litres.value_or(thresholds.low_limit_litres) : thresholds.low_limit_litres;
}

std::chrono::seconds silence_of(const Thresholds& thresholds, std::chrono::seconds registered) {
  return registered.count() > 0 ? registered : thresholds.silence_meter;
}

Rules::Rules() : thresholds_{{{"", ""}, Thresholds{}}} {}

Rules::Rules(const base::Settings& settings) {
  for (const auto& scope : settings.scopes_in("rules")) {
    MH_ASSERT(scope.size() == 2);
    add_name(tenants_, scope[0]);
    add_name(models_, scope[1]);
  }
  std::ranges::sort(tenants_);
  std::ranges::sort(models_);
  auto tenants = tenants_, models = models_;
  tenants.emplace_back();
  models.emplace_back();
  for (const auto& tenant : tenants) {
    for (const auto& model : models) thresholds_[{tenant, model}] = read(settings, tenant, model);
  }
}

const Thresholds& Rules::of(std::string_view tenant, std::string_view model) const {
  const auto found = thresholds_.find({known(tenants_, tenant), known(models_, model)});
  MH_ASSERT(found != thresholds_.end());
  return found->second;
}

}  // namespace meterhub::rules
