#include "usage_api.h"

#include <algorithm>
#include <initializer_list>
#include <map>

#include <fmt/format.h>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>
#include <meterhub/console/caller.h>
#include <meterhub/history/meter_usage.h>

namespace meterhub::app {
namespace {

using base::Errc;
using console::FilterType;
using console::ListColumn;
using console::ListForm;
using console::ListRow;
using consumption::Period;
using http::Request;
using http::Response;
using tables::UsagePeriod;
using enum console::ValueType;

constexpr std::string_view kUsage = "/api/v1/usage";
constexpr std::string_view kPeaks = "/api/v1/peaks";
constexpr std::string_view kMeters = "/api/v1/meters/";
constexpr std::string_view kOfMeter = "/usage";
constexpr std::size_t kRowsMax = 10'000;
constexpr std::size_t kExportRowsMax = 1'000'000;
constexpr std::size_t kMetersColumn = 7;  // of usage_form(kUsage)

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

// `owner`: of the reading's meter, where that is not the one asked for; else empty.
void put_reading(std::string& out, std::string_view name, const std::optional<consumption::Reading>& reading,
                 const std::string& owner) {
  if (!reading) {
    out += fmt::format(R"(,"{}":null)", name);
    return;
  }
  out += fmt::format(R"(,"{}":{{"session":{},"generation":{},"seq":{},"time":"{}","counter":{})", name,
                     reading->session.value, reading->generation.value, reading->fcnt, base::rfc3339(reading->at),
                     cubic_metres(reading->counter));
  if (!owner.empty()) out += fmt::format(R"(,"meter":"{}")", owner);
  out += '}';
}

// The EUI of a reading's meter when it is not `asked`.
std::string other_meter(const std::optional<consumption::Reading>& reading, base::Eui64 asked,
                        const registry::Directory& directory) {
  const auto eui = reading ? directory.eui_of(reading->meter) : std::nullopt;
  return eui && *eui != asked ? eui->text() : std::string();
}

void put_figure(std::string& out, const consumption::Figure& figure, base::Eui64 asked,
                const registry::Directory& directory) {
  out += '{' + span_text(figure.begin, figure.end);
  out += fmt::format(R"(,"used":{},"estimated":{},"steps":{})", figure.steps > 0 ? cubic_metres(figure.used) : "null",
                     cubic_metres(figure.estimated), figure.steps);
  put_reading(out, "from", figure.from, other_meter(figure.from, asked, directory));
  put_reading(out, "to", figure.to, other_meter(figure.to, asked, directory));
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
  rows.reserve(out.size());
  for (auto& [key, row] : out) rows.push_back(std::move(row));
  return rows;
}

// The EUI in the path of a meter's figures.
std::optional<std::string_view> meter_of(std::string_view path) {
  const bool is_meter =
      path.starts_with(kMeters) && path.ends_with(kOfMeter) && path.size() > kMeters.size() + kOfMeter.size();
  if (!is_meter) return std::nullopt;
  return path.substr(kMeters.size(), path.size() - kMeters.size() - kOfMeter.size());
}

// Cubic metres an hour.
double mean_flow(const tables::PeakRow& row) {
  const auto hours = std::chrono::duration<double, std::ratio<3600>>(row.end - row.begin).count();
  return static_cast<double>(row.used) / 1000 / hours;
}

ListRow row_of(const tables::UsageRow& row, const std::string& tenant, const tables::UsageState& state) {
  return {row.begin,
          row.end,
          tenant,
          row.place.district,
          row.place.zone,
          row.values.used,
          row.values.estimated,
          row.values.meters,
          row.values.packets,
          row.end <= state.computed_to};
}

ListRow row_of(const tables::PeakRow& row, const std::string& tenant, const tables::UsageState& state) {
  return {row.begin,     row.end,     tenant,         row.place.district,          row.place.zone,
          row.peak * 12, row.peak_at, mean_flow(row), row.end <= state.computed_to};
}

ListRow row_of(const consumption::Figure& figure, base::Eui64 asked, const registry::Directory& directory) {
  ListRow out{figure.begin, figure.end};
  out.push_back(figure.steps > 0 ? console::Value(figure.used) : console::Value());
  out.insert(out.end(), {figure.estimated, static_cast<std::int64_t>(figure.steps)});
  for (const auto& reading : {figure.from, figure.to}) {
    if (reading) {
      out.insert(out.end(), {directory.eui_of(reading->meter).value_or(asked).text(), reading->at, reading->counter,
                             std::int64_t{reading->fcnt}});
    } else {
      out.resize(out.size() + 4);
    }
  }
  out.insert(out.end(), {figure.reset, figure.roll_over, figure.reverse, figure.exchange});
  return out;
}

}  // namespace

Response UsageApi::answer(const Request& request) {
  base::Result<std::string> body = base::fail(Errc::kNotFound, "no such resource");
  if (request.path == kUsage) {
    body = usage(request);
  } else if (request.path == kPeaks) {
    body = peaks(request);
  } else if (const auto eui = meter_of(request.path)) {
    body = meter(request, *eui);
  }
  return body ? Response::json(200, std::move(*body)) : Response::error(body.error());
}

base::Result<std::vector<ListRow>> UsageApi::rows(const Request& request) {
  std::vector<ListRow> out;
  bool truncated = false;
  if (request.path == kUsage) {
    const auto found = MH_TRY(find_usage(request, kExportRowsMax));
    for (const auto& row : found.rows) out.push_back(row_of(row, tenant_name(row.place.tenant), found.state));
    truncated = found.truncated;
    if (found.by == Period::kMonth) {
      for (auto& row : out) row[kMetersColumn] = {};
    }
  } else if (request.path == kPeaks) {
    const auto found = MH_TRY(find_peaks(request, kExportRowsMax));
    for (const auto& row : found.rows) out.push_back(row_of(row, tenant_name(row.place.tenant), found.state));
    truncated = found.truncated;
  } else if (const auto eui = meter_of(request.path)) {
    const auto found = MH_TRY(find_figures(request, *eui));
    for (const auto& figure : found.figures) out.push_back(row_of(figure, found.eui, world_.directory));
  } else {
    return base::fail(Errc::kNotFound, "no such resource");
  }
  if (truncated)
    return base::fail(
        Errc::kInvalidArgument,
        fmt::format("these are more than {} rows: ask for less time, or by longer periods", kExportRowsMax));
  return out;
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
  tables::UsageQuery out{.period = period};
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

base::Result<UsageApi::Found<tables::UsageRow>> UsageApi::find_usage(const Request& request, std::size_t most) {
  Found<tables::UsageRow> out;
  out.by = MH_TRY(period_of(request, "hour"));
  const bool months = out.by == Period::kMonth;
  out.query = MH_TRY(query_of(request, out.by == Period::kFiveMinutes ? UsagePeriod::kFiveMinutes
                                       : out.by == Period::kHour      ? UsagePeriod::kHour
                                                                      : UsagePeriod::kDay));
  out.query.limit = most + 1;
  const auto from = out.query.from, to = out.query.to;
  if (months) {  // whole ones
    out.query.from = from - std::chrono::days(1);
    out.query.to = to + std::chrono::days(32);
    out.query.limit = most * 31 + 1;
  }
  auto* const database = MH_TRY(connection());
  out.state = MH_TRY(tables::usage_state(*database));
  out.rows = MH_TRY(tables::usage_rows(*database, out.query));
  if (months) {
    out.rows = months_of(out.rows, world_.directory);
    std::erase_if(out.rows, [&](const auto& row) { return row.begin < from || row.begin >= to; });
  }
  out.truncated = out.rows.size() > most;
  if (out.truncated) out.rows.resize(most);
  return out;
}

base::Result<UsageApi::Found<tables::PeakRow>> UsageApi::find_peaks(const Request& request, std::size_t most) {
  Found<tables::PeakRow> out;
  out.by = MH_TRY(period_of(request, "hour"));
  if (out.by != Period::kHour && out.by != Period::kDay)
    return base::fail(Errc::kInvalidArgument, "peaks are by hour or day");
  out.query = MH_TRY(query_of(request, out.by == Period::kHour ? UsagePeriod::kHour : UsagePeriod::kDay));
  out.query.limit = most + 1;
  auto* const database = MH_TRY(connection());
  out.state = MH_TRY(tables::usage_state(*database));
  out.rows = MH_TRY(tables::peak_rows(*database, out.query));
  out.truncated = out.rows.size() > most;
  if (out.truncated) out.rows.resize(most);
  return out;
}

base::Result<UsageApi::Figures> UsageApi::find_figures(const Request& request, std::string_view eui) const {
  history::MeterUsageQuery query;
  query.eui = MH_TRY(base::Eui64::parse(eui));
  const auto known = world_.directory.meter(query.eui);
  if (!known || !console::caller_of(request).sees(known->tenant))
    return base::fail(Errc::kNotFound, "no meter " + query.eui.text() + " in the registry");
  query.by = MH_TRY(period_of(request, "day"));
  query.to = MH_TRY(time_of(request, "to", world_.clock.now()));
  query.from = MH_TRY(time_of(request, "from", query.to - usual_span(query.by)));
  return Figures{query.eui, query.by, MH_TRY(history::meter_usage(world_.disk, world_.lake, world_.directory, query))};
}

base::Result<std::string> UsageApi::usage(const Request& request) {
  const auto found = MH_TRY(find_usage(request, kRowsMax));
  std::string out = head_text(name_of(found.by), found.state);
  for (const auto& row : found.rows) {
    if (out.back() == '}') out += ',';
    out += '{' + span_text(row.begin, row.end);
    put_place(out, tenant_name(row.place.tenant), row.place, found.query);
    out += fmt::format(R"(,"used":{},"estimated":{},"meters":{},"packets":{},"final":{}}})",
                       cubic_metres(row.values.used), cubic_metres(row.values.estimated),
                       found.by == Period::kMonth ? "null" : std::to_string(row.values.meters), row.values.packets,
                       row.end <= found.state.computed_to);
  }
  return out + fmt::format(R"(],"truncated":{}}})", found.truncated);
}

base::Result<std::string> UsageApi::peaks(const Request& request) {
  const auto found = MH_TRY(find_peaks(request, kRowsMax));
  std::string out = head_text(name_of(found.by), found.state);
  for (const auto& row : found.rows) {
    if (out.back() == '}') out += ',';
    out += '{' + span_text(row.begin, row.end);
    put_place(out, tenant_name(row.place.tenant), row.place, {});
    out += fmt::format(R"(,"peak":{},"peak_time":"{}","mean":{:.3f},"final":{}}})", cubic_metres(row.peak * 12),
                       base::rfc3339(row.peak_at), mean_flow(row), row.end <= found.state.computed_to);
  }
  return out + fmt::format(R"(],"truncated":{}}})", found.truncated);
}

base::Result<std::string> UsageApi::meter(const Request& request, std::string_view eui) const {
  const auto found = MH_TRY(find_figures(request, eui));
  std::string out = fmt::format(R"({{"meter":"{}","by":"{}","figures":[)", found.eui.text(), name_of(found.by));
  for (const auto& figure : found.figures) {
    if (out.back() == '}') out += ',';
    put_figure(out, figure, found.eui, world_.directory);
  }
  return out + "]}";
}

ListForm usage_form(std::string_view path) {
  ListForm form;
  form.columns = {{"begin", kTime, "Begin", "开始"}, {"end", kTime, "End", "结束"}};
  const auto add = [&](std::initializer_list<ListColumn> columns) {
    form.columns.insert(form.columns.end(), columns.begin(), columns.end());
  };
  form.filters = {{"by", FilterType::kChoice, {}, {"5min", "hour", "day", "month"}},
                  {"from", FilterType::kFrom, "begin"},
                  {"to", FilterType::kTo, "begin"}};
  if (const auto eui = meter_of(path)) {
    form.name = "meter-usage";
    form.english = "Gas used by a meter";
    form.chinese = "单表用气量";
    add({{"used", kVolume, "Used (m³)", "用气量 (m³)"},
         {"estimated", kVolume, "Of it estimated (m³)", "其中估算 (m³)"},
         {"steps", kInteger, "Steps", "步数"},
         {"from_meter", kText, "First reading's meter", "起始表号"},
         {"from_time", kTime, "First reading", "起始抄表时间"},
         {"from_counter", kVolume, "First counter (m³)", "起始表底数 (m³)"},
         {"from_seq", kInteger, "First number", "起始序号"},
         {"to_meter", kText, "Last reading's meter", "截止表号"},
         {"to_time", kTime, "Last reading", "截止抄表时间"},
         {"to_counter", kVolume, "Last counter (m³)", "截止表底数 (m³)"},
         {"to_seq", kInteger, "Last number", "截止序号"},
         {"reset", kFlag, "Began again", "计数归零"},
         {"roll_over", kFlag, "Passed its end", "计数翻转"},
         {"reverse", kFlag, "Fell", "计数倒走"},
         {"exchange", kFlag, "Exchanged", "换表"}});
    return form;
  }
  add({{"tenant", kText, "Tenant", "租户"},
       {"district", kText, "District", "片区"},
       {"zone", kText, "Pressure zone", "压力区"}});
  for (const auto* const name : {"tenant", "district", "zone"}) form.filters.push_back({name, FilterType::kEqual});
  if (path == kPeaks) {
    form.name = "peaks";
    form.english = "Peak flow";
    form.chinese = "高峰流量";
    form.filters.front().choices = {"hour", "day"};
    add({{"peak", kVolume, "Peak (m³/h)", "峰值 (m³/h)"},
         {"peak_time", kTime, "Peak time", "峰值时间"},
         {"mean", kNumber, "Mean (m³/h)", "平均 (m³/h)"},
         {"final", kFlag, "Final", "已结算"}});
    return form;
  }
  form.name = "usage";
  form.english = "Gas used";
  form.chinese = "用气量";
  form.filters.push_back({"sum", FilterType::kChoice, {}, {"zone", "district", "tenant"}});
  add({{"used", kVolume, "Used (m³)", "用气量 (m³)"},
       {"estimated", kVolume, "Of it estimated (m³)", "其中估算 (m³)"},
       {"meters", kInteger, "Meters", "表数"},
       {"packets", kInteger, "Packets", "报文数"},
       {"final", kFlag, "Final", "已结算"}});
  return form;
}

namespace {

// CSV and XLSX are a list's. What the form filters by is asked of the tables, so nothing is left to filter afterwards.
void answer_export(console::Console& console, UsageApi& api, base::Executor& executor, const Request& request,
                   http::Reply reply) {
  auto form = usage_form(request.path);
  auto unfiltered = form;
  unfiltered.filters.clear();
  auto source =
      console::list_of(std::move(unfiltered), [&api, request](const console::Caller&) { return api.rows(request); });
  console.answer_list(std::move(form), std::move(source), executor, api.alive(), request, std::move(reply));
}

}  // namespace

void add_usage_routes(console::Console& console, UsageApi& api, base::Executor& executor) {
  for (const std::string_view path : {kUsage, kPeaks, std::string_view("/api/v1/meters/{eui}/usage")}) {
    console.server().route(
        http::Method::kGet, path,
        [&console, &api, &executor, alive = api.alive()](const Request& request, http::Reply reply) {
          const auto format = console::list_format(request);
          if (!format) return std::move(reply).send(Response::error(format.error()));
          if (alive.expired())
            return std::move(reply).send(Response::error({Errc::kUnavailable, "the platform is stopping"}));
          if (*format != console::ListFormat::kJson)
            return answer_export(console, api, executor, request, std::move(reply));
          executor.post([&api, alive, request, reply = std::move(reply)]() mutable {
            if (alive.expired())
              return std::move(reply).send(Response::error({Errc::kUnavailable, "the platform is stopping"}));
            std::move(reply).send(api.answer(request));
          });
        });
  }
}

}  // namespace meterhub::app
