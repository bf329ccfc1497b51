// meterhub status: what runs and what is behind.
#include <cstdio>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ask.h"
#include "commands.h"
#include "program.h"

namespace meterhub::app {
namespace {

using nlohmann::json;

struct StatusArguments {
  std::string data = "meterhub-data";
  bool watch = false;
  bool as_json = false;
};

// Numbers at "a/b" of the answer; "-" when a platform that does not run cannot tell.
std::string value_at(const json& status, const char* pointer) {
  const json::json_pointer at(pointer);
  return status.contains(at) ? status.at(at).dump() : std::string("-");
}

void print_reasons(const json& status, const char* name) {
  const json::json_pointer at(std::string("/") + name + "/by_reason");
  if (!status.contains(at)) return;
  for (const auto& [reason, count] : status.at(at).items()) fmt::print("             {} {}\n", count.dump(), reason);
}

void print_status(const json& status) {
  fmt::print("platform     {}\n", status.value("running", true) ? "runs since " + status.value("started", std::string()) : "does not run");
  fmt::print("packets      {} received, {} settled, {}/s\n", value_at(status, "/packets/received"),
             value_at(status, "/packets/settled"), value_at(status, "/packets/per_second"));
  fmt::print("readings     {}, copies {}, late {}, stale {}, {}/s\n", value_at(status, "/readings/total"),
             value_at(status, "/readings/duplicates"), value_at(status, "/readings/late"), value_at(status, "/readings/stale"),
             value_at(status, "/readings/per_second"));
  fmt::print("refused      {}\n", value_at(status, "/refused/total"));
  print_reasons(status, "refused");
  fmt::print("dead letters {}\n", value_at(status, "/dead_letters/total"));
  print_reasons(status, "dead_letters");
  fmt::print("noise        {}\n", value_at(status, "/noise/total"));
  print_reasons(status, "noise");
  fmt::print("behind       {} s\n", value_at(status, "/lag/seconds"));
  for (const auto& stage : status["lag"]["stages"]) {
    fmt::print("             {:<24} {} records, {} s\n", stage.value("name", std::string()), stage["records"].dump(), stage["seconds"].dump());
  }
  fmt::print("meters       {}: {} online, {} low, {} closed, {} silent, {} faulty\n", value_at(status, "/meters/total"),
             value_at(status, "/meters/online"), value_at(status, "/meters/low"), value_at(status, "/meters/closed"),
             value_at(status, "/meters/silent"), value_at(status, "/meters/faulty"));
  fmt::print("alerts       {}\nlog fill     {}\n", value_at(status, "/alerts/total"), value_at(status, "/log/fill"));
  for (const auto& hub : status.value("event_hubs", json::array())) {
    fmt::print("event hub    {:<24} {} events, newest {}\n", hub.value("name", std::string()), hub["events"].dump(),
               hub["newest"].is_string() ? hub["newest"].get<std::string>() : std::string("-"));
  }
  for (const auto& warning : status.value("warnings", json::array())) fmt::print("warning      {}\n", warning.get<std::string>());
}

base::Result<int> show(const StatusArguments& arguments) {
  const auto text = MH_TRY(ask_platform(arguments.data, http::Method::kGet, "/api/v1/status", {}));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
  } else {
    print_status(json::parse(text, nullptr, false));
  }
  std::fflush(stdout);
  return 0;
}

base::Result<int> run_status(const StatusArguments& arguments) {
  while (arguments.watch) {
    if (!arguments.as_json) fmt::print("\x1b[H\x1b[2J");
    MH_TRY_VOID(show(arguments));
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return show(arguments);
}

}  // namespace

void add_status(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<StatusArguments>();
  auto* command = program.add_subcommand("status", "What runs, and what is behind");
  command->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  command->add_flag("--watch", arguments->watch, "Again every second, until Ctrl-C");
  command->add_flag("--json", arguments->as_json, "As the API answers it");
  command->callback([arguments, &exit] { exit.code = report(run_status(*arguments)); });
}

}  // namespace meterhub::app
