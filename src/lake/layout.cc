#include <meterhub/lake/layout.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace meterhub::lake {
namespace {

using duck::Column;
using duck::Type;

std::string date_text(Hour hour) {
  const base::Timestamp start{std::chrono::hours(hour.value)};
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(start)};
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text.data();
}

std::string two_digits(std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); }
std::int64_t hour_of_day(Hour hour) { return ((hour.value % 24) + 24) % 24; }

std::vector<Column> with_placing(std::vector<Column> columns) {
  columns.push_back({"Shard", Type::kUtinyint});
  columns.push_back({"Redo", Type::kUbigint});
  return columns;
}

template <class T>
bool read_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Hour hour_of(base::Timestamp time) { return Hour(std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count()); }

base::Timestamp end_of(Hour hour) { return base::Timestamp(std::chrono::hours(hour.value + 1)); }

std::string text_of(Hour hour) { return date_text(hour) + "T" + two_digits(hour_of_day(hour)); }

base::Result<Hour> parse_hour(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned hour = 0;
  const bool shaped = text.size() == 13 && text[4] == '-' && text[7] == '-' && text[10] == 'T' &&
                      read_number(text.substr(0, 4), year) && read_number(text.substr(5, 2), month) &&
                      read_number(text.substr(8, 2), day) && read_number(text.substr(11, 2), hour);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!shaped || !date.ok() || hour > 23) {
    return base::fail(base::Errc::kInvalidArgument, "'" + std::string(text) + "' is not an hour like 2016-12-21T03");
  }
  return Hour(std::chrono::sys_days(date).time_since_epoch().count() * 24 + hour);
}

std::string hour_directory(Hour hour) {
  return "readings/date=" + date_text(hour) + "/hour=" + two_digits(hour_of_day(hour));
}

std::string base_path(Hour hour, base::Shard shard) {
  return hour_directory(hour) + "/shard-" + two_digits(shard.value) + ".parquet";
}

std::string late_path(Hour hour, base::Shard shard, std::uint64_t sequence) {
  return hour_directory(hour) + "/late-" + two_digits(shard.value) + "-" + std::to_string(sequence) + ".parquet";
}

const std::vector<Column>& reading_columns() {
  static const std::vector<Column> columns{
      {"DeviceID", Type::kVarchar},     {"DateTime", Type::kTimestamp},     {"MeterType", Type::kInteger},
      {"FactoryCode", Type::kInteger},  {"Bought", Type::kDecimal},         {"Remaining", Type::kDecimal},
      {"TotalUsed", Type::kDecimal},    {"MeterStatus", Type::kInteger},    {"MeterSoftwareVer", Type::kVarchar},
      {"Tenant", Type::kUinteger},      {"Session", Type::kUinteger},       {"Generation", Type::kUinteger},
      {"Seq", Type::kUinteger},         {"EnqueuedTime", Type::kTimestamp}, {"Late", Type::kBoolean},
      {"Port", Type::kUtinyint},        {"Gateways", Type::kVarchar},       {"BestRssi", Type::kInteger},
      {"BestSnr", Type::kDouble},       {"Payload", Type::kVarchar}};
  return columns;
}

const std::vector<Column>& fresh_columns() {
  static const std::vector<Column> columns = with_placing(reading_columns());
  return columns;
}

const std::vector<Column>& change_columns() {
  static const std::vector<Column> columns{{"ChangedTime", Type::kTimestamp},
                                           {"Reason", Type::kVarchar},
                                           {"DeviceID", Type::kVarchar},
                                           {"DateTime", Type::kTimestamp},
                                           {"Tenant", Type::kUinteger},
                                           {"Session", Type::kUinteger},
                                           {"Generation", Type::kUinteger},
                                           {"Seq", Type::kUinteger},
                                           {"OldMeterType", Type::kInteger},
                                           {"NewMeterType", Type::kInteger},
                                           {"OldFactoryCode", Type::kInteger},
                                           {"NewFactoryCode", Type::kInteger},
                                           {"OldBought", Type::kDecimal},
                                           {"NewBought", Type::kDecimal},
                                           {"OldRemaining", Type::kDecimal},
                                           {"NewRemaining", Type::kDecimal},
                                           {"OldTotalUsed", Type::kDecimal},
                                           {"NewTotalUsed", Type::kDecimal},
                                           {"OldMeterStatus", Type::kInteger},
                                           {"NewMeterStatus", Type::kInteger},
                                           {"OldMeterSoftwareVer", Type::kVarchar},
                                           {"NewMeterSoftwareVer", Type::kVarchar},
                                           {"OldPayload", Type::kVarchar},
                                           {"NewPayload", Type::kVarchar}};
  return columns;
}

const std::string& column_list() {
  static const std::string list = [] {
    std::string names;
    for (const Column& column : reading_columns()) names += (names.empty() ? "" : ", ") + column.name;
    return names;
  }();
  return list;
}

std::vector<base::Shard> Owner::shards() const {
  std::vector<base::Shard> owned;
  for (std::uint32_t s = partition.value; s < base::kShards; s += partitions) {
    owned.emplace_back(static_cast<std::uint8_t>(s));
  }
  return owned;
}

}  // namespace meterhub::lake
