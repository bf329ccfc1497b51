#include <meterhub/alarm/policy_settings.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace meterhub::alarm {
namespace {

using base::SettingKind;
using base::SettingScope;
using base::SettingValue;

constexpr std::string_view kSection = "alarms";
// Places in a scope.
constexpr std::size_t kTenant = 0, kRule = 1;

// What the file says in the tables of one tenant and rule, the most exact first; the section itself has a default that
// stands for none of ours, so it counts only where somebody has set it.
class Reader {
 public:
  Reader(const base::Settings& settings, const std::string& tenant, const std::string& rule)
      : settings_(settings), scopes_{{{tenant, rule}, {"", rule}, {tenant, ""}}} {}

  PolicyOverride read() const {
    PolicyOverride out;
    if (const auto* value = find("enabled")) out.enabled = std::get<bool>(*value);
    if (const auto* value = find("severity"))
      out.severity = from_name<Severity>(kSeverityNames, std::get<std::string>(*value));
    out.raise_after = duration("raise_after");
    if (const auto* value = find("raise_count"))
      out.raise_count = static_cast<std::uint32_t>(std::get<std::int64_t>(*value));
    out.clear_after = duration("clear_after");
    out.flap_window = duration("flap_window");
    if (const auto* value = find("latched")) out.latched = std::get<bool>(*value);
    return out;
  }

 private:
  const SettingValue* find(std::string_view field) const {
    const auto name = fmt::format("{}.{}", kSection, field);
    for (const auto& scope : scopes_) {
      if (std::ranges::all_of(scope, &std::string::empty)) continue;
      if (const auto* const given = settings_.given(name, scope)) return given;
    }
    return settings_.source(name) != "default" ? &settings_.value(name, SettingScope(2)) : nullptr;
  }
  std::optional<base::Duration> duration(std::string_view field) const {
    const auto* const value = find(field);
    if (value == nullptr) return std::nullopt;
    return std::get<std::chrono::milliseconds>(*value);
  }

  const base::Settings& settings_;
  const std::array<SettingScope, 3> scopes_;
};

base::Result<void> set_all(Policies& out, const base::Settings& settings, const std::string& tenant,
                           std::optional<base::TenantNumber> number) {
  for (std::size_t place = 0; place < kRules; ++place) {
    const auto rule = static_cast<Rule>(place);
    const auto wish = Reader(settings, tenant, std::string(name(rule))).read();
    const auto set = number ? out.set(rule, *number, wish) : out.set(rule, wish.over(default_policy(rule)));
    if (!set) return std::unexpected(set.error());
  }
  return {};
}

}  // namespace

void declare(base::SettingsTable& table) {
  table.section(
      std::string(kSection),
      "When a trouble becomes an episode and when that is over. What is not set here is as each rule has it (docs/alarms.md).");
  table.scopes(std::string(kSection), {"tenant", "rule"});
  const auto span = base::duration_between("0s", "90d");
  const auto add = [&](std::string_view field, std::string sentence, SettingKind kind, std::string initial,
                       std::function<std::string(const SettingValue&)> check = {}) {
    table.add({fmt::format("{}.{}", kSection, field), std::move(sentence), kind, std::move(initial), std::move(check)});
  };
  add("enabled", "false: no such episodes, and open ones end.", SettingKind::kBool, "true");
  add("severity", "How grave an episode is: info, warning, urgent or emergency.", SettingKind::kText, "warning",
      base::one_of({kSeverityNames.begin(), kSeverityNames.end()}));
  add("raise_after", "The trouble must have stood so long.", SettingKind::kDuration, "0s", span);
  add("raise_count", "And have been seen so often, without a sight of its absence between.", SettingKind::kInt, "1",
      base::int_between(1, 1'000'000));
  add("clear_after", "The trouble must have been gone so long.", SettingKind::kDuration, "0s", span);
  add("flap_window", "A trouble that comes back sooner reopens its episode; 0s: it is a new one.",
      SettingKind::kDuration, "0s", span);
  add("latched", "An episode stays until somebody has acknowledged it, also when its trouble has gone.",
      SettingKind::kBool, "false");
}

base::Result<Policies> read_policies(const base::Settings& settings, const TenantLookup& tenant) {
  Policies out;
  std::vector<std::string> tenants;
  for (const auto& scope : settings.scopes_in(kSection)) {
    const auto& rule = scope[kRule];
    if (!rule.empty() && !from_name<Rule>(kRuleNames, rule))
      return base::fail(
          base::Errc::kInvalidArgument,
          fmt::format("[alarms.rule.{}]: there is no such rule; there are {}", rule, fmt::join(kRuleNames, ", ")));
    const auto& name = scope[kTenant];
    if (!name.empty() && std::ranges::find(tenants, name) == tenants.end()) tenants.push_back(name);
  }
  MH_TRY_VOID(set_all(out, settings, {}, std::nullopt));
  for (const auto& name : tenants) {
    const auto number = tenant(name);
    if (!number)
      return base::fail(base::Errc::kInvalidArgument,
                        fmt::format("[alarms.tenant.\"{}\"]: the registry has no such tenant", name));
    MH_TRY_VOID(set_all(out, settings, name, number));
  }
  return out;
}

}  // namespace meterhub::alarm
