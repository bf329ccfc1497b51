// meterhub replay: stored messages decoded once more.
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ask.h"
#include "commands.h"
#include "inquiry.h"
#include "program.h"

namespace meterhub::app {
namespace {

using nlohmann::json;

constexpr std::string_view kEarliest = "earliest";
constexpr std::chrono::milliseconds kPause{200};

struct ReplayArguments {
  std::string data = "meterhub-data";
  std::string from, to, gateway;
  bool dry_run = false;

  base::Result<http::Fields> query() const {
    http::Fields out{{"from", from == kEarliest ? from : MH_TRY(since_text(from))}};
    if (!to.empty()) out.emplace_back("to", MH_TRY(since_text(to)));
    if (!gateway.empty()) out.emplace_back("gateway", gateway);
    if (dry_run) out.emplace_back("dry_run", "true");
    return out;
  }
};

// How far it is, on a terminal only: a line that is written over.
class Progress {
 public:
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }
  void show(std::uint64_t messages, std::uint64_t left, bool waits) {
    if (!terminal_) return;
    shown_ = true;
    fmt::print(stderr, "\r\x1b[K{} messages, {} to be looked at{}", messages, left,
               waits ? ", the connector has to catch up" : "");
    std::fflush(stderr);
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
};

base::Result<json> ask_for_block(Inquiry& platform, const http::Fields& query) {
  auto answer = json::parse(MH_TRY(platform.ask(http::Method::kPost, "/api/v1/replay", query)), nullptr, false);
  if (!answer.is_object()) return base::fail(base::Errc::kCorrupt, "the platform's answer is no JSON");
  return answer;
}

// Block by block. Only the first answer has `next` of its own making: the following questions hand it back.
base::Result<std::uint64_t> drive(Inquiry& platform, const http::Fields& query) {
  Progress progress;
  std::uint64_t messages = 0;
  std::string next;
  for (;;) {
    auto asked = query;
    if (!next.empty()) asked.emplace_back("next", next);
    const auto answer = MH_TRY(ask_for_block(platform, asked));
    messages += answer.value("messages", std::uint64_t{0});
    next = answer.value("next", "");
    const bool waits = answer.value("waits", false);
    progress.show(messages, answer.value("left", std::uint64_t{0}), waits);
    if (answer.value("done", false)) return messages;
    if (!waits) continue;
    if (!platform.is_running()) {
      return base::fail(base::Errc::kUnavailable,
                        fmt::format("{} messages wait to be decoded, and no more can before they are: start the "
                                    "platform and run this again (what was driven twice changes nothing)",
                                    messages));
    }
    std::this_thread::sleep_for(kPause);
  }
}

base::Result<int> run(const ReplayArguments& arguments) {
  const auto query = MH_TRY(arguments.query());
  const auto platform = MH_TRY(Inquiry::begin(arguments.data));
  const auto messages = MH_TRY(drive(*platform, query));
  if (arguments.dry_run) {
    fmt::print("would be driven again: {} messages\n", messages);
    return 0;
  }
  fmt::print("driven again: {} messages\n", messages);
  if (!platform->is_running()) fmt::print(stderr, "No platform runs here: they are decoded when it starts.\n");
  return 0;
}

std::string check_from(const std::string& text) { return text == kEarliest ? std::string() : check_since(text); }

}  // namespace

void add_replay(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<ReplayArguments>();
  auto* command = program.add_subcommand("replay", "Decodes stored messages again, after a payload profile was mended");
  command->add_option("--from", arguments->from, "A time, how long back as 6h, or \"earliest\": all that is kept")
      ->required()
      ->check(check_from);
  command->add_option("--to", arguments->to, "Up to then, or how long back; now when not given")->check(check_since);
  command->add_option("--gateway", arguments->gateway, "Only what this one sent");
  command->add_flag("--dry-run", arguments->dry_run, "Only says how many there are");
  command->add_option("--data", arguments->data, "The data directory")->capture_default_str();
  command->callback([arguments, &exit] { exit.code = report(run(*arguments)); });
}

}  // namespace meterhub::app
