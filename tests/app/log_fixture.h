// A log in memory with the platform's topics, for what reads logs.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include <meterhub/log/memory.h>

namespace meterhub::app {

class LogFixture : public testing::Test {
 protected:
  static constexpr std::uint32_t kPartitions = 4;

  LogFixture() {
    for (const auto name : {log::topics::kTelemetry, log::topics::kDecoded, log::topics::kReadings, log::topics::kStatus,
                            log::topics::kDeadletter, log::topics::kNoise}) {
      declare(name, kPartitions);
    }
    declare(log::topics::kRetry, 1);
    declare(log::topics::kJoins, 1);
  }

  log::TopicPartition at(std::string_view topic, std::uint32_t partition = 0) const {
    return {*log_.topic(topic), base::PartitionId(partition)};
  }
  void put(log::TopicPartition to, log::NewRecord record) {
    log::Transaction transaction;
    transaction.appends.push_back({to, std::move(record)});
    bool done = false;
    log_.transact(std::move(transaction), executor_, [&](base::Result<log::Committed> committed) { done = committed.has_value(); });
    executor_.run_ready();
    ASSERT_TRUE(done);
    clock_.advance(std::chrono::seconds(1));
  }
  // A packet that entered as (telemetry, 0, offset, index).
  static log::NewRecord packet(std::string key, std::uint64_t offset, std::string reason = {}, std::string body = "{}") {
    log::NewRecord out{std::move(key), {}, {}, std::move(body)};
    out.properties.origin = {std::string(log::topics::kTelemetry), base::PartitionId(0), base::Offset(offset), 0, {}};
    out.properties.gateway = "gw-1";
    out.properties.reason = std::move(reason);
    return out;
  }
  std::vector<std::string> bodies(log::TopicPartition of) {
    std::vector<std::string> out;
    const auto cursor = *log_.open(of, log::Earliest{});
    const auto batch = cursor->next(1 << 20);
    for (const auto& record : batch->records) out.emplace_back(record.body);
    return out;
  }

  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  log::MemoryLog log_{clock_};

 private:
  void declare(std::string_view name, std::uint32_t partitions) {
    log::TopicSpec spec;
    spec.name = name;
    spec.partitions = partitions;
    EXPECT_TRUE(log_.declare(spec));
  }
};

}  // namespace meterhub::app
