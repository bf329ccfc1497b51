// A lake with meters of three tenants, their roll-up, and what brute force says of the same lake.
#pragma once

#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>

#include <meterhub/base/time_text.h>
#include <meterhub/consumption/hourly.h>
#include <meterhub/consumption/local_time.h>
#include <meterhub/history/rollup.h>
#include <meterhub/registry/store.h>
#include <meterhub/tables/database.h>
#include <meterhub/tables/usage.h>

#include "../lake/lake_fixture.h"

namespace meterhub::history {

using namespace std::chrono_literals;
using tables::UsagePeriod;
using tables::UsageValues;

// Place, period and begin of a row -> end and values.
struct RowKey {
  UsagePeriod period;
  std::string place;
  base::Timestamp begin, end;
  auto operator<=>(const RowKey&) const = default;
};
using Rows = std::map<RowKey, UsageValues>;

inline std::string text_of(const RowKey& key, const UsageValues& v) {
  return key.place + " " + std::to_string(static_cast<int>(key.period)) + " " + base::rfc3339(key.begin) + ".." +
         base::rfc3339(key.end) + " used " + std::to_string(v.used) + " estimated " + std::to_string(v.estimated) +
         " meters " + std::to_string(v.meters) + " packets " + std::to_string(v.packets);
}

struct TownMeter {
  base::Eui64 eui;
  base::MeterNumber number;
  std::string tenant, place;
};

// The registry of the meters: making one takes longer than most tests.
class Town {
 public:
  Town() {
    store_ = std::move(*registry::Store::open({folder_.path() + "/registry.sqlite", {}}, clock_));
    const std::array tenants{std::pair("East", "Asia/Shanghai"), std::pair("Half", "Asia/Kolkata"),
                             std::pair("West", "Europe/Berlin")};
    for (const auto& [tenant, zone] : tenants) {
      zones_.emplace(tenant, consumption::LocalTime::of(zone).value());
      EXPECT_TRUE(store_->add_tenant("test", tenant, zone));
    }
    for (std::uint32_t count = 0; count < 12; ++count) {
      EXPECT_TRUE(store_->put_place("test", tenants[count % 3].first, count % 2 == 0 ? "North" : "South",
                                    "b" + std::to_string(count), {}, {}, {},
                                    count % 4 == 0 ? "owner=x; zone = low" : ""));
    }
    for (std::uint32_t count = 0; count < 96; ++count) {
      const std::string tenant = tenants[count % 3].first;
      const base::Eui64 eui(0xFFFFFFFF00000000ull + count * 7919);
      const auto meter = store_->add_meter(
          "test", spec_of(eui, tenant, count % 2 == 0 ? "North" : "South", "b" + std::to_string(count % 12)));
      EXPECT_TRUE(meter) << meter.error().text;
      // Of one partition, so that a shard has several.
      if (lake::owner().owns(base::shard_of(meter->number))) meters_.push_back({eui, meter->number, tenant, {}});
    }
    EXPECT_TRUE(directory_.load(*store_));
    for (auto& meter : meters_) {
      const auto building = directory_.building(directory_.meter(meter.eui)->building);
      meter.place = meter.tenant + "/" + building->district + "/" + (building->tags.empty() ? "" : "low");
    }
  }
  static Town& shared() {
    static Town town;
    return town;
  }

  static registry::MeterSpec spec_of(base::Eui64 eui, std::string tenant, std::string district, std::string building) {
    registry::MeterSpec spec;
    spec.eui = eui;
    spec.tenant = std::move(tenant);
    spec.district = std::move(district);
    spec.building = std::move(building);
    spec.floor = "1";
    spec.unit = eui.text();
    return spec;
  }

  registry::Store& store() { return *store_; }
  base::ManualClock& clock() { return clock_; }  // the registry's
  registry::Directory& directory() { return directory_; }
  const std::vector<TownMeter>& meters() const { return meters_; }
  const consumption::LocalTime& zone(const std::string& tenant) const { return zones_.at(tenant); }

 private:
  lake::Folder folder_;
  base::ManualClock clock_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  std::map<std::string, consumption::LocalTime> zones_;
  std::vector<TownMeter> meters_;
};

class RollupTest : public testing::Test {
 protected:
  // The night in which Berlin's clocks go forward.
  static inline const base::Timestamp kStart{std::chrono::sys_days(std::chrono::year(2026) / 3 / 28) + 15h};

  void SetUp() override {
    writer_ = lake::Writer::open(disk_, {.directory = lake()}).value();
    ASSERT_TRUE(writer_->take_over(owner_));
    open_database();
  }
  std::string lake() const { return folder_.path() + "/lake"; }

  Town& town() const { return own_ ? *own_ : Town::shared(); }
  void open_database() { database_ = std::move(*tables::Database::open(folder_.path() + "/database.sqlite", clock_)); }
  void start(RollupOptions options = {}) {
    rollup_.reset();
    options.lake = lake();
    rollup_ = Rollup::start(disk_, town().directory(), *database_, executor_, metrics_, std::move(options)).value();
    executor_.run_ready();
  }
  void stop() {
    rollup_.reset();
    executor_.run_ready();
  }

  // One reading of a town's meter as the archive has it.
  lake::Reading row(const TownMeter& meter, const consumption::Reading& reading) {
    auto out = lake::reading(meter.number, reading.fcnt, reading.at, next_++);
    out.device = meter.eui.text();
    out.session = reading.session;
    out.generation = reading.generation;
    out.used = reading.counter;
    return out;
  }
  void append(std::vector<lake::Reading> rows) {
    if (rows.empty()) return;
    const auto from = rows.front().offset;
    const auto done = writer_->append(owner_, from, base::Offset(next_), rows);
    ASSERT_TRUE(done) << done.error().text;
  }
  void close(lake::Hour hour, bool fold = false) { lake::tidy(*writer_, owner_, hour, fold); }
  std::set<lake::Hour> fresh_hours() const {
    std::set<lake::Hour> out;
    for (const auto& [path, file] : writer_->state().fresh) out.insert(file.hour);
    return out;
  }

  Rows stored() {
    Rows out;
    for (const auto period : {UsagePeriod::kFiveMinutes, UsagePeriod::kHour, UsagePeriod::kDay}) {
      std::vector<tables::UsageRow> rows;
      EXPECT_TRUE(database_->read([&](db::Connection& c) -> base::Result<void> {
        rows = MH_TRY(tables::usage_rows(c, {.period = period, .limit = 1'000'000}));
        return {};
      }));
      for (const auto& one : rows) {
        const auto place = tenant_name(one.place.tenant) + "/" + one.place.district + "/" + one.place.zone;
        out[{period, place, one.begin, one.end}] = one.values;
      }
    }
    return out;
  }
  std::string tenant_name(base::TenantNumber number) const {
    const auto tenant = town().directory().tenant(number);
    return tenant ? tenant->name : "tenant " + std::to_string(number.value);
  }

  // All readings of closed hours, by a plain DuckDB that knows only the folder.
  std::map<std::uint64_t, std::vector<consumption::Reading>> all_readings() {
    std::map<std::uint64_t, std::vector<consumption::Reading>> out;
    auto connection = duck::Database::open({.external_access = true}).value().connect().value();
    auto rows = connection.query(
        "SELECT DeviceID, DateTime, Session, Generation, Seq, (TotalUsed * 1000)::BIGINT FROM read_parquet(" +
        duck::literal(lake() + "/readings/**") + ", hive_partitioning = false) WHERE TotalUsed IS NOT NULL");
    EXPECT_TRUE(rows) << rows.error().text;
    while (const auto chunk = rows->next()) {
      for (std::size_t i = 0; i < chunk->rows(); ++i) {
        out[base::Eui64::parse(chunk->text(0, i)).value().value].push_back(
            {.meter = {},
             .session = base::SessionNumber(chunk->values<std::uint32_t>(2)[i]),
             .generation = base::Generation(chunk->values<std::uint32_t>(3)[i]),
             .fcnt = chunk->values<std::uint32_t>(4)[i],
             .at = base::Timestamp(base::Duration(chunk->values<std::int64_t>(1)[i])),
             .counter = chunk->values<std::int64_t>(5)[i]});
      }
    }
    return out;
  }
  // Each meter's figures over all periods of all its time, added up by place.
  Rows brute_force() {
    Rows out;
    const auto all = all_readings();
    for (const auto& meter : town_) {
      const auto found = all.find(meter.eui.value);
      if (found != all.end()) add_brute_force(out, meter, found->second);
    }
    return out;
  }
  void add_brute_force(Rows& out, const TownMeter& meter, const std::vector<consumption::Reading>& readings) const {
    const auto [least, most] = std::ranges::minmax(readings, {}, &consumption::Reading::at);
    const auto steps = consumption::hourly_steps(readings, {.capacity = kCapacity});
    for (const auto& [period, cut] : {std::pair(UsagePeriod::kFiveMinutes, consumption::Period::kFiveMinutes),
                                      {UsagePeriod::kHour, consumption::Period::kHour},
                                      {UsagePeriod::kDay, consumption::Period::kDay}}) {
      const auto edges = town().zone(meter.tenant).edges(cut, least.at - 1us, most.at);
      for (const auto& figure : consumption::figures(steps, edges)) {
        const auto packets =
            std::ranges::count_if(readings, [&](const auto& r) { return r.at > figure.begin && r.at <= figure.end; });
        if (figure.steps == 0 && packets == 0) continue;
        out[{period, meter.place, figure.begin, figure.end}] +=
            {figure.used, figure.estimated, figure.steps > 0, packets};
      }
    }
  }
  void expect_same() {
    const auto expected = brute_force();
    const auto found = stored();
    int shown = 0;
    for (const auto& [key, values] : expected) {
      const auto it = found.find(key);
      if (it != found.end() && it->second == values) continue;
      if (++shown > 5) continue;
      ADD_FAILURE() << "expected " << text_of(key, values) << "\nfound    "
                    << (it == found.end() ? "nothing" : text_of(key, it->second));
    }
    for (const auto& [key, values] : found) {
      if (!expected.contains(key) && ++shown <= 5) ADD_FAILURE() << "not expected: " << text_of(key, values);
    }
    EXPECT_EQ(shown, 0) << "rows that differ, of " << expected.size();
  }

  static constexpr consumption::Litres kCapacity = 1LL << 32;  // of profile v1: four bytes of litres
  lake::Folder folder_;
  base::PosixDisk disk_;
  base::ManualClock clock_{kStart + 40h};
  base::ManualExecutor executor_{clock_};
  base::Metrics metrics_;
  lake::Owner owner_ = lake::owner();
  std::unique_ptr<Town> own_;  // of a test that changes it
  std::vector<TownMeter> town_ = Town::shared().meters();
  std::unique_ptr<lake::Writer> writer_;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<Rollup> rollup_;
  std::uint64_t next_ = 0;  // offset in the log
};

}  // namespace meterhub::history
