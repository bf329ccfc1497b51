#include "run.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/disk.h>
#include <meterhub/http/client.h>
#include <meterhub/sim/fleet.h>
#include <meterhub/sim/registry_files.h>
#include <meterhub/sim/town.h>

#include "member.h"
#include "relays.h"
#include "threads.h"

namespace meterhub::chaos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLook{10};
constexpr seconds kStartPatience{90};
constexpr seconds kEndPatience{120};
// A platform whose log could not sync ends within this.
constexpr seconds kSyncErrorPatience{15};
constexpr char kLogArea[] = "store/";
constexpr std::size_t kServers = 3;
// More would say nothing new.
constexpr std::size_t kTroubles = 5;
// After an end by itself, so that one that cannot start is not started all the time.
constexpr milliseconds kRestartPause{300};

// What must be put back, and when.
struct Undo {
  std::string what;
  Clock::time_point due;
  std::function<void()> task;
};

// How a member may end besides by itself after a disk fault.
struct Ending {
  bool by_kill = false;
  bool by_term = false;
  bool excused = false;  // a disk fault was there: it may end with code 1 and an error
  Clock::time_point restart_at{};
};

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// The error that a process ended with, without what differs from run to run.
std::string error_of(const std::string& err) {
  const auto at = err.rfind("meterhub: ");
  if (at == std::string::npos) return {};
  auto line = err.substr(at, err.find('\n', at) - at);
  const auto space = line.rfind(": ");
  const auto cause = space == std::string::npos ? std::string() : line.substr(space);
  return line.substr(0, line.find(':', std::strlen("meterhub: "))) + cause;
}

class Run {
 public:
  explicit Run(const RunOptions& options) : options_(options) {
    report_.form = options.plan.form;
    report_.seed = options.plan.seed;
  }
  ~Run() {
    if (loop_) app::run_on(loop_->loop(), [this] {
      datagrams_.clear();
      gateways_relay_.reset();
      feed_relay_.reset();
    });
  }

  base::Result<RunReport> run() {
    const auto begun = Clock::now();
    MH_TRY_VOID(set_up());
    if (start_all()) {
      play(make_schedule(options_.plan));
      let_finish();
    }
    end_all();
    count_injected();
    auto judgement = judge(data(), sent_file(), !with(Fault::kClock));
    if (judgement) {
      report_.judgement = std::move(*judgement);
    } else {
      trouble("not judged: " + judgement.error().text);
    }
    report_.lasted = std::chrono::duration_cast<seconds>(Clock::now() - begun);
    return std::move(report_);
  }

 private:
  bool beside() const { return options_.plan.form == Form::kBeside; }
  bool with(Fault fault) const { return options_.plan.faults.contains(fault); }
  std::string data() const { return (options_.folder / "data").string(); }
  std::string fleet() const { return (options_.folder / "fleet").string(); }
  std::string sent_file() const { return (options_.folder / "sent.mhs").string(); }
  std::filesystem::path logs() const { return options_.folder / "logs"; }
  void trouble(const std::string& text) {
    report_.troubles.push_back(fmt::format("at {:.1f} s: {}", age(), text));
    say("TROUBLE " + text);
  }
  double age() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  void say(const std::string& text) const {
    if (options_.verbose) fmt::print("{:8.2f} {} {}\n", age(), form_name(options_.plan.form), text);
    std::fflush(stdout);
  }

  base::Result<void> set_up();
  base::Result<void> set_up_network();
  e2e::Variables layer(const std::string& control, const std::string& root) const;
  e2e::Variables platform_environment() const;
  e2e::Variables server_environment(std::size_t index) const;
  std::vector<std::string> gateways_arguments(int start) const;
  bool start_all();
  bool start_servers();
  bool import_town();
  std::unique_ptr<Member> make_server(std::size_t index);
  bool command(std::vector<std::string> arguments);

  void play(const std::vector<Step>& steps);
  bool is_due(const Step& step);
  void apply(const Step& step);
  void kill(const Step& step);
  void terminate(const Step& step);
  void stop(const Step& step);
  void weather(const Step& step, std::uint32_t lost);
  void reset(const Step& step);
  void slow_disk(const Step& step);
  void sync_error(const Step& step);
  void expect_end_after_sync_error(std::uint64_t errors_before, Clock::time_point due);
  void torn(const Step& step);
  void full_disk(const Step& step);
  void clock(const Step& step);
  void arm_disk(const Step& step);
  void disarm_disk();
  void calm();

  void look();
  void look_at(Member& member, Ending& ending);
  void judge_end(Member& member, Ending& ending, int code);
  bool wait_until(seconds patience, const std::function<bool()>& what);
  // Instead of an earlier undo of the same thing.
  void undo_at(const std::string& what, milliseconds delay, std::function<void()> task) {
    std::erase_if(undos_, [&](const Undo& undo) { return undo.what == what; });
    undos_.push_back({what, Clock::now() + delay, std::move(task)});
  }

  void let_finish();
  void start_fresh_gateways();
  bool takes_packets();
  bool is_all_done() const;
  std::optional<nlohmann::json> status() const;
  void end_all();
  void count_injected();

  Member* member(Target target);
  Ending& ending(Target target) { return endings_[static_cast<std::size_t>(target)]; }

  const RunOptions options_;
  RunReport report_;
  const Clock::time_point started_ = Clock::now();
  std::string hub_, feed_;
  std::vector<std::string> server_addresses_;
  std::unique_ptr<MappedControl> platform_control_, servers_control_;
  Weather weather_;
  std::unique_ptr<app::LoopThread> loop_;
  // On the loop.
  std::unique_ptr<ConnectionRelay> gateways_relay_, feed_relay_;
  std::vector<std::unique_ptr<DatagramRelay>> datagrams_;
  std::string gateways_relay_at_, feed_relay_at_;
  std::vector<std::string> datagrams_at_;

  std::unique_ptr<Member> platform_, gateways_;
  std::vector<std::unique_ptr<Member>> servers_;
  Ending endings_[5];
  Clock::time_point last_step_ = Clock::now();
  std::vector<Undo> undos_;
  bool disk_faulty_ = false;
  std::uint64_t torn_seen_ = 0;
  std::uint64_t settled_at_start_ = 0;
  bool ending_all_ = false;
};

// ---- set-up ----

base::Result<void> Run::set_up() {
  std::filesystem::create_directories(logs());
  hub_ = e2e::free_address();
  feed_ = e2e::free_address();
  for (std::size_t i = 0; beside() && i < kServers; ++i) server_addresses_.push_back(e2e::free_address());
  platform_control_ = MH_TRY(MappedControl::create(options_.folder / "control-platform"));
  servers_control_ = MH_TRY(MappedControl::create(options_.folder / "control-ns"));
  MH_TRY_VOID(set_up_network());
  base::PosixDisk disk;
  const auto town = MH_TRY(sim::make_town({.seed = options_.plan.seed, .meters = options_.meters, .meters_per_gateway = 50}));
  MH_TRY_VOID(sim::write_registry_files(town, gateways_relay_at_, disk, fleet()));
  // So that the simulator goes on with this town.
  const auto fleet_of_town = MH_TRY(sim::Fleet::open(town, {}, disk, sent_file(), base::SystemClock().now()));
  MH_TRY_VOID(fleet_of_town->flush());
  platform_ = std::make_unique<Member>(logs(), Launch{"platform", [this](int) { return std::vector<std::string>{"serve", "--data", data()}; },
                                                      platform_environment(), "platform_started"});
  gateways_ = std::make_unique<Member>(logs(), Launch{"gateways", [this](int start) { return gateways_arguments(start); }, {}, {}});
  return {};
}

base::Result<void> Run::set_up_network() {
  loop_ = MH_TRY(app::LoopThread::create("relays"));
  auto& loop = loop_->loop();
  weather_.lost = options_.loss;
  weather_.late = options_.loss / 2;
  return app::ask<base::Result<void>>(loop, [&]() -> base::Result<void> {
    gateways_relay_ = MH_TRY(ConnectionRelay::create(loop, hub_));
    gateways_relay_at_ = gateways_relay_->address();
    if (!beside()) return {};
    feed_relay_ = MH_TRY(ConnectionRelay::create(loop, feed_));
    feed_relay_at_ = feed_relay_->address();
    for (const auto& server : server_addresses_) {
      datagrams_.push_back(MH_TRY(DatagramRelay::create(loop, weather_, server, options_.plan.seed + datagrams_.size())));
      datagrams_at_.push_back(datagrams_.back()->address());
    }
    return {};
  });
}

// Only where it is needed, since a program with a sanitizer does not like to be second.
e2e::Variables Run::layer(const std::string& control, const std::string& root) const {
  const std::set<Fault> needs{Fault::kReset, Fault::kSlowDisk, Fault::kSyncError, Fault::kTorn, Fault::kFullDisk, Fault::kClock};
  if (std::ranges::none_of(needs, [this](Fault fault) { return with(fault); })) return {};
  return {{"LD_PRELOAD", METERHUB_CHAOS_LAYER}, {kControlVariable, (options_.folder / control).string()}, {kRootVariable, root}};
}

// Small and frequent, so that a short run meets all that a long one would.
e2e::Variables Run::platform_environment() const {
  e2e::Variables out = layer("control-platform", data());
  const e2e::Variables settings{{"MH_HUB_AMQPS_LISTEN", hub_},
                                {"MH_CONSOLE_LISTEN", ""},
                                {"MH_LOG_PARTITIONS", "4"},
                                {"MH_LOG_SEGMENT", "4MiB"},
                                {"MH_LOG_QUOTA", "2GB"},
                                {"MH_CONNECTOR_INSTANCES", "2"},
                                {"MH_STREAM_DEDUPLICATION_INSTANCES", "2"},
                                {"MH_STREAM_SNAPSHOT_PAUSE", "200ms"},
                                {"MH_HISTORY_FLUSH_AFTER", "500ms"},
                                {"MH_HISTORY_MEMORY", "256MiB"}};
  out.insert(out.end(), settings.begin(), settings.end());
  if (!beside()) return out;
  std::string servers;
  for (const auto& at : datagrams_at_) servers += (servers.empty() ? "" : ",") + at;
  const e2e::Variables network{{"MH_NS_TRANSPORT", "udp"}, {"MH_NS_SERVERS", servers}, {"MH_NS_FEED_LISTEN", feed_}};
  out.insert(out.end(), network.begin(), network.end());
  return out;
}

e2e::Variables Run::server_environment(std::size_t index) const {
  const auto certificates = options_.folder / "certificates";
  const auto name = fmt::format("ns-{}", index + 1);
  auto out = layer("control-ns", (options_.folder / name).string());
  const e2e::Variables settings{{"MH_NS_LISTEN", server_addresses_[index]},
                                {"MH_NS_FEED_SERVERS", feed_relay_at_},
                                {"MH_NS_CA_FILE", (certificates / "ca.pem").string()},
                                {"MH_NS_CERTIFICATE_FILE", (certificates / (name + ".pem")).string()},
                                {"MH_NS_KEY_FILE", (certificates / (name + ".key")).string()},
                                {"MH_NS_SESSIONS_DIRECTORY", (options_.folder / name).string()}};
  out.insert(out.end(), settings.begin(), settings.end());
  return out;
}

// Tokens of every other start outlive a clock that jumps an hour ahead.
std::vector<std::string> Run::gateways_arguments(int start) const {
  std::vector<std::string> out{"simulate", "--hub", "amqps://" + gateways_relay_at_, "--fleet", fleet(), "--sent", sent_file(),
                               "--ca", data() + "/tls/ca.pem", "--interval", options_.interval, "--token-life"};
  const bool expire = with(Fault::kExpiredToken) && start % 2 == 1 && !ending_all_;
  out.emplace_back(expire ? "6s" : "3h");
  if (expire) out.emplace_back("--let-tokens-expire");
  return out;
}

bool Run::command(std::vector<std::string> arguments) {
  const auto what = arguments[0] + " " + arguments[1];
  const auto outcome = e2e::run(logs(), std::move(arguments));
  if (outcome.code != 0) trouble(what + ": " + outcome.err);
  return outcome.code == 0;
}

bool Run::import_town() {
  const auto file = [this](const char* name) { return fleet() + "/" + name + ".csv"; };
  return command({"registry", "import", "--data", data(), "--tenants", file("tenants"), "--gateways", file("gateways"), "--meters", file("meters")});
}

bool Run::start_servers() {
  for (std::size_t i = 0; beside() && i < kServers; ++i) {
    const auto name = fmt::format("ns-{}", i + 1);
    const auto certificates = (options_.folder / "certificates").string();
    if (!command({"tls", "issue", "--name", name, "--to", certificates, "--data", data()})) return false;
    servers_.push_back(std::make_unique<Member>(
        logs(), Launch{name, [](int) { return std::vector<std::string>{"serve", "--roles", "ns"}; }, server_environment(i), "ns_listens"}));
    servers_.back()->start();
  }
  return true;
}

bool Run::start_all() {
  platform_->start();
  if (!wait_until(kStartPatience, [&] { return platform_->is_ready(); })) {
    trouble("the platform did not start: " + last_line(platform_->err()));
    return false;
  }
  if (!import_town() || !start_servers()) return false;
  gateways_->start();
  if (!wait_until(kStartPatience, [&] { return takes_packets(); })) trouble("the platform takes no packets");
  return true;
}

Member* Run::member(Target target) {
  switch (target) {
    case Target::kPlatform: return platform_.get();
    case Target::kGateways: return gateways_.get();
    default: return servers_[static_cast<std::size_t>(target) - static_cast<std::size_t>(Target::kNs1)].get();
  }
}

// ---- the schedule ----

void Run::play(const std::vector<Step>& steps) {
  for (const auto& step : steps) {
    if (options_.longest && Clock::now() - started_ > *options_.longest) return;
    if (!wait_until(kStartPatience, [&] { return is_due(step); })) {
      return trouble(fmt::format("{} did not start: {}", target_name(step.target), last_line(member(step.target)->err())));
    }
    say(step.text());
    apply(step);
    last_step_ = Clock::now();
  }
}

bool Run::is_due(const Step& step) {
  auto* const target = member(step.target);
  if (ending(step.target).by_kill || ending(step.target).by_term) return false;  // it is about to end
  if (!step.from_ready) return target->runs() && Clock::now() - last_step_ >= step.pause;
  const auto ready = target->ready_for();
  return ready && *ready >= step.pause;
}

void Run::apply(const Step& step) {
  ++report_.done[std::string(fault_name(step.fault)) + (step.fault == Fault::kKill || step.fault == Fault::kStop ? " " + std::string(target_name(step.target)) : "")];
  switch (step.fault) {
    case Fault::kKill: return kill(step);
    case Fault::kTerm: return terminate(step);
    case Fault::kStop: return stop(step);
    case Fault::kLoss5: return weather(step, 5);
    case Fault::kLoss30: return weather(step, 30);
    case Fault::kReset: return reset(step);
    case Fault::kSlowDisk: return slow_disk(step);
    case Fault::kSyncError: return sync_error(step);
    case Fault::kTorn: return torn(step);
    case Fault::kFullDisk: return full_disk(step);
    case Fault::kClock: return clock(step);
    case Fault::kExpiredToken: return;
  }
}

void Run::kill(const Step& step) {
  auto& how = ending(step.target);
  how.by_kill = true;
  how.restart_at = Clock::now() + step.lasts;
  member(step.target)->signal(SIGKILL);
}

void Run::terminate(const Step& step) {
  auto& how = ending(step.target);
  how.by_term = true;
  how.restart_at = Clock::now() + step.lasts;
  member(step.target)->signal(SIGTERM);
}

void Run::stop(const Step& step) {
  auto* const target = member(step.target);
  target->signal(SIGSTOP);
  undo_at("stop " + target->name(), step.lasts, [target] { target->signal(SIGCONT); });
}

void Run::weather(const Step& step, std::uint32_t lost) {
  weather_.lost = std::max(lost, options_.loss);
  weather_.late = 20;
  weather_.twice = 3;
  undo_at("weather", step.lasts, [this] {
    weather_.lost = options_.loss;
    weather_.late = options_.loss / 2;
    weather_.twice = 0;
  });
}

void Run::reset(const Step& step) {
  if (step.target != Target::kGateways) {
    auto& control = step.target == Target::kPlatform ? **platform_control_ : **servers_control_;
    control.sends_until_reset = static_cast<std::int32_t>(step.count);
    return;
  }
  loop_->loop().post([this, step] {
    gateways_relay_->reset(step.share, options_.plan.seed);
    if (feed_relay_) feed_relay_->reset(step.share, options_.plan.seed);
  });
}

// One disk fault at a time.
void Run::arm_disk(const Step& step) {
  disarm_disk();
  auto& control = **platform_control_;
  std::strncpy(control.area, step.area.c_str(), sizeof control.area - 1);
  control.disk_armed = 1;
}

void Run::disarm_disk() {
  auto& control = **platform_control_;
  control.disk_armed = 0;
  control.write_delay_us = control.sync_delay_us = 0;
  control.syncs_until_error = control.writes_until_torn = 0;
  control.full = 0;
  disk_faulty_ = false;
}

void Run::slow_disk(const Step& step) {
  arm_disk(step);
  (*platform_control_)->sync_delay_us = step.share * 1500;
  (*platform_control_)->write_delay_us = step.share * 10;
  undo_at("disk", step.lasts, [this] { disarm_disk(); });
}

void Run::sync_error(const Step& step) {
  arm_disk(step);
  disk_faulty_ = true;
  ending(Target::kPlatform).excused = true;
  const auto errors_before = (*platform_control_)->sync_errors.load();
  (*platform_control_)->syncs_until_error = static_cast<std::int32_t>(step.count);
  undo_at("disk", step.lasts, [this] { disarm_disk(); });
  if (step.area == kLogArea) expect_end_after_sync_error(errors_before, Clock::time_point::max());
}

// Looks again and again: once the error came, the platform that got it has a while to end.
void Run::expect_end_after_sync_error(std::uint64_t errors_before, Clock::time_point due) {
  undo_at("sync error", kLook, [this, errors_before, due, start = platform_->starts()] {
    const bool came = (*platform_control_)->sync_errors.load() > errors_before;
    if (platform_->starts() != start || !platform_->runs()) return;
    if (Clock::now() > due) return trouble("the platform goes on after its log could not sync");
    const auto until = came && due == Clock::time_point::max() ? Clock::now() + kSyncErrorPatience : due;
    if (came || (*platform_control_)->syncs_until_error.load() > 0) expect_end_after_sync_error(errors_before, until);
  });
}

void Run::torn(const Step& step) {
  arm_disk(step);
  (*platform_control_)->torn_share = step.share;
  (*platform_control_)->writes_until_torn = static_cast<std::int32_t>(step.count);
  undo_at("disk", step.lasts, [this] { disarm_disk(); });
}

void Run::full_disk(const Step& step) {
  arm_disk(step);
  disk_faulty_ = true;
  ending(Target::kPlatform).excused = true;
  (*platform_control_)->bytes_left = step.count;
  (*platform_control_)->full = 1;
  undo_at("disk", step.lasts, [this] { disarm_disk(); });
}

void Run::clock(const Step& step) {
  (*platform_control_)->clock_shift_us = std::chrono::microseconds(std::chrono::hours(step.hours)).count();
  undo_at("clock", step.lasts, [this] { (*platform_control_)->clock_shift_us = 0; });
}

// All that is wrong is put back.
void Run::calm() {
  auto undos = std::exchange(undos_, {});
  for (const auto& undo : undos) undo.task();
  (*platform_control_)->sends_until_reset = 0;
  (*servers_control_)->sends_until_reset = 0;
}

// ---- watching ----

void Run::look() {
  const auto now = Clock::now();
  std::vector<Undo> due;
  std::erase_if(undos_, [&](Undo& undo) {
    if (undo.due > now) return false;
    due.push_back(std::move(undo));
    return true;
  });
  for (const auto& undo : due) undo.task();
  if (platform_) look_at(*platform_, ending(Target::kPlatform));
  for (std::size_t i = 0; i < servers_.size(); ++i) look_at(*servers_[i], endings_[static_cast<std::size_t>(Target::kNs1) + i]);
  if (gateways_) look_at(*gateways_, ending(Target::kGateways));
}

void Run::look_at(Member& member, Ending& how) {
  const auto now = Clock::now();
  if (const auto code = member.take_end()) {
    judge_end(member, how, *code);
    how = Ending{.restart_at = how.by_kill || how.by_term ? how.restart_at : now + kRestartPause};
  }
  if (member.runs() || member.starts() == 0 || ending_all_ || now < how.restart_at) return;
  member.start();
  how.excused = &member == platform_.get() && disk_faulty_;
  say(fmt::format("{} starts for the {}. time", member.name(), member.starts()));
}

void Run::judge_end(Member& member, Ending& how, int code) {
  say(fmt::format("{} ended with code {}", member.name(), code));
  const auto torn_now = (*platform_control_)->torn_writes.load();
  const bool is_torn = &member == platform_.get() && torn_now > std::exchange(torn_seen_, torn_now);
  if (code == 128 + SIGKILL && (how.by_kill || is_torn)) return;
  const auto err = member.err();
  if (how.by_term && code == 0) return;
  if (how.by_term && code == 128 + SIGTERM && err.empty()) return;  // it had not begun anything yet
  if (how.by_term && code == 1 && err.contains("part_not_drained")) {
    ++report_.done["not drained in time"];
    return;
  }
  const auto error = error_of(err);
  if (code == 1 && how.excused && !error.empty()) {
    ++report_.errors[error];
    return;
  }
  trouble(fmt::format("{} ended with code {}: {} ({})", member.name(), code, last_line(err), member.folder().string()));
}

bool Run::wait_until(seconds patience, const std::function<bool()>& what) {
  const auto end = Clock::now() + patience;
  while (Clock::now() < end && report_.troubles.size() < kTroubles) {
    look();
    if (what()) return true;
    std::this_thread::sleep_for(kLook);
  }
  return false;
}

std::optional<nlohmann::json> Run::status() const {
  auto client = http::Client::unix_domain(data() + "/control.sock");
  client.set_timeout(seconds(5));
  const auto response = client.get("/api/v1/status");
  if (!response || response->status != 200) return std::nullopt;
  auto out = nlohmann::json::parse(response->body, nullptr, false);
  if (!out.is_object()) return std::nullopt;
  return out;
}

bool Run::takes_packets() {
  const auto now = status();
  return now && now->at("packets").value("settled", std::uint64_t{0}) > settled_at_start_ + options_.meters / 10;
}

bool Run::is_all_done() const {
  const auto now = status();
  return now && std::ranges::all_of(now->at("lag").at("stages"), [](const auto& stage) { return stage.value("records", 1) == 0; });
}

// ---- the end ----

void Run::let_finish() {
  say("calm");
  calm();
  const auto all_ready = [&] {
    return platform_->is_ready() && gateways_->is_ready() && std::ranges::all_of(servers_, [](const auto& server) { return server->is_ready(); });
  };
  if (!wait_until(kStartPatience, all_ready)) return trouble("not all processes came back");
  start_fresh_gateways();
  const auto before = status();
  settled_at_start_ = before ? before->at("packets").value("settled", std::uint64_t{0}) : 0;
  if (!wait_until(kStartPatience, [&] { return takes_packets(); })) return trouble("the platform takes no packets any more");
  ending(Target::kGateways).by_term = true;
  ending_all_ = true;  // nothing is started again
  gateways_->signal(SIGTERM);
  if (!wait_until(kEndPatience, [&] { return !gateways_->runs(); })) trouble("the gateways do not end");
  if (!wait_until(kEndPatience, [&] { return is_all_done(); })) {
    const auto last = status();
    trouble("not all was done: " + (last ? last->at("lag").dump() : std::string("no status")));
  }
}

// Gateways that were refused for long wait long before they try again.
void Run::start_fresh_gateways() {
  auto& how = ending(Target::kGateways);
  how.by_kill = true;
  const auto before = gateways_->starts();
  gateways_->signal(SIGKILL);
  wait_until(kStartPatience, [&] { return gateways_->starts() > before; });
}

void Run::end_all() {
  ending_all_ = true;
  calm();
  for (auto target : {Target::kPlatform, Target::kGateways}) ending(target).by_term = true;
  gateways_->signal(SIGTERM);
  platform_->signal(SIGTERM);
  if (!wait_until(kEndPatience, [&] { return !platform_->runs() && !gateways_->runs(); })) trouble("the platform does not end");
  for (std::size_t i = 0; i < servers_.size(); ++i) endings_[static_cast<std::size_t>(Target::kNs1) + i].by_term = true;
  for (const auto& server : servers_) server->signal(SIGTERM);
  const auto none_runs = [&] { return std::ranges::none_of(servers_, [](const auto& server) { return server->runs(); }); };
  if (!wait_until(kEndPatience, none_runs)) trouble("a network server does not end");
}

void Run::count_injected() {
  const auto note = [this](const char* name, std::uint64_t count) {
    if (count > 0) report_.done[name] = count;
  };
  auto& control = **platform_control_;
  note("injected: fsync errors", control.sync_errors);
  note("injected: torn writes", control.torn_writes);
  note("injected: writes refused for a full disk", control.refused_writes);
  note("injected: slow calls", control.delays);
  note("injected: resets of own writes", control.resets + (*servers_control_)->resets);
  DatagramCounts sum;
  app::run_on(loop_->loop(), [&] {
    for (const auto& relay : datagrams_) {
      sum.passed += relay->counts().passed;
      sum.lost += relay->counts().lost;
      sum.late += relay->counts().late;
      sum.twice += relay->counts().twice;
    }
  });
  note("datagrams passed", sum.passed);
  note("datagrams lost", sum.lost);
  note("datagrams late", sum.late);
  note("datagrams twice", sum.twice);
}

}  // namespace

bool RunReport::clean() const {
  const auto& j = judgement;
  return troubles.empty() && j.troubles.empty() && j.missing == 0 && j.duplicate == 0 && j.wrong == 0 && j.packets_settled > 0;
}

std::string RunReport::text() const {
  std::uint64_t kills = 0;
  std::string out;
  for (const auto& [name, count] : done) {
    if (name.starts_with("kill ") && name != "kill gateways") kills += count;
    out += fmt::format("  {} {}\n", count, name);
  }
  for (const auto& [name, count] : errors) out += fmt::format("  {} times ended after a disk fault: {}\n", count, name);
  const auto& j = judgement;
  for (const auto& [name, count] : j.letters) out += fmt::format("  {} {}\n", count, name);
  for (const auto& text : troubles) out += "  TROUBLE " + text + "\n";
  for (const auto& text : j.troubles) out += "  TROUBLE " + text + "\n";
  std::uint64_t letters = 0;
  for (const auto& [name, count] : j.letters) letters += name.starts_with("deadletter") ? count : 0;
  return out + fmt::format("form {} seed {}: {} s, {} kills, {} messages settled, {} packets sent, {} settled, {} rows, {} job rows, {} alerts, "
                           "{} dead letters, missing {} duplicate {} wrong {}{}\n",
                           form_name(form), seed, lasted.count(), kills, j.messages_settled, j.packets, j.packets_settled, j.rows, j.job_rows, j.alerts,
                           letters, j.missing, j.duplicate, j.wrong, clean() ? "" : " FAILED");
}

base::Result<RunReport> run(const RunOptions& options) { return Run(options).run(); }

}  // namespace meterhub::chaos
