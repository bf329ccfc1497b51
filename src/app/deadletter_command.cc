// meterhub deadletter: what was put aside, and driving it again.
#include <cstdio>
#include <memory>
#include <set>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ask.h"
#include "commands.h"
#include "program.h"
#include "reasons.h"

namespace meterhub::app {
namespace {

using nlohmann::json;

struct LetterArguments {
  std::string data = "meterhub-data";
  std::string reason, since;
  bool as_json = false;
  bool dry_run = false;

  base::Result<http::Fields> query() const {
    http::Fields out;
    if (!reason.empty()) out.emplace_back("reason", reason);
    if (!since.empty()) out.emplace_back("since", MH_TRY(since_text(since)));
    if (dry_run) out.emplace_back("dry_run", "true");
    return out;
  }
};

void print_letter(const json& letter) {
  fmt::print("{:<27} {:<10} {:>2} {:>8}  {:<9} {:<18} gateway={}", letter.value("time", ""), letter.value("log", ""),
             letter["partition"].dump(), letter["offset"].dump(), letter.value("state", ""), letter.value("reason", ""),
             letter.value("gateway", ""));
  if (const auto meter = letter.value("meter", ""); !meter.empty()) fmt::print(" meter={}", meter);
  fmt::print("\n");
}

// For people: what the reasons above mean, each once.
void explain_reasons(const json& letters) {
  std::set<std::string> reasons;
  for (const auto& letter : letters) reasons.insert(letter.value("reason", ""));
  for (const auto& reason : reasons) {
    if (const auto meaning = explain_reason(reason); !meaning.empty()) fmt::print(stderr, "{}: {}\n", reason, meaning);
  }
}

base::Result<int> list(const LetterArguments& arguments) {
  const auto query = MH_TRY(arguments.query());
  const auto text = MH_TRY(ask_platform(arguments.data, http::Method::kGet, "/api/v1/deadletters", query));
  if (arguments.as_json) {
    fmt::print("{}\n", text);
    return 0;
  }
  const auto answer = json::parse(text, nullptr, false);
  for (const auto& letter : answer["letters"]) print_letter(letter);
  if (answer["letters"].empty()) fmt::print(stderr, "no letters\n");
  explain_reasons(answer["letters"]);
  return 0;
}

base::Result<int> retry(const LetterArguments& arguments) {
  const auto query = MH_TRY(arguments.query());
  const auto text = MH_TRY(ask_platform(arguments.data, http::Method::kPost, "/api/v1/deadletters/retry", query));
  const auto answer = json::parse(text, nullptr, false);
  if (arguments.dry_run) {
    fmt::print("would be driven again: {}\n", answer["would_retry"].dump());
  } else {
    fmt::print("driven again: {}\n", answer["retried"].dump());
  }
  return 0;
}

}  // namespace

void add_deadletter(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<LetterArguments>();
  auto* command = program.add_subcommand("deadletter", "Dead letters and noise: list, retry")->require_subcommand(1);
  auto* list_command = command->add_subcommand("list", "The newest 100, with reason and state");
  list_command->add_option("--reason", arguments->reason, "Only these, as unknown_devaddr");
  list_command->add_flag("--json", arguments->as_json, "As the API answers it, bodies too");
  auto* retry_command = command->add_subcommand("retry", "Drives the open ones of a reason again");
  retry_command->add_option("--reason", arguments->reason, "Which, as unknown_devaddr")->required();
  retry_command->add_flag("--dry-run", arguments->dry_run, "Only says how many there are");
  for (auto* one : {list_command, retry_command}) {
    one->add_option("--since", arguments->since, "A time, or how long back; all that are kept when not given")->check(check_since);
    one->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  }
  list_command->callback([arguments, &exit] { exit.code = report(list(*arguments)); });
  retry_command->callback([arguments, &exit] { exit.code = report(retry(*arguments)); });
}

}  // namespace meterhub::app
