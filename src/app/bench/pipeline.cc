#include "pipeline.h"

#include <csignal>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/http/client.h>

#include "../data_directory.h"
#include "child.h"
#include "home.h"
#include "registry.h"
#include "rule.h"
#include "trends.h"
#include "watch.h"

namespace meterhub::app::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::chrono::milliseconds kLook{10};       // between two looks at what others did
constexpr std::chrono::milliseconds kLookAtStart{2};
constexpr std::chrono::seconds kStartPatience{180};
constexpr std::chrono::seconds kPassPatience{600};
constexpr std::chrono::seconds kEndPatience{120};
constexpr char kJobs[] = "raw-archive (01), low-balance-alert (02), usage-trend (08)";

// Counters go on where an earlier run in the same directory ended: file bench.json.
base::Result<std::uint32_t> first_counter(const base::Disk& disk, const Home& home, const PipelineOptions& options) {
  const auto text = disk.read(home.file("bench.json"));
  if (!text)
    return MH_TRY(disk.exists(home.file("registry.sqlite")))
               ? base::Result<std::uint32_t>(
                     base::fail(base::Errc::kPrecondition,
                                home.path() + " holds a platform that is not a bench's; name a new directory"))
               : base::Result<std::uint32_t>(0);
  const auto known = json::parse(*text, nullptr, false);
  if (!known.is_object()) return base::fail(base::Errc::kCorrupt, home.file("bench.json") + " is no JSON");
  if (known.value("meters", 0U) != options.meters || known.value("gateways", 0U) != options.gateways) {
    return base::fail(base::Errc::kPrecondition,
                      fmt::format("{} holds a town of {} meters and {} gateways; name another directory", home.path(),
                                  known.value("meters", 0U), known.value("gateways", 0U)));
  }
  return known.value("next_fcnt", 0U);
}

base::Result<void> remember(base::Disk& disk, const Home& home, const PipelineOptions& options,
                            std::uint32_t next_fcnt) {
  const json known{{"meters", options.meters}, {"gateways", options.gateways}, {"next_fcnt", next_fcnt}};
  return disk.replace_durably(home.file("bench.json"), known.dump() + "\n");
}

class PipelineRun {
 public:
  PipelineRun(const PipelineOptions& options, StopSignals& signals, Home home, sim::LoadTown town)
      : options_(options), signals_(signals), home_(std::move(home)), paths_{home_.path()}, town_(town) {}

  base::Result<Report> run() {
    first_fcnt_ = MH_TRY(first_counter(disk_, home_, options_));
    MH_TRY_VOID(fill());
    MH_TRY_VOID(start_generator());
    MH_TRY_VOID(start_server());
    MH_TRY_VOID(connect());
    MH_TRY_VOID(load());
    MH_TRY_VOID(compact());
    MH_TRY_VOID(stop_server());
    report_.comparison = MH_TRY(compare(disk_, paths_, town_, home_.file("bench-states"), first_fcnt_));
    if (report_.rule) report_.rule->comparison = MH_TRY(rule_->compare(disk_));
    return report_;
  }

  // For people, when a run did not work.
  std::string server_says() const {
    const auto text = disk_.read(home_.file("server.log")).value_or("");
    return text.substr(text.size() - std::min<std::size_t>(text.size(), 2'000));
  }

 private:
  base::Result<void> fill() {
    progress_.show("registry: looking");
    MH_TRY_VOID(fill_registry(town_, paths_, [this](std::uint32_t meters) {
      progress_.show(fmt::format("registry: {} of {} meters", meters, town_.meters()));
      return !signals_.wait(0ms);
    }));
    return remember(disk_, home_, options_, first_fcnt_);
  }

  base::Result<void> start_generator() {
    const auto& plan = options_.plan;
    generator_ = MH_TRY(Child::start({"bench",
                                      "generate",
                                      "--meters",
                                      std::to_string(options_.meters),
                                      "--gateways",
                                      std::to_string(options_.gateways),
                                      "--milliseconds",
                                      std::to_string(plan.span.count()),
                                      "--packets-per-record",
                                      std::to_string(plan.packets_per_record),
                                      "--rate",
                                      fmt::format("{}", plan.rate),
                                      "--interval",
                                      std::to_string(options_.interval.count()),
                                      "--first-counter",
                                      std::to_string(first_fcnt_),
                                      "--ca",
                                      base::join_path(paths_.tls(), "ca.pem"),
                                      "--states",
                                      home_.file("bench-states")},
                                     home_.file("generator.log")));
    return expect("prepared", kLook, "preparing the load");
  }

  base::Result<void> start_server() {
    MH_TRY_VOID(disk_.write(home_.file("bench.toml"), settings_text(home_, 0)));
    started_ = clock_.monotonic();
    server_ = MH_TRY(Child::start({"serve", "--config", home_.file("bench.toml")}, home_.file("server.log")));
    std::string address;
    MH_TRY_VOID(wait_until([&] { return !(address = listening_hub(disk_, home_)).empty(); }, kLookAtStart,
                           kStartPatience, "the server starts"));
    generator_->write(address);
    return {};
  }

  base::Result<void> connect() {
    MH_TRY_VOID(expect("first_settled", kLook, "the first gateway connects"));
    report_.first_ack = std::chrono::nanoseconds(said_.value("ns", std::int64_t{0})) - started_.time_since_epoch();
    MH_TRY_VOID(expect("connected", kLook, "gateways connect"));
    // The hub takes packets before the meters are loaded; what is measured is the whole.
    MH_TRY_VOID(wait_until([&] { return server_said("platform_started"); }, kLookAtStart, kStartPatience,
                           "the server loads its meters"));
    progress_.show("adding the job usage-trend");
    return add_trends(paths_);
  }

  bool server_said(std::string_view event) const {
    return disk_.read(home_.file("server.log")).value_or("").find(event) != std::string::npos;
  }

  base::Result<void> load() {
    AlertWatch alerts = MH_TRY(AlertWatch::open(paths_.database()));
    LakeWatch lake(disk_, paths_.lake());
    if (options_.add_rule) rule_ = MH_TRY(AddedRule::create(paths_, clock_));
    auto rule_due = base::MonotonicTime::max();
    const auto look = [&]() -> base::Result<void> {
      MH_TRY_VOID(alerts.look(clock_.now()));
      if (rule_) {
        if (clock_.monotonic() >= rule_due) rule_->request();
        MH_TRY_VOID(rule_->look(clock_.now()));
      }
      if (clock_.monotonic() < next_lake_look_) return {};
      next_lake_look_ = clock_.monotonic() + 1s;
      return lake.look();
    };
    watching_ = look;
    alerts_ = &alerts;
    const auto before = MH_TRY(usage_of(server_->pid()));
    noted_cpu_ = before.cpu;
    const auto logs_before = MH_TRY(log_growth());
    const auto begun = clock_.monotonic();
    const auto begun_at = clock_.now();
    rule_due = begun + options_.plan.span / 2;
    generator_->write("go");
    MH_TRY_VOID(expect("done", kLook, ""));
    report_.machine = machine_text();
    take_counts(said_);
    MH_TRY_VOID(remember(disk_, home_, options_, said_.value("next_fcnt", first_fcnt_)));
    MH_TRY_VOID(wait_until([this] { return all_passed_on(paths_) && trends_are_done(); }, 100ms, kPassPatience,
                           "every stage catches up"));
    report_.trends = MH_TRY(trends_report(paths_));
    report_.drained_seconds = std::chrono::duration<double>(clock_.monotonic() - begun).count();
    report_.server = since(MH_TRY(usage_of(server_->pid())), before);
    report_.peak_memory = MH_TRY(peak_memory(server_->pid()));
    MH_TRY_VOID(look());
    watching_ = nullptr;
    alerts_ = nullptr;
    for (const auto& [name, now] : MH_TRY(log_growth())) {
      const auto& then = logs_before.contains(name) ? logs_before.at(name) : LogGrowth{};
      if (now.records > then.records) report_.logs[name] = {now.records - then.records, now.bytes - then.bytes};
    }
    if (rule_) MH_TRY_VOID(end_rule());
    report_.alert = Percentiles::of(alerts.latencies());
    report_.parquet = Percentiles::of(MH_TRY(lake.latencies(begun_at)));
    return {};
  }

  bool trends_are_done() const {
    const auto trends = trends_report(paths_);
    return trends && trends->behind == 0;
  }

  base::Result<void> end_rule() {
    MH_TRY_VOID(rule_->end());
    MH_TRY_VOID(rule_->look(clock_.now()));
    const auto& times = rule_->times();
    report_.rule = AddedRuleFigures{rule_share(town_), rule_->answered().value_or(base::Duration()), times.live(), Percentiles::of(times.latencies()), {}};
    return {};
  }

  void take_counts(const json& done) {
    const auto number = [&](const char* name) { return done.value(name, std::uint64_t{0}); };
    report_.options = options_;
    report_.jobs = kJobs;
    report_.file_system = file_system_of(home_.path());
    report_.seconds = done.value("seconds", 0.0);
    report_.stored_seconds = done.value("settle_seconds", 0.0);
    report_.packets = number("packets");
    report_.receptions = number("receptions");
    report_.settled_packets = number("settled_packets");
    report_.settled = number("settled");
    report_.rejected = number("rejected");
    report_.withheld = number("withheld");
    report_.disconnects = number("disconnects");
    report_.generator = CpuTime(done.value("cpu_ns", std::int64_t{0}));
    const auto& times = done.at("latency_us");
    const auto micros = [&](const char* name) { return std::chrono::microseconds(times.value(name, std::int64_t{0})); };
    report_.settlement = {times.value("count", std::uint64_t{0}), micros("p50"), micros("p99"), micros("max")};
  }

  // Open hours become what they will be for good, so that their size can be told.
  base::Result<void> compact() {
    progress_.show("compacting the lake");
    report_.fresh_bytes =
        bytes_below(base::join_path(paths_.lake(), "fresh")) + bytes_below(base::join_path(paths_.lake(), "readings"));
    const auto begun = clock_.monotonic();
    auto client = http::Client::unix_domain(paths_.control_socket());
    client.set_timeout(60min);  // an hour of a million meters has 120 million rows
    const auto answer = MH_TRY(client.request(http::Method::kPost, "/api/v1/lake/compact"));
    if (answer.status != 200) return base::fail(base::Errc::kIo, "compaction failed: " + answer.body);
    report_.compact_seconds = std::chrono::duration<double>(clock_.monotonic() - begun).count();
    report_.lake_bytes = bytes_below(base::join_path(paths_.lake(), "readings"));
    report_.peak_memory_compacting = MH_TRY(peak_memory(server_->pid()));
    return {};
  }

  base::Result<void> stop_server() {
    progress_.show("the server drains");
    server_->signal(SIGTERM);
    const auto code = server_->wait(kEndPatience);
    if (code == 0) return {};
    return base::fail(base::Errc::kIo,
                      code ? fmt::format("the server ended with {}", *code) : "the server did not end");
  }

  base::Result<std::string> get(const char* path) const {
    return MH_TRY(http::Client::unix_domain(paths_.control_socket()).get(path)).body;
  }

  // meterhub_log_stored_bytes_total{log="telemetry"} 12345
  base::Result<std::map<std::string, LogGrowth>> log_growth() const {
    std::map<std::string, LogGrowth> out;
    const auto text = MH_TRY(get("/metrics"));
    const auto take = [&](std::string_view name, std::uint64_t LogGrowth::* member) {
      const auto before = std::string(name) + "{log=\"";
      for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
        const auto from = at + before.size();
        const auto quote = text.find('"', from);
        out[text.substr(from, quote - from)].*member = std::strtoull(text.c_str() + text.find(' ', quote), nullptr, 10);
      }
    };
    take("meterhub_log_appended_records_total", &LogGrowth::records);
    take("meterhub_log_stored_bytes_total", &LogGrowth::bytes);
    return out;
  }

  // Waits for the generator's word; what else it says is shown.
  base::Result<void> expect(std::string_view event, std::chrono::milliseconds look, const char* shown) {
    bool heard = false;
    return wait_until(
        [&] {
          for (const auto& line : generator_->lines()) {
            auto said = json::parse(line, nullptr, false);
            if (!said.is_object()) continue;
            if (said.value("event", "") == "progress") show_progress(said);
            if (said.value("event", "") == "interval") note_interval(said);
            if (said.value("event", "") != event) continue;
            said_ = std::move(said);
            heard = true;
          }
          return heard;
        },
        look, kStartPatience + options_.connect_patience() + options_.plan.span, shown);
  }

  // How the run goes on: what settled since the last line, what the server holds.
  void note_interval(const json& said) {
    const auto usage = usage_of(server_->pid()).value_or(Usage());
    Interval now;
    now.end = (report_.intervals.size() + 1) * options_.interval;
    now.settled = said.value("settled_packets", std::uint64_t{0}) - noted_packets_;
    now.server_cpu = usage.cpu - noted_cpu_;
    now.memory = resident_memory(server_->pid()).value_or(0);
    const auto& times = said.at("latency_us");
    const auto micros = [&](const char* name) { return std::chrono::microseconds(times.value(name, std::int64_t{0})); };
    now.settlement = {times.value("count", std::uint64_t{0}), micros("p50"), micros("p99"), micros("max")};
    if (alerts_ != nullptr) {
      now.alert = Percentiles::of(alerts_->latencies().since(noted_alerts_));
      noted_alerts_ = alerts_->latencies();
    }
    noted_packets_ += now.settled;
    noted_cpu_ = usage.cpu;
    report_.intervals.push_back(now);
    progress_.line(interval_text(now, options_.interval));
  }

  void show_progress(const json& said) {
    progress_.show(fmt::format("{} packets in {} messages, {} settled, {} under way", said.value("packets", 0U),
                               said.value("receptions", 0U), said.value("settled", 0U), said.value("waiting", 0U)));
  }

  base::Result<void> wait_until(const std::function<bool()>& reached, std::chrono::milliseconds look,
                                std::chrono::milliseconds patience, const char* shown) {
    const auto end = clock_.monotonic() + patience;
    for (;;) {
      const auto alive = both_live();  // first: what was said before the end counts
      if (reached()) return {};
      MH_TRY_VOID(alive);
      if (signals_.wait(look)) return base::fail(base::Errc::kCancelled, "stopped");
      if (watching_) MH_TRY_VOID(watching_());
      if (clock_.monotonic() > end)
        return base::fail(base::Errc::kTimeout, fmt::format("it took too long until {}", shown));
      if (*shown != 0) progress_.show(shown);
    }
  }

  base::Result<void> both_live() {
    if (server_ && !server_->runs()) return base::fail(base::Errc::kIo, "the server ended early:\n" + server_says());
    if (!generator_->runs() && said_.value("event", "") != "done") {
      return base::fail(base::Errc::kIo,
                        "the generator ended early:\n" + disk_.read(home_.file("generator.log")).value_or(""));
    }
    return {};
  }

  const PipelineOptions& options_;
  StopSignals& signals_;
  const Home home_;  // outlives the processes in it
  const DataPaths paths_;
  const sim::LoadTown town_;
  base::PosixDisk disk_;
  base::SystemClock clock_;
  ProgressLine progress_{clock_};
  std::unique_ptr<Child> server_, generator_;
  std::unique_ptr<AddedRule> rule_;  // null: none is asked for
  std::function<base::Result<void>()> watching_;  // during the load
  std::uint32_t first_fcnt_ = 0;
  base::MonotonicTime started_{}, next_lake_look_{};
  json said_;  // by the generator, last
  const AlertWatch* alerts_ = nullptr;  // during the load
  sim::Latencies noted_alerts_;         // up to the last interval
  std::uint64_t noted_packets_ = 0;
  CpuTime noted_cpu_{};
  Report report_;
};

}  // namespace

base::Result<Report> run_pipeline(const PipelineOptions& options, StopSignals& signals) {
  const auto town = MH_TRY(sim::LoadTown::create(options.meters, options.gateways));
  auto home = MH_TRY(Home::make(options.data));
  PipelineRun run(options, signals, std::move(home), town);
  return run.run();
}

}  // namespace meterhub::app::bench
