// meterhub trace: where a meter's or gateway's packets went, hop by hop.
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ask.h"
#include "commands.h"
#include "program.h"

namespace meterhub::app {
namespace {

using nlohmann::json;

struct TraceArguments {
  std::string data = "meterhub-data";
  std::string meter, gateway;
  std::string since = "1h";
  bool as_json = false;
};

std::string marks_of(const json& hop) {
  std::string out;
  for (const char* mark : {"late", "stale", "redo", "undecoded", "heartbeat"}) {
    if (hop.value(mark, false)) out += fmt::format(" {}", mark);
  }
  if (hop.contains("reason")) out += fmt::format(" reason={}", hop.value("reason", ""));
  return out;
}

void print_hop(const json& hop) {
  fmt::print("{:<27} {:<10} {:>2} {:>10}  gateway={}", hop.value("time", ""), hop.value("log", ""), hop["partition"].dump(),
             hop["offset"].dump(), hop.value("gateway", ""));
  if (const auto meter = hop.value("meter", ""); !meter.empty()) fmt::print(" meter={}", meter);
  if (hop.contains("fcnt")) fmt::print(" session={} fcnt={}", hop["session"].dump(), hop["fcnt"].dump());
  if (const auto& origin = hop["origin"]; origin.is_object()) {
    fmt::print(" from={}/{}/{}/{}", origin.value("log", ""), origin["partition"].dump(), origin["offset"].dump(), origin["index"].dump());
  }
  fmt::print("{}\n", marks_of(hop));
}

base::Result<int> run_trace(const TraceArguments& arguments) {
  http::Fields query{{"since", MH_TRY(since_text(arguments.since))}};
  if (!arguments.meter.empty()) query.emplace_back("meter", arguments.meter);
  if (!arguments.gateway.empty()) query.emplace_back("gateway", arguments.gateway);
  const auto text = MH_TRY(ask_platform(arguments.data, http::Method::kGet, "/api/v1/trace", query));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
    return 0;
  }
  const auto answer = json::parse(text, nullptr, false);
  for (const auto& hop : answer["hops"]) print_hop(hop);
  if (answer["hops"].empty()) fmt::print(stderr, "nothing since {}\n", query.front().second);
  if (answer.value("truncated", false)) fmt::print(stderr, "only the newest {} hops; give a later --since\n", answer["hops"].size());
  return 0;
}

}  // namespace

void add_trace(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<TraceArguments>();
  auto* command = program.add_subcommand("trace", "Every hop of a meter's or gateway's packets, with reasons where one ended");
  auto* meter = command->add_option("--meter", arguments->meter, "EUI of a meter");
  auto* gateway = command->add_option("--gateway", arguments->gateway, "Id of a gateway")->excludes(meter);
  command->add_option("--since", arguments->since, "A time, or how long back")->check(check_since)->capture_default_str();
  command->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  command->add_flag("--json", arguments->as_json, "As the API answers it");
  command->callback([arguments, meter, gateway, &exit] {
    if (meter->count() + gateway->count() == 0) throw CLI::RequiredError("--meter or --gateway");
    exit.code = report(run_trace(*arguments));
  });
}

}  // namespace meterhub::app
