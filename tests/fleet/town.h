// A small town for fleet and console: registry, log and database of one test, and readings put in
// as deduplication would.
#pragma once

#include <gtest/gtest.h>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/time_text.h>
#include <meterhub/tables/database.h>
#include <meterhub/log/memory.h>
#include <meterhub/registry/directory.h>
#include <meterhub/registry/store.h>

#include "temporary_directory.h"

namespace meterhub::fleet::test {

struct Said {
  std::uint32_t meter = 1;
  std::uint32_t fcnt = 1;
  std::int64_t left = 979'171;  // litres
  std::int64_t used = 20'829;
  std::uint32_t status = 4;
  base::Timestamp time{};  // event time; the town's clock when not set
  bool undecoded = false;
};

inline std::string cubic_metres(std::int64_t litres) {
  const auto size = litres < 0 ? -litres : litres;
  const auto rest = std::to_string(size % 1000);
  return (litres < 0 ? "-" : "") + std::to_string(size / 1000) + "." + std::string(3 - rest.size(), '0') + rest;
}

class Town {
 public:
  // Meters 1.. of two buildings, `flats` each on two floors; their EUIs are their numbers.
  explicit Town(const base::Clock& clock, std::uint32_t flats = 4, std::chrono::seconds silence = std::chrono::seconds(60))
      : clock_(clock), log(clock) {
    registry::Store::Options options;
    options.file = directory / "registry.sqlite";
    options.master_key.fill(7);
    store = std::move(*registry::Store::open(options, clock));
    EXPECT_TRUE(store->add_tenant("test", "Chongqing Gas"));
    for (std::uint32_t n = 0; n < 2 * flats; ++n) {
      add_meter(n / flats == 0 ? "Tower A" : "Tower B", std::to_string(1 + n % flats % 2), std::to_string(101 + n % flats), silence);
    }
    EXPECT_TRUE(directory_of_meters.load(*store));
    database = std::move(*tables::Database::open(directory / "database.sqlite", clock));
    for (const auto name : {log::topics::kTelemetry, log::topics::kDecoded, log::topics::kReadings}) {
      EXPECT_TRUE(log.declare({.name = std::string(name), .partitions = 4}));
    }
  }

  void add_meter(const std::string& building, const std::string& floor, const std::string& unit, std::chrono::seconds silence,
                 const std::string& tenant = "Chongqing Gas") {
    registry::MeterSpec spec;
    spec.eui = base::Eui64(++meters_);
    spec.tenant = tenant;
    spec.district = building.empty() ? "" : "Yuzhong";
    spec.building = building;
    spec.floor = building.empty() ? "" : floor;
    spec.unit = building.empty() ? "" : unit;
    spec.silence_limit = silence;
    EXPECT_TRUE(store->add_meter("test", spec));
  }

  log::NewRecord record(const Said& said) const {
    const auto time = said.time == base::Timestamp{} ? clock_.now() : said.time;
    log::NewRecord out;
    out.key = base::Eui64(said.meter).text();
    out.properties.meter = base::MeterNumber(said.meter);
    out.properties.session = base::SessionNumber(1);
    out.properties.fcnt = said.fcnt;
    out.properties.time = time;
    out.properties.undecoded = said.undecoded;
    const auto data = said.undecoded ? std::string("null")
                                     : R"({"type":2,"code":1,"bought":)" + cubic_metres(said.left + said.used) +
                                           R"(,"left":)" + cubic_metres(said.left) + R"(,"used":)" + cubic_metres(said.used) +
                                           R"(,"status":)" + std::to_string(said.status) + R"(,"version":"v1.0","time":")" +
                                           base::rfc3339(time) + "\"}";
    out.body = R"({"originData":{"gw":null,"mote":null,"app":{"moteeui":")" + out.key +
               R"(","userdata":{"seqno":1,"port":1},"gwrx":[{"eui":"a","rssi":-90,"lsnr":5.5},{"eui":"b","rssi":-112,"lsnr":-7}]}},)" +
               "\"userData\":" + data + "}";
    return out;
  }
  void say(const Said& said) {
    const auto topic = *log.topic(log::topics::kReadings);
    const auto partition = base::partition_of(base::shard_of(base::MeterNumber(said.meter)), log.partitions(topic));
    put({topic, partition}, record(said));
  }
  void put(log::TopicPartition to, log::NewRecord record) {
    log::Transaction transaction;
    transaction.appends.push_back({to, std::move(record)});
    base::ManualClock clock;
    base::ManualExecutor executor(clock);
    bool done = false;
    log.transact(std::move(transaction), executor, [&](auto result) { done = result.has_value(); });
    executor.run_ready();
    ASSERT_TRUE(done);
  }
  // An alert row, as job 02 writes it.
  void alert(std::uint32_t meter, std::uint32_t tenant = 1) {
    if (!output_) {
      output_ = *database->declare({.job = "02", .output = "SQLOutput", .table = "alerts", .columns = tables::alert_columns()});
    }
    ++alerts_;
    const tables::Row row{.identity = {0, alerts_, 0},
                          .tenant = base::TenantNumber(tenant),
                          .event_time = clock_.now(),
                          .cells = {base::Eui64(meter).text(), base::rfc3339(clock_.now()), std::int64_t{2}, std::int64_t{1},
                                    1000.0, 4.5, 995.5, std::int64_t{4}, std::string("v1.0")}};
    ASSERT_TRUE(database->write(*output_, {row}, {.part = 0, .from = alerts_ - 1, .to = alerts_, .epoch = base::Epoch(1)}));
  }

 private:
  const base::Clock& clock_;
  std::uint32_t meters_ = 0;
  std::int64_t alerts_ = 0;
  std::optional<tables::OutputId> output_;

 public:
  db::TemporaryDirectory directory;
  base::PosixDisk disk;
  log::MemoryLog log;
  base::Metrics metrics;
  std::unique_ptr<registry::Store> store;
  registry::Directory directory_of_meters;
  std::unique_ptr<tables::Database> database;
};

}  // namespace meterhub::fleet::test
