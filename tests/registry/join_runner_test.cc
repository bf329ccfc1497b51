#include <meterhub/registry/joins.h>

#include <gmock/gmock.h>

#include <meterhub/log/memory.h>
#include <meterhub/lorawan/join.h>

#include "registry_fixture.h"

namespace meterhub::registry {
namespace {

using namespace std::chrono_literals;

class JoinRunnerTest : public RegistryTest {
 protected:
  JoinRunnerTest() {
    app_key_.fill(0x42);
    MeterSpec spec;
    spec.eui = kMeter;
    spec.keys = OtaaKeys{kJoinEui, app_key_};
    EXPECT_TRUE(store_->add_meter("test", spec));
    for (const auto name : {log::topics::kJoins, log::topics::kDeadletter, log::topics::kNoise}) {
      EXPECT_TRUE(log_.declare({.name = std::string(name), .partitions = 2, .protected_groups = {}}));
    }
  }

  base::Bytes request(std::uint16_t nonce, base::Eui64 eui = kMeter) const { return lorawan::build_join_request(app_key_, kJoinEui, eui, nonce); }

  void append(const base::Bytes& phy, std::uint32_t partition = 0) {
    log::Transaction transaction;
    log::NewRecord record;
    record.key = "fffe020100000011";
    record.properties.gateway = "gw-1";
    record.body = base::as_text(phy);
    transaction.appends.push_back({{*log_.topic(log::topics::kJoins), base::PartitionId(partition)}, std::move(record)});
    log_.transact(std::move(transaction), executor_, [](auto result) { EXPECT_TRUE(result); });
  }

  std::unique_ptr<JoinRunner> start() {
    auto runner = std::make_unique<JoinRunner>(log_, *store_, executor_, metrics_, JoinOptions{}, [](std::span<std::uint8_t> out) {
      std::ranges::fill(out, std::uint8_t{0x5A});
    });
    EXPECT_TRUE(runner->start([this](const log::Properties& properties, const JoinResult& result) {
      answers_.push_back(properties.gateway + " " + std::string(join_code(result.verdict)));
    }));
    executor_.run_for(2s);
    return runner;
  }

  std::vector<std::string> reasons(std::string_view topic) {
    std::vector<std::string> out;
    for (std::uint32_t partition = 0; partition < 2; ++partition) {
      auto cursor = *log_.open({*log_.topic(topic), base::PartitionId(partition)}, log::Earliest());
      const auto batch = *cursor->next(1 << 20);
      for (const auto& record : batch.records) out.push_back(record.properties.reason);
    }
    return out;
  }

  static constexpr base::Eui64 kMeter{0xffffffffffffff01};
  static constexpr base::Eui64 kJoinEui{0x70b3d57ed0000000};
  lorawan::AesKey app_key_{};
  base::ManualExecutor executor_{clock_};
  base::Metrics metrics_;
  log::MemoryLog log_{clock_};
  std::vector<std::string> answers_;
};

TEST_F(JoinRunnerTest, OneRequestHeardByTwoGatewaysIsOneSession) {
  append(request(1), 0);
  append(request(1), 1);
  const auto runner = start();
  EXPECT_THAT(answers_, testing::UnorderedElementsAre("gw-1 accepted", "gw-1 repeated"));
  EXPECT_EQ(store_->sessions({}, 10)->size(), 1u);
  EXPECT_EQ(metrics_.total("meterhub_registry_joins_total"), 2u);
}

TEST_F(JoinRunnerTest, RefusedRequestsGoWhereTheirReasonBelongs) {
  auto forged = request(1);
  forged.back() ^= 1;
  append(forged);
  append(request(2, base::Eui64(9)));
  const auto runner = start();
  EXPECT_THAT(reasons(log::topics::kDeadletter), testing::ElementsAre("join_mic"));
  EXPECT_THAT(reasons(log::topics::kNoise), testing::ElementsAre("join_unknown_deveui"));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(JoinRunnerTest, WaitsForABusyRegistryAndLosesNothing) {
  auto other = open();
  auto import = other->begin_import("test");
  append(request(1));
  const auto runner = start();
  EXPECT_TRUE(answers_.empty());
  import->reset();
  executor_.run_for(2s);
  EXPECT_THAT(answers_, testing::ElementsAre("gw-1 accepted"));
}

TEST_F(JoinRunnerTest, AfterARestartOnlyNewRequestsAreJudged) {
  append(request(1));
  {
    auto runner = start();
    bool stopped = false;
    runner->stop([&] { stopped = true; });
    executor_.run_for(2s);
    EXPECT_TRUE(stopped);
  }
  append(request(2));
  const auto runner = start();
  EXPECT_THAT(answers_, testing::ElementsAre("gw-1 accepted", "gw-1 accepted"));
  EXPECT_EQ(store_->sessions({}, 10)->size(), 2u);
}

}  // namespace
}  // namespace meterhub::registry
