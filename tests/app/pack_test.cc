// The query pack as the platform makes it: its jobs on the memory log, with thresholds of two tenants and two meter models.
#include "pack.h"

#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <fmt/format.h>

#include <meterhub/base/time_text.h>
#include <meterhub/log/memory.h>
#include <meterhub/stream/job.h>

#include "folder.h"
#include "job_definition.h"
#include "settings_table.h"

namespace meterhub::app {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

std::string text_of(const std::string& file) {
  std::ifstream in(std::string(METERHUB_SOURCE_DIR) + "/queries/" + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Pack, IsTwelveJobsOfWhichTheSettingNamesAllByDefault) {
  const auto settings = base::Settings::load(settings_table(), {});
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->list("stream.pack"), pack_names());
  EXPECT_EQ(pack_names().size(), 12U);
  EXPECT_EQ(pack_jobs({}, {}).size(), 0U);
  EXPECT_EQ(pack_jobs({"tamper"}, {}).at(0).name, "tamper");
}

TEST(Pack, NamesWhatThereIsForANameThatItDoesNotHave) {
  const auto settings = base::Settings::load(settings_table(), {std::nullopt, {}, {{"stream.pack", "tamper,trends"}}});
  ASSERT_FALSE(settings);
  EXPECT_THAT(settings.error().text, HasSubstr("stream.pack: the pack has no job \"trends\"; it has raw-archive, low-balance-alert"));
  EXPECT_THAT(settings.error().text, HasSubstr("meter-reset, flow-spike"));
}

TEST(Pack, HasByDefaultTheLiteralsOfItsFiles) {
  for (const auto* file : {"02-low-balance-alert", "04-status-alarms", "05-silent-meter", "06-leak-suspicion", "07-tamper", "13-flow-spike"}) {
    const auto text = text_of(std::string("pack/") + file + ".sql");
    ASSERT_THAT(text, HasSubstr("/*= ")) << file;
    EXPECT_EQ(with_thresholds(text, {}), text) << file;
  }
}

TEST(Pack, PutsThePlatformsThresholdsIn) {
  rules::Thresholds some;
  some.low_limit_litres = 7'500;
  some.silence_meter = 90s;
  some.leak_duration = 185min;
  some.battery_mask = 0x0100;
  EXPECT_THAT(with_thresholds(text_of("pack/02-low-balance-alert.sql"), some), HasSubstr("Remaining < 7.5 /*="));
  const auto silent = with_thresholds(text_of("pack/05-silent-meter.sql"), some);
  EXPECT_THAT(silent, HasSubstr("BETWEEN 1 AND 90 /*="));
  EXPECT_THAT(silent, HasSubstr("> 90 /*="));
  const auto leak = with_thresholds(text_of("pack/06-leak-suspicion.sql"), some);
  EXPECT_THAT(leak, HasSubstr("Duration(minute, 180 /*="));
  EXPECT_THAT(leak, HasSubstr(">= 300 /*="));
  EXPECT_THAT(with_thresholds(text_of("pack/04-status-alarms.sql"), some), HasSubstr("m.BatteryMask, 256 /*="));
}

TEST(Pack, WarnsWhereAMachineIsTooSmallForTheFleet) {
  const std::vector<std::string> three{"raw-archive", "low-balance-alert", "usage-trend"};
  constexpr std::uint64_t kMemory = 15ULL << 30;
  EXPECT_THAT(pack_warning(pack_names(), 1'000'000, 2, kMemory), HasSubstr("list fewer in stream.pack"));
  EXPECT_EQ(pack_warning(three, 1'000'000, 2, kMemory), "");
  EXPECT_EQ(pack_warning(pack_names(), 1'000'000, 8, kMemory), "");
  EXPECT_EQ(pack_warning(pack_names(), 100'000, 2, kMemory), "");
  EXPECT_THAT(pack_warning(pack_names(), 1'000'000, 8, 2ULL << 30), HasSubstr("2.0 GiB"));
}

// A gas meter and what it sends.
struct Sender {
  std::uint64_t eui = 0;
  std::int64_t used = 100'000;   // litres
  std::int64_t left = 100'000;
  std::int64_t off = 0;          // that the balance is wrong by
  unsigned status = 4;
  std::uint32_t seq = 100;
};

class RunningPack : public testing::Test {
 protected:
  RunningPack() : clock_(base::parse_rfc3339("2026-01-09T17:00:00Z")->at), executor_(clock_), log_(clock_) {
    for (const auto name : {log::topics::kReadings, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 1;
      EXPECT_TRUE(log_.declare(spec));
    }
    registry::Store::Options options;
    options.file = folder_.path() + "/registry.sqlite";
    options.master_key.fill(7);
    store_ = std::move(*registry::Store::open(options, clock_));
    database_ = std::move(*tables::Database::open(folder_.path() + "/database.sqlite", clock_));
    for (const auto* tenant : {"A", "B"}) EXPECT_TRUE(store_->add_tenant("test", tenant));
  }

  static std::string name_of(const Sender& meter) { return base::Eui64(meter.eui).text(); }
  Sender add(const std::string& tenant, const std::string& model = "v1", std::optional<std::int64_t> limit = {}) {
    registry::MeterSpec spec;
    spec.eui = base::Eui64(++meters_);
    spec.tenant = tenant;
    spec.district = tenant + " North";
    spec.building = "Tower 1";
    spec.profile = model;
    spec.low_limit_litres = limit;
    EXPECT_TRUE(store_->add_meter("test", spec));
    return {meters_};
  }
  void send(Sender& meter, std::int64_t step = 0) {
    meter.used += step;
    meter.left -= step;
    const auto m3 = [](std::int64_t litres) { return fmt::format("{:.3f}", static_cast<double>(litres) / 1'000); };
    log::NewRecord record;
    record.key = name_of(meter);
    record.body = fmt::format(
        R"({{"originData":{{"app":{{"moteeui":"{}","userdata":{{"seqno":{}}}}}}},"userData":{{"type":1,"code":2,"bought":{},"left":{},"used":{},"status":{},"version":"V1.0","time":"{}"}}}})",
        record.key, ++meter.seq, m3(meter.used + meter.left + meter.off), m3(meter.left), m3(meter.used), meter.status,
        base::rfc3339(clock_.now()));
    log::Transaction transaction;
    transaction.appends.push_back({{*log_.topic(log::topics::kReadings), base::PartitionId(0)}, std::move(record)});
    log_.transact(std::move(transaction), executor_, [](const auto& result) { EXPECT_TRUE(result); });
    executor_.run_ready();
  }

  // Over what stands in the log.
  void run(const std::string& settings_text) {
    const auto file = folder_.path() + "/meterhub.toml";
    std::ofstream(file) << settings_text;
    const auto settings = base::Settings::load(settings_table(), {file, {}, {}});
    ASSERT_TRUE(settings) << settings.error().text;
    const rules::Rules rules(*settings);
    stream::JobWorld world{log_, *database_, disk_, metrics_};
    world.complete_until = [this] { return std::optional(clock_.now()); };
    std::vector<std::unique_ptr<stream::Job>> jobs;
    for (const auto& spec : pack_jobs(settings->list("stream.pack"), rules.of("", ""))) {
      registry::Job job;
      job.spec = spec;
      auto read = read_definition(job, {*store_, DataPaths{folder_.path()}, &rules});
      ASSERT_THAT(read.problems, IsEmpty());
      read.spec.linger = 0ms;
      auto made = stream::Job::create(world, executor_, std::move(read.spec), [](const base::Error& error) { FAIL() << error.text; });
      ASSERT_TRUE(made) << spec.name << ": " << made.error().text;
      jobs.push_back(std::move(*made));
    }
    executor_.run_for(20s);
    for (const auto& job : jobs) {
      EXPECT_EQ(job->status().last_error, "") << job->status().name;
      EXPECT_EQ(job->status().last_dropped, "") << job->status().name;
    }
  }
  // Of one column, each value once.
  std::vector<std::string> values(const std::string& table, const std::string& column) const {
    const auto stored = database_->after(table, 0, 1'000'000);
    EXPECT_TRUE(stored) << stored.error().text;
    if (!stored) return {};
    const auto at = std::ranges::find(stored->columns, column, &tables::Column::name) - stored->columns.begin();
    EXPECT_LT(static_cast<std::size_t>(at), stored->columns.size()) << table << "." << column;
    std::vector<std::string> out;
    for (const auto& row : stored->rows) out.push_back(tables::cell_text(row.cells.at(static_cast<std::size_t>(at))));
    std::ranges::sort(out);
    const auto repeated = std::ranges::unique(out);
    out.erase(repeated.begin(), repeated.end());
    return out;
  }
  std::vector<std::string> meters_in(const std::string& table) const { return values(table, "DeviceID"); }

  Folder folder_;
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  log::MemoryLog log_;
  base::MemoryDisk disk_;
  base::Metrics metrics_;
  std::unique_ptr<registry::Store> store_;
  std::unique_ptr<tables::Database> database_;
  std::uint64_t meters_ = 0;
};

constexpr auto kStep = 30s;
constexpr int kTwoHoursAndMore = 285;

// From 01:00 local on; A has the defaults, B its own limits, and poc-2016 stands for a model with other status bits.
constexpr char kSettings[] = R"(
[rules.tenant.B]
low_limit_litres = 8000
leak_step_litres = 2.5
night_litres = 10000
tamper_tolerance_litres = 10
spike_floor_litres = 100

[rules.model.poc-2016]
battery_mask = 0x0100
)";

TEST_F(RunningPack, FillsEveryTableByTheThresholdsOfTenantAndModel) {
  auto leak = add("A"), leak_of_b = add("B"), low = add("A"), low_of_b = add("B"), own = add("A", "v1", 6'000);
  auto battery = add("A"), other_battery = add("A", "poc-2016"), silent = add("A");
  auto tampered = add("A"), tampered_of_b = add("B"), reset = add("A"), spike = add("A"), spike_of_b = add("B");
  low.left = low_of_b.left = own.left = 9'000;
  for (int i = 0; i < kTwoHoursAndMore; ++i) {
    send(leak, 2);
    send(leak_of_b, 2);
    if (i == 50) low.left = low_of_b.left = 7'000;
    if (i == 100) low.left = 4'000;
    if (i == 60) own.left = 5'500;
    for (auto* meter : {&low, &low_of_b, &own}) send(*meter);
    battery.status = i >= 20 && i < 30 ? 5 : 4;
    other_battery.status = i >= 40 ? 5 : i >= 20 ? 0x0104 : 4;
    send(battery);
    send(other_battery);
    if (i < 20 || i >= 60) send(silent);
    tampered.off = tampered_of_b.off = i == 40 ? 5 : 0;
    send(tampered);
    send(tampered_of_b);
    if (i == 70) reset.used = 0;
    send(reset);
    send(spike, i == 40 ? 50 : i % 2);
    send(spike_of_b, i == 40 ? 50 : i % 2);
    clock_.advance(kStep);
  }
  clock_.set_wall(base::parse_rfc3339("2026-01-10T16:01:00Z")->at);
  send(battery);
  clock_.advance(10s);
  run(kSettings);

  EXPECT_THAT(meters_in("alerts"), ElementsAre(name_of(low)));
  EXPECT_THAT(meters_in("low_balance_crossing"), ElementsAre(name_of(low), name_of(low_of_b), name_of(own)));
  EXPECT_THAT(values("low_balance_crossing", "LowLimit"), ElementsAre("5", "6", "8"));
  EXPECT_THAT(meters_in("low_balance_reminder"), ElementsAre(name_of(low), name_of(low_of_b), name_of(own)));
  EXPECT_THAT(meters_in("alarm_raised"), ElementsAre(name_of(battery), name_of(other_battery)));
  EXPECT_THAT(values("alarm_raised", "Alarm"), ElementsAre("battery"));
  EXPECT_THAT(values("alarm_raised", "Status"), UnorderedElementsAre("5", "260"));
  EXPECT_THAT(meters_in("alarm_cleared"), ElementsAre(name_of(battery), name_of(other_battery)));
  EXPECT_THAT(meters_in("silent_meter"), testing::Contains(name_of(silent)));
  EXPECT_THAT(meters_in("meter_back"), ElementsAre(name_of(battery), name_of(silent)));
  EXPECT_THAT(meters_in("leak_suspicion"), ElementsAre(name_of(leak)));
  EXPECT_THAT(meters_in("night_flow"), testing::AllOf(testing::Contains(name_of(leak)), Not(testing::Contains(name_of(leak_of_b)))));
  EXPECT_THAT(meters_in("tamper_alert"), UnorderedElementsAre(name_of(tampered), name_of(reset)));
  EXPECT_THAT(values("usage_trend_provisional", "Period"), ElementsAre("5min", "day", "hour"));
  EXPECT_THAT(values("peak_flow_provisional", "District"), ElementsAre("A North", "B North"));
  EXPECT_THAT(meters_in("top_consumers"), testing::Contains(name_of(leak_of_b)));
  EXPECT_THAT(meters_in("meter_reset"), ElementsAre(name_of(reset)));
  EXPECT_THAT(meters_in("flow_spike"), ElementsAre(name_of(spike)));
  EXPECT_TRUE(database_->count("usage_trend").error().code == base::Errc::kNotFound) << "the name is another module's";
}

TEST_F(RunningPack, IsSilentAfterThePlatformsTime) {
  auto one = add("A"), other = add("A");
  for (int i = 0; i < 20; ++i) {
    if (i < 3 || i >= 8) send(one);  // 180 s
    send(other);
    clock_.advance(kStep);
  }
  run("[rules]\nsilence_meter = \"2m\"\n[stream]\npack = [\"silent-meter\"]\n");
  EXPECT_THAT(meters_in("meter_back"), ElementsAre(name_of(one)));
}

TEST_F(RunningPack, ReferenceRowsHoldTheThresholdsThatAQueryNames) {
  add("A", "v1", 700);
  const rules::Rules rules;
  const auto row = [&](const std::string& query) {
    std::string one;
    EXPECT_TRUE(meter_rows(*store_, {}, rules, query, [&](std::string_view text) { one = text; }));
    return one;
  };
  EXPECT_THAT(row("SELECT COUNT(*), 2 * m.District, m.lowlimit /*= x */"), HasSubstr("\"LowLimit\":0.7,"));
  EXPECT_THAT(row("SELECT COUNT(*), 2 * m.District, m.lowlimit /*= x */"), Not(HasSubstr("Mask")));
  for (const auto* all : {"select *", "SELECT a, *", "SELECT m . *", "SELECT DISTINCT\n*"}) {
    EXPECT_THAT(row(all), testing::AllOf(HasSubstr("\"BatteryMask\":1,"), HasSubstr("\"FlowMax\":6.0,"), HasSubstr("\"SilenceSeconds\":300,"),
                                         HasSubstr("\"TamperTolerance\":0.0015,")));
  }
}

}  // namespace
}  // namespace meterhub::app
