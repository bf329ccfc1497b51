#include <algorithm>

#include <meterhub/registry/store.h>

#include "channel_rows.h"

namespace meterhub::registry {
namespace {

using base::Errc;
using std::chrono::minutes;

constexpr std::size_t kRulesMax = 64;
constexpr minutes kDay{24 * 60};
constexpr minutes kEscalateMax{7 * 24 * 60};

base::Result<void> wrong(std::string text) { return base::fail(Errc::kInvalidArgument, std::move(text)); }

bool valid_rule(std::string_view rule) {
  return !rule.empty() && rule.size() <= 48 &&
         std::ranges::all_of(rule, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

base::Result<void> check(const RouteSpec& spec) {
  if (spec.rules.size() > kRulesMax || !std::ranges::all_of(spec.rules, valid_rule)) {
    return wrong("rules are at most " + std::to_string(kRulesMax) + " names, as low_balance");
  }
  if (spec.severity != "info" && spec.severity != "warning" && spec.severity != "urgent" &&
      spec.severity != "emergency") {
    return wrong("the severity is info, warning, urgent or emergency");
  }
  if (spec.events != "raised" && spec.events != "cleared" && spec.events != "both") {
    return wrong("a route is on raised, cleared or both");
  }
  if (spec.quiet && (spec.quiet->from == spec.quiet->to || spec.quiet->from < minutes(0) ||
                     spec.quiet->to < minutes(0) || spec.quiet->from >= kDay || spec.quiet->to >= kDay)) {
    return wrong("quiet hours are two times of the day, as 22:00-07:00");
  }
  if (spec.escalate_after < minutes(0) || spec.escalate_after > kEscalateMax) {
    return wrong("escalation is after 0 minutes to 7 days");
  }
  if (spec.escalate_after > minutes(0) && spec.events == "cleared") {
    return wrong("what is cleared is not escalated: such a route is on raised or both");
  }
  return {};
}

Route route_of(db::Statement& row) {
  Route out;
  out.number = RouteNumber(static_cast<std::uint32_t>(row.integer(0)));
  out.channel = ChannelNumber(static_cast<std::uint32_t>(row.integer(1)));
  out.spec.channel = row.text(2);
  out.tenant = base::TenantNumber(static_cast<std::uint32_t>(row.integer(3)));
  out.spec.tenant = row.text(4);
  out.spec.rules = split_list(row.text(5), ',');
  out.spec.severity = row.text(6);
  out.spec.events = row.text(7);
  if (!row.is_null(8)) out.spec.quiet = QuietHours{minutes(row.integer(8)), minutes(row.integer(9))};
  out.spec.escalate_after = minutes(row.integer(10));
  return out;
}

struct RouteChannel {
  std::int64_t number = 0;
  std::int64_t tenant = 0;
};

base::Result<RouteChannel> channel_of_route(Store::State& state, std::string_view name) {
  auto row = MH_TRY(state.query("SELECT number, coalesce(tenant, 0) FROM channels WHERE name = ?", name));
  if (MH_TRY(row->step())) return RouteChannel{row->integer(0), row->integer(1)};
  return base::fail(Errc::kNotFound, "there is no channel '" + std::string(name.substr(0, 48)) + "'");
}

base::Result<void> check_room(Store::State& state) {
  auto row = MH_TRY(state.query("SELECT count(*) FROM routes"));
  MH_TRY_VOID(row->step());
  if (static_cast<std::size_t>(row->integer(0)) < kRoutesMax) return {};
  return base::fail(Errc::kResourceExhausted,
                    "there are " + std::to_string(kRoutesMax) + " routes, the most there may be");
}

base::Result<void> insert_route(Store::State& state, const RouteSpec& spec, std::int64_t channel, std::int64_t tenant) {
  MH_TRY_VOID(state.run(
      "INSERT INTO routes(channel, tenant, rules, severity, events, escalate_after) VALUES (?, nullif(?, 0), ?, ?, ?, ?)",
      channel, tenant, std::string_view(joined_list(spec.rules, ',')), std::string_view(spec.severity),
      std::string_view(spec.events), std::int64_t{spec.escalate_after.count()}));
  if (!spec.quiet) return {};
  const auto number = state.connection->last_insert_id();
  return state.run("UPDATE routes SET quiet_from = ?, quiet_to = ? WHERE number = ?",
                   std::int64_t{spec.quiet->from.count()}, std::int64_t{spec.quiet->to.count()}, number);
}

base::Result<void> note(Store::State& state, const Actor& actor, std::string_view action, std::int64_t number,
                        std::string_view channel) {
  MH_TRY_VOID(state.note_change(Change::Kind::kMessages, 0, 0));
  return state.note_audit(actor, action, std::to_string(number), channel);
}

constexpr std::string_view kAll =
    "SELECT r.number, r.channel, c.name, r.tenant, t.name, r.rules, r.severity, r.events, r.quiet_from, r.quiet_to, "
    "r.escalate_after FROM routes r JOIN channels c ON c.number = r.channel LEFT JOIN tenants t ON t.number = r.tenant "
    "WHERE r.number >= ? ORDER BY r.number";

}  // namespace

base::Result<Route> Store::add_route(const Actor& actor, const RouteSpec& spec) {
  MH_TRY_VOID(check(spec));
  return edited(*state_, [&]() -> base::Result<Route> {
    MH_TRY_VOID(check_room(*state_));
    const auto channel = MH_TRY(channel_of_route(*state_, spec.channel));
    auto tenant = MH_TRY(tenant_or_all(*state_, spec.tenant));
    // One tenant's channel never hears of another's meters.
    if (channel.tenant != 0 && tenant != 0 && tenant != channel.tenant) {
      return base::fail(Errc::kInvalidArgument, "channel '" + spec.channel + "' belongs to another tenant");
    }
    if (channel.tenant != 0) tenant = channel.tenant;
    MH_TRY_VOID(insert_route(*state_, spec, channel.number, tenant));
    auto row = MH_TRY(state_->query("SELECT max(number) FROM routes"));
    MH_TRY_VOID(row->step());
    const auto number = row->integer(0);
    MH_TRY_VOID(note(*state_, actor, "route.add", number, spec.channel));
    auto stored = MH_TRY(state_->query(kAll, number));
    if (MH_TRY(stored->step())) return route_of(*stored);
    return base::fail(Errc::kInternal, "a route that was added is not there");
  });
}

base::Result<void> Store::remove_route(const Actor& actor, RouteNumber number) {
  return edited(*state_, [&]() -> base::Result<void> {
    MH_TRY_VOID(state_->run("DELETE FROM routes WHERE number = ?", std::int64_t{number.value}));
    if (state_->connection->changes() == 0) {
      return base::fail(Errc::kNotFound, "there is no route " + std::to_string(number.value));
    }
    return note(*state_, actor, "route.remove", number.value, {});
  });
}

base::Result<std::vector<Route>> Store::routes() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(kAll, std::int64_t{0}));
  std::vector<Route> out;
  while (MH_TRY(row->step())) out.push_back(route_of(*row));
  return out;
}

}  // namespace meterhub::registry
