// meterhub usage: gas used, by meter, district, tenant and pressure zone.
#include <algorithm>
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/ids.h>

#include "ask.h"
#include "commands.h"
#include "program.h"

namespace meterhub::app {
namespace {

using nlohmann::json;

struct UsageArguments {
  std::string data = "meterhub-data";
  std::string meter, district, tenant, zone, by, from, to, sum;
  bool has_district = false, has_zone = false;
  bool peaks = false, as_json = false, as_csv = false;
};

// A field of a comma-separated file that opens in a spreadsheet: what would be read there as a formula is not.
std::string csv_field(std::string text) {
  const bool number = !text.empty() && text.find_first_not_of("0123456789.-") == text.npos;
  if (!number && !text.empty() && std::string_view("=+-@\t\r").contains(text.front())) text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

// Numbers as they came: exact decimals.
std::string text_of(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.3f}", value.get<double>());
  return value.dump();
}

using Table = std::vector<std::vector<std::string>>;

void print(const Table& table, bool csv) {
  std::vector<std::size_t> widths;
  for (const auto& row : table) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : table) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (csv) {
        line += (i > 0 ? "," : "") + csv_field(row[i]);
      } else {
        line += fmt::format("{:<{}}", row[i], i + 1 < row.size() ? widths[i] + 2 : 0);
      }
    }
    fmt::print("{}\n", line);
  }
}

std::string reading_text(const json& reading) {
  if (!reading.is_object()) return "";
  return fmt::format("{}{}/{}/{} at {}: {}", reading.contains("meter") ? text_of(reading["meter"]) + " " : "",
                     text_of(reading["session"]), text_of(reading["generation"]), text_of(reading["seq"]),
                     text_of(reading["time"]), text_of(reading["counter"]));
}

std::string marks_of(const json& figure) {
  std::string out;
  for (const char* mark : {"reset", "roll_over", "reverse", "exchange"}) {
    if (figure.value(mark, false)) out += (out.empty() ? "" : " ") + std::string(mark);
  }
  return out;
}

Table meter_table(const json& answer) {
  Table out{{"begin", "end", "used_m3", "estimated_m3", "steps", "marks", "from session/generation/seq", "to"}};
  for (const auto& figure : answer["figures"]) {
    out.push_back({text_of(figure["begin"]), text_of(figure["end"]), text_of(figure["used"]),
                   text_of(figure["estimated"]), text_of(figure["steps"]), marks_of(figure),
                   reading_text(figure["from"]), reading_text(figure["to"])});
  }
  return out;
}

Table rows_table(const json& answer, bool peaks) {
  std::vector<const char*> columns{"begin", "end", "tenant", "district", "zone"};
  if (peaks) {
    columns.insert(columns.end(), {"peak", "peak_time", "mean", "final"});
  } else {
    columns.insert(columns.end(), {"used", "estimated", "meters", "packets", "final"});
  }
  const auto& rows = answer["rows"];
  std::erase_if(columns, [&](const char* column) { return !rows.empty() && !rows.front().contains(column); });
  Table out(1);
  const auto unit = [&](std::string_view column) {
    return column == "used" || column == "estimated" ? "_m3" : column == "peak" || column == "mean" ? "_m3h" : "";
  };
  for (const auto* column : columns) out.front().push_back(std::string(column) + unit(column));
  for (const auto& row : rows) {
    auto& line = out.emplace_back();
    for (const auto* column : columns) line.push_back(text_of(row.value(column, json())));
  }
  return out;
}

std::string check_eui(const std::string& text) {
  return base::Eui64::parse(text) ? std::string() : "expected 16 hexadecimal digits";
}

base::Result<std::string> ask(const UsageArguments& arguments) {
  http::Fields query;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query.emplace_back(name, value);
  };
  add("by", arguments.by);
  if (!arguments.from.empty()) query.emplace_back("from", MH_TRY(since_text(arguments.from)));
  if (!arguments.to.empty()) query.emplace_back("to", MH_TRY(since_text(arguments.to)));
  if (!arguments.meter.empty())
    return ask_platform(arguments.data, http::Method::kGet, "/api/v1/meters/" + arguments.meter + "/usage", query);
  add("tenant", arguments.tenant);
  add("sum", arguments.sum);
  if (arguments.has_district) query.emplace_back("district", arguments.district);
  if (arguments.has_zone) query.emplace_back("zone", arguments.zone);
  return ask_platform(arguments.data, http::Method::kGet, arguments.peaks ? "/api/v1/peaks" : "/api/v1/usage", query);
}

base::Result<int> run_usage(const UsageArguments& arguments) {
  const auto text = MH_TRY(ask(arguments));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
    return 0;
  }
  const auto answer = json::parse(text, nullptr, false);
  if (answer.is_discarded()) return base::fail(base::Errc::kCorrupt, "the platform's answer is no JSON");
  print(arguments.meter.empty() ? rows_table(answer, arguments.peaks) : meter_table(answer), arguments.as_csv);
  if (answer.value("truncated", false))
    fmt::print(stderr, "only the first {} rows; ask for less\n", answer["rows"].size());
  if (arguments.meter.empty() && answer["rows"].empty()) {
    const auto to = text_of(answer["computed_to"]);
    fmt::print(stderr, "nothing in that time; rolled up {}\n", to.empty() ? "is no hour yet" : "to " + to);
  }
  return 0;
}

}  // namespace

void add_usage(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<UsageArguments>();
  auto* command = program.add_subcommand(
      "usage", "Gas used: of a meter with its readings, or of districts, tenants and pressure zones");
  auto* meter =
      command
          ->add_option("--meter", arguments->meter,
                       "EUI of a meter: figures straight from the lake, each with the two readings it comes from")
          ->check(check_eui);
  auto* district = command->add_option("--district", arguments->district, "Of this district only")->excludes(meter);
  auto* zone = command->add_option("--zone", arguments->zone, "Of this pressure zone only")->excludes(meter);
  command->add_option("--tenant", arguments->tenant, "Of this tenant only")->excludes(meter);
  command->add_option("--sum", arguments->sum, "A row for each zone (usual), district or tenant")
      ->check(CLI::IsMember({"zone", "district", "tenant"}))
      ->excludes(meter);
  command->add_option("--by", arguments->by, "Periods; day and month are the tenant's")
      ->check(CLI::IsMember({"5min", "hour", "day", "month"}));
  command->add_option("--from", arguments->from, "A time, or how long back")->check(check_since);
  command->add_option("--to", arguments->to, "A time, or how long back")->check(check_since);
  command->add_flag("--peaks", arguments->peaks, "The highest flow of hours or days instead")->excludes(meter);
  auto* csv = command->add_flag("--csv", arguments->as_csv, "Comma-separated");
  command->add_flag("--json", arguments->as_json, "As the API answers it")->excludes(csv);
  command->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  command->callback([arguments, district, zone, &exit] {
    arguments->has_district = district->count() > 0;
    arguments->has_zone = zone->count() > 0;
    exit.code = report(run_usage(*arguments));
  });
}

}  // namespace meterhub::app
