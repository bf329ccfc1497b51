#include "storm.h"

#include <algorithm>
#include <csignal>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>

#include "child.h"
#include "home.h"
#include "registry.h"

namespace meterhub::app::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::chrono::milliseconds kLook{10};
constexpr std::chrono::seconds kPatience{700};
constexpr std::chrono::seconds kEndPatience{120};
constexpr std::chrono::seconds kWarm{3};
// As `hub.device_rate` is by default.
constexpr unsigned kDeviceRate = 1'000;

class StormRun {
 public:
  StormRun(const StormOptions& options, StopSignals& signals, Home home, sim::LoadTown whole, sim::LoadTown steady)
      : options_(options), signals_(signals), home_(std::move(home)), paths_{home_.path()}, whole_(whole), steady_town_(steady) {}

  base::Result<StormReport> run() {
    report_.options = options_;
    MH_TRY_VOID(fill_registry(whole_, paths_, [this](std::uint32_t) {
      progress_.show("registry: filling");
      return !signals_.wait(0ms);
    }));
    MH_TRY_VOID(start());
    MH_TRY_VOID(pause(kWarm, "the steady gateways warm up"));
    for (const auto storm : options_.storms) MH_TRY_VOID(weather(storm));
    return finish();
  }

 private:
  base::Result<void> start() {
    MH_TRY_VOID(disk_.write(home_.file("bench.toml"), settings_text(home_, kDeviceRate)));
    server_ = MH_TRY(Child::start({"serve", "--config", home_.file("bench.toml")}, home_.file("server.log")));
    MH_TRY_VOID(wait_until([&] { return !(hub_ = listening_hub(disk_, home_)).empty(); }, "the server starts"));
    auto arguments = role_arguments("storm-steady", options_.rate);
    arguments.insert(arguments.end(), {"--states", home_.file("bench-states")});
    steady_ = MH_TRY(Child::start(arguments, home_.file("steady.log")));
    return expect(*steady_, "connected", "the steady gateways connect");
  }

  std::vector<std::string> role_arguments(const std::string& command, double rate) const {
    const auto& town = options_.town;
    return {"bench", command, "--meters", std::to_string(town.meters), "--steady", std::to_string(town.steady), "--returning", std::to_string(town.returning),
            "--rate", fmt::format("{}", rate), "--hub", hub_, "--ca", base::join_path(paths_.tls(), "ca.pem")};
  }

  base::Result<void> weather(Storm storm) {
    StormOutcome out;
    out.storm = storm;
    auto arguments = role_arguments("storm-maker", options_.half_open_rate);
    arguments.insert(arguments.end(), {"--storm", storm_name(storm), "--milliseconds", std::to_string(options_.span.count())});
    if (options_.tickets) arguments.emplace_back("--tickets");
    const auto memory = MH_TRY(resident_memory(server_->pid()));
    auto maker = MH_TRY(Child::start(arguments, home_.file("maker.log")));
    MH_TRY_VOID(expect(*maker, "ready", "gateways gather for the storm"));
    if (storm == Storm::kReturn) {
      MH_TRY_VOID(pause(kWarm, "gateways are idle"));
      const auto grown = std::max(MH_TRY(resident_memory(server_->pid())), memory) - memory;
      out.idle_gateway_bytes = grown / std::max<std::uint64_t>(options_.town.returning, 1);
    }
    const auto shown = "storm: " + storm_name(storm);
    MH_TRY_VOID(pause(1s, shown.c_str()));
    MH_TRY(window());  // what went before
    MH_TRY_VOID(pause(options_.span, shown.c_str()));
    out.before = MH_TRY(window());
    maker->write("go");
    MH_TRY_VOID(expect(*maker, "done", shown.c_str()));
    const auto done = said_;
    out.during = MH_TRY(window());
    maker.reset();
    MH_TRY_VOID(pause(1s, shown.c_str()));  // its connections break
    MH_TRY(window());
    MH_TRY_VOID(pause(options_.span, shown.c_str()));
    out.after = MH_TRY(window());
    out.text = done.value("text", "");
    out.all_back = done.value("all_back", true);
    if (done.contains("seconds")) out.back_seconds = done.value("seconds", 0.0);
    report_.storms.push_back(std::move(out));
    return {};
  }

  // Since the last one.
  base::Result<StormWindow> window() {
    steady_->write("mark");
    MH_TRY_VOID(expect(*steady_, "window", ""));
    StormWindow out;
    out.settlement = times(said_.at("latency_us"));
    out.newcomers = times(said_.at("newcomers_us"));
    const auto used = MH_TRY(usage_of(server_->pid())).cpu;
    const auto now = clock_.monotonic();
    out.server_cores = std::chrono::duration<double>(used - used_).count() / std::chrono::duration<double>(now - used_at_).count();
    used_ = used;
    used_at_ = now;
    return out;
  }

  static Percentiles times(const json& from) {
    const auto micros = [&](const char* name) { return std::chrono::microseconds(from.value(name, std::int64_t{0})); };
    return {from.value("count", std::uint64_t{0}), micros("p50"), micros("p99"), micros("max")};
  }

  base::Result<StormReport> finish() {
    steady_->write("end");
    MH_TRY_VOID(expect(*steady_, "done", "the last packets are settled"));
    report_.settled = said_.value("settled", std::uint64_t{0});
    report_.rejected = said_.value("rejected", std::uint64_t{0});
    report_.disconnects = said_.value("disconnects", std::uint64_t{0});
    report_.machine = machine_text();
    report_.file_system = file_system_of(home_.path());
    MH_TRY_VOID(wait_until([this] { return all_passed_on(paths_); }, "every stage catches up"));
    report_.peak_memory = MH_TRY(peak_memory(server_->pid()));
    server_->signal(SIGTERM);
    const auto code = server_->wait(kEndPatience);
    if (code != 0) return base::fail(base::Errc::kIo, "the server did not end well:\n" + says("server.log"));
    report_.comparison = MH_TRY(compare(disk_, paths_, steady_town_, home_.file("bench-states"), 0));
    return report_;
  }

  base::Result<void> pause(std::chrono::milliseconds span, const char* shown) {
    const auto end = clock_.monotonic() + span;
    return wait_until([&] { return clock_.monotonic() >= end; }, shown);
  }

  base::Result<void> expect(Child& child, std::string_view event, const char* shown) {
    bool heard = false;
    return wait_until([&] {
      const bool runs = child.runs();
      for (const auto& line : child.lines()) {
        auto said = json::parse(line, nullptr, false);
        if (!said.is_object() || said.value("event", "") != event) continue;
        said_ = std::move(said);
        heard = true;
      }
      if (!heard && !runs) gone_ = true;
      return heard;
    }, shown);
  }

  base::Result<void> wait_until(const std::function<bool()>& reached, const char* shown) {
    const auto end = clock_.monotonic() + kPatience + options_.span;
    for (;;) {
      if (reached()) return {};
      if (server_ && !server_->runs()) return base::fail(base::Errc::kIo, "the server ended early:\n" + says("server.log"));
      if (gone_) return base::fail(base::Errc::kIo, "a process ended early:\n" + says("steady.log") + says("maker.log"));
      if (signals_.wait(kLook)) return base::fail(base::Errc::kCancelled, "stopped");
      if (clock_.monotonic() > end) return base::fail(base::Errc::kTimeout, fmt::format("it took too long: {}", shown));
      if (*shown != 0) progress_.show(shown);
    }
  }

  std::string says(const char* file) const {
    const auto text = disk_.read(home_.file(file)).value_or("");
    return text.substr(text.size() - std::min<std::size_t>(text.size(), 2'000));
  }

  const StormOptions& options_;
  StopSignals& signals_;
  const Home home_;  // outlives the processes in it
  const DataPaths paths_;
  const sim::LoadTown whole_, steady_town_;
  base::PosixDisk disk_;
  base::SystemClock clock_;
  ProgressLine progress_{clock_};
  std::unique_ptr<Child> server_, steady_;
  std::string hub_;
  json said_;  // last
  bool gone_ = false;
  CpuTime used_{};
  base::MonotonicTime used_at_{};
  StormReport report_;
};

}  // namespace

base::Result<StormReport> run_storms(const StormOptions& options, StopSignals& signals) {
  const auto whole = MH_TRY(sim::LoadTown::create(options.town.meters, options.town.gateways()));
  const auto steady = MH_TRY(sim::LoadTown::create(options.town.meters, options.town.steady));
  auto home = MH_TRY(Home::make(""));
  StormRun run(options, signals, std::move(home), whole, steady);
  return run.run();
}

}  // namespace meterhub::app::bench
