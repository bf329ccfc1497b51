#include "usage_api.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>
#include <meterhub/console/caller.h>
#include <meterhub/history/meter_usage.h>

namespace meterhub::app {
namespace {

using base::Errc;
using consumption::Period;
using http::Request;
using http::Response;
using tables::UsagePeriod;

constexpr std::string_view kUsage = "/api/v1/usage";
constexpr std::string_view kPeaks = "/api/v1/peaks";
constexpr std::string_view kMeters = "/api/v1/meters/";
constexpr std::string_view kOfMeter = "/usage";
constexpr std::size_t kRowsMax = 10'000;

const std::map<std::string_view, Period>& periods() {
  static const std::map<std::string_view, Period> kPeriods{
      {"5min", Period::kFiveMinutes}, {"hour", Period::kHour}, {"day", Period::kDay}, {"month", Period::kMonth}};
  return kPeriods;
}

base::Result<Period> period_of(const Request& request, std::string_view absent) {
  const auto given = request.query_value("by");
  const auto found = periods().find(given.empty() ? absent : given);
  if (found == periods().end()) return base::fail(Errc::kInvalidArgument, "by is 5min, hour, day or month");
  return found->second;
}

// How far back one looks who does not say.
base::Duration usual_span(Period period) {
  switch (period) {
    case Period::kFiveMinutes: return std::chrono::hours(6);
    case Period::kHour: return std::chrono::days(2);
    case Period::kDay: return std::chrono::days(31);
    case Period::kMonth: break;
  }
  return std::chrono::days(366);
}

base::Result<base::Timestamp> time_of(const Request& request, std::string_view name, base::Timestamp absent) {
  const auto text = request.query_value(name);
  if (text.empty()) return absent;
  auto time = base::parse_rfc3339(text);
  if (!time) return std::unexpected(std::move(time.error()).in(name));
  return time->at;
}

// Cubic metres, exactly.
std::string cubic_metres(std::int64_t litres) {
  const auto whole = static_cast<std::uint64_t>(litres < 0 ? -litres : litres);
  return fmt::format("{}{}.{:03}", litres < 0 ? "-" : "", whole / 1000, whole % 1000);
}

void put_text(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format(",\"{}\":", name);
  base::append_json_string(out, text);
}

void put_place(std::string& out, const std::string& tenant, const tables::UsagePlace& place,
               const tables::UsageQuery& query) {
  put_text(out, "tenant", tenant);
  if (query.by_district) put_text(out, "district", place.district);
  if (query.by_district && query.by_zone) put_text(out, "zone", place.zone);
}

std::string span_text(base::Timestamp begin, base::Timestamp end) {
  return fmt::format(R"("begin":"{}","end":"{}")", base::rfc3339(begin), base::rfc3339(end));
}

std::string head_text(std::string_view by, const tables::UsageState& state) {
  return fmt::format(R"({{"by":"{}","computed_to":{},"rows":[)", by,
                     state.computed_to == base::Timestamp{} ? "null" : '"' + base::rfc3339(state.computed_to) + '"');
}

void put_reading(std::string& out, std::string_view name, const std::optional<consumption::Reading>& reading) {
  if (!reading) {
    out += fmt::format(R"(,"{}":null)", name);
    return;
  }
  out += fmt::format(R"(,"{}":{{"session":{},"generation":{},"seq":{},"time":"{}","counter":{}}})", name,
                     reading->session.value, reading->generation.value, reading->fcnt, base::rfc3339(reading->at),
                     cubic_metres(reading->counter));
}

void put_figure(std::string& out, const consumption::Figure& figure) {
  out += '{' + span_text(figure.begin, figure.end);
  out += fmt::format(R"(,"used":{},"estimated":{},"steps":{})", figure.steps > 0 ? cubic_metres(figure.used) : "null",
                     cubic_metres(figure.estimated), figure.steps);
  put_reading(out, "from", figure.from);
  put_reading(out, "to", figure.to);
  for (const auto& [name, set] : {std::pair("reset", figure.reset),
                                  {"roll_over", figure.roll_over},
                                  {"reverse", figure.reverse},
                                  {"exchange", figure.exchange}}) {
    if (set) out += fmt::format(R"(,"{}":true)", name);
  }
  out += '}';
}

std::string_view name_of(Period period) {
  for (const auto& [name, known] : periods()) {
    if (known == period) return name;
  }
  return "";
}

// Days of a tenant's months added up. What meters are distinct in a month days do not say.
std::vector<tables::UsageRow> months_of(const std::vector<tables::UsageRow>& days,
                                        const registry::Directory& directory) {
  std::map<base::TenantNumber, consumption::LocalTime> calendars;
  const auto calendar_of = [&](base::TenantNumber tenant) -> const consumption::LocalTime& {
    const auto known = calendars.find(tenant);
    if (known != calendars.end()) return known->second;
    auto zone = consumption::LocalTime::of(directory.tenant(tenant).value_or(registry::Tenant()).time_zone);
    if (!zone) zone = consumption::LocalTime::of("UTC");
    return calendars.emplace(tenant, *zone).first->second;
  };
  std::map<std::pair<base::Timestamp, tables::UsagePlace>, tables::UsageRow> out;
  for (const auto& day : days) {
    const auto& calendar = calendar_of(day.place.tenant);
    const auto begin = calendar.begin_of(Period::kMonth, day.begin);
    auto& month = out[{begin, day.place}];
    month.begin = begin;
    month.end = calendar.end_of(Period::kMonth, day.begin);
    month.place = day.place;
    month.values += day.values;
  }
  std::vector<tables::UsageRow> rows;
  for (auto& [key, row] : out) rows.push_back(std::move(row));
  return rows;
}

}  // namespace

Response UsageApi::answer(const Request& request) {
  base::Result<std::string> body = base::fail(Errc::kNotFound, "no such resource");
  const std::string_view path = request.path;
  if (path == kUsage) {
    body = usage(request);
  } else if (path == kPeaks) {
    body = peaks(request);
  } else if (path.starts_with(kMeters) && path.ends_with(kOfMeter) && path.size() > kMeters.size() + kOfMeter.size()) {
    body = meter(request, std::string(path.substr(kMeters.size(), path.size() - kMeters.size() - kOfMeter.size())));
  }
  return body ? Response::json(200, std::move(*body)) : Response::error(body.error());
}

// Opened when it is first asked: the platform makes it.
base::Result<db::Connection*> UsageApi::connection() {
  if (!connection_) connection_ = MH_TRY(db::Connection::open(world_.database, {.read_only = true}));
  return connection_.get();
}

std::string UsageApi::tenant_name(base::TenantNumber tenant) const {
  const auto known = world_.directory.tenant(tenant);
  return known ? known->name : std::to_string(tenant.value);
}

base::Result<tables::UsageQuery> UsageApi::query_of(const Request& request, UsagePeriod period) const {
  const auto by = MH_TRY(period_of(request, "hour"));
  const auto now = world_.clock.now();
  tables::UsageQuery out{.period = period, .limit = kRowsMax + 1};
  out.to = MH_TRY(time_of(request, "to", now));
  out.from = MH_TRY(time_of(request, "from", out.to - usual_span(by)));
  const auto caller = console::caller_of(request);
  out.tenant = caller.tenant;
  if (const auto name = request.query_value("tenant"); !name.empty()) {
    const auto tenants = world_.directory.tenants();
    const auto found = std::ranges::find(tenants, name, &registry::Tenant::name);
    // Another's tenant is as one that does not exist: nothing is there.
    const bool there = found != tenants.end() && caller.sees(found->number);
    out.tenant = there ? found->number : base::TenantNumber(UINT32_MAX);
  }
  const auto given = [&](std::string_view name) {
    return std::ranges::find(request.query, name, &http::Field::first) != request.query.end();
  };
  if (given("district")) out.district = request.query_value("district");
  if (given("zone")) out.zone = request.query_value("zone");
  const auto sum = request.query_value("sum");
  if (!sum.empty() && sum != "zone" && sum != "district" && sum != "tenant")
    return base::fail(Errc::kInvalidArgument, "sum is zone, district or tenant");
  out.by_district = sum != "tenant";
  out.by_zone = sum.empty() || sum == "zone";
  return out;
}

base::Result<std::string> UsageApi::usage(const Request& request) {
  const auto by = MH_TRY(period_of(request, "hour"));
  const bool months = by == Period::kMonth;
  auto query = MH_TRY(query_of(request, by == Period::kFiveMinutes ? UsagePeriod::kFiveMinutes
                                        : by == Period::kHour      ? UsagePeriod::kHour
                                                                   : UsagePeriod::kDay));
  const auto from = query.from, to = query.to;
  if (months) {  // whole ones
    query.from = from - std::chrono::days(1);
    query.to = to + std::chrono::days(32);
    query.limit = kRowsMax * 31 + 1;
  }
  auto* const database = MH_TRY(connection());
  const auto state = MH_TRY(tables::usage_state(*database));
  auto rows = MH_TRY(tables::usage_rows(*database, query));
  if (months) {
    rows = months_of(rows, world_.directory);
    std::erase_if(rows, [&](const auto& row) { return row.begin < from || row.begin >= to; });
  }
  std::string out = head_text(name_of(by), state);
  const bool truncated = rows.size() > kRowsMax;
  if (truncated) rows.resize(kRowsMax);
  for (const auto& row : rows) {
    if (out.back() == '}') out += ',';
    out += '{' + span_text(row.begin, row.end);
    put_place(out, tenant_name(row.place.tenant), row.place, query);
    out +=
        fmt::format(R"(,"used":{},"estimated":{},"meters":{},"packets":{},"final":{}}})", cubic_metres(row.values.used),
                    cubic_metres(row.values.estimated), months ? "null" : std::to_string(row.values.meters),
                    row.values.packets, row.end <= state.computed_to);
  }
  return out + fmt::format(R"(],"truncated":{}}})", truncated);
}

base::Result<std::string> UsageApi::peaks(const Request& request) {
  const auto by = MH_TRY(period_of(request, "hour"));
  if (by != Period::kHour && by != Period::kDay) return base::fail(Errc::kInvalidArgument, "peaks are by hour or day");
  const auto query = MH_TRY(query_of(request, by == Period::kHour ? UsagePeriod::kHour : UsagePeriod::kDay));
  auto* const database = MH_TRY(connection());
  const auto state = MH_TRY(tables::usage_state(*database));
  auto rows = MH_TRY(tables::peak_rows(*database, query));
  std::string out = head_text(name_of(by), state);
  const bool truncated = rows.size() > kRowsMax;
  if (truncated) rows.resize(kRowsMax);
  for (const auto& row : rows) {
    if (out.back() == '}') out += ',';
    out += '{' + span_text(row.begin, row.end);
    put_place(out, tenant_name(row.place.tenant), row.place, {});
    const auto hours = std::chrono::duration<double, std::ratio<3600>>(row.end - row.begin).count();
    out += fmt::format(R"(,"peak":{},"peak_time":"{}","mean":{:.3f},"final":{}}})", cubic_metres(row.peak * 12),
                       base::rfc3339(row.peak_at), static_cast<double>(row.used) / 1000 / hours,
                       row.end <= state.computed_to);
  }
  return out + fmt::format(R"(],"truncated":{}}})", truncated);
}

base::Result<std::string> UsageApi::meter(const Request& request, const std::string& eui) const {
  history::MeterUsageQuery query;
  query.eui = MH_TRY(base::Eui64::parse(eui));
  const auto known = world_.directory.meter(query.eui);
  if (!known || !console::caller_of(request).sees(known->tenant))
    return base::fail(Errc::kNotFound, "no meter " + query.eui.text() + " in the registry");
  query.by = MH_TRY(period_of(request, "day"));
  query.to = MH_TRY(time_of(request, "to", world_.clock.now()));
  query.from = MH_TRY(time_of(request, "from", query.to - usual_span(query.by)));
  const auto figures = MH_TRY(history::meter_usage(world_.disk, world_.lake, world_.directory, query));
  std::string out = fmt::format(R"({{"meter":"{}","by":"{}","figures":[)", query.eui.text(), name_of(query.by));
  for (const auto& figure : figures) {
    if (out.back() == '}') out += ',';
    put_figure(out, figure);
  }
  return out + "]}";
}

void add_usage_routes(http::Server& server, UsageApi& api, base::Executor& executor) {
  for (const std::string_view path : {kUsage, kPeaks, std::string_view("/api/v1/meters/{eui}/usage")}) {
    server.route(http::Method::kGet, path,
                 [&api, &executor, alive = api.alive()](const Request& request, http::Reply reply) {
                   executor.post([&api, alive, request, reply = std::move(reply)]() mutable {
                     if (alive.expired())
                       return std::move(reply).send(Response::error({Errc::kUnavailable, "the platform is stopping"}));
                     std::move(reply).send(api.answer(request));
                   });
                 });
  }
}

}  // namespace meterhub::app
