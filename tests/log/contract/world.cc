#include "world.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace meterhub::log::contract {

TemporaryDirectory::TemporaryDirectory() {
  auto name = (std::filesystem::temp_directory_path() / "meterhub-log-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

EmbeddedWorld::EmbeddedWorld() {
  options.directory = directory_.path() / "store";
  options.segment_bytes = 4096;
  options.memtable_bytes = 1 << 20;
  EXPECT_TRUE(start());
}

base::Result<void> EmbeddedWorld::start() {
  log_ = MH_TRY(EmbeddedLog::open(options, clock, executor, metrics));
  return {};
}

void EmbeddedWorld::with_quota(std::uint64_t bytes) {
  options.quota_bytes = bytes;
  restart();
}

void EmbeddedWorld::restart() {
  stop();
  const auto started = start();
  ASSERT_TRUE(started) << started.error().text;
}

base::Result<Committed> transact(World& world, Transaction transaction) {
  std::optional<base::Result<Committed>> out;
  world.log().transact(std::move(transaction), world.executor, [&](auto result) { out = std::move(result); });
  world.executor.run_for(std::chrono::milliseconds(20));
  if (!out) return base::fail(base::Errc::kInternal, "no reply");
  return std::move(*out);
}

Committed::Place append(World& world, TopicPartition to, std::string body) {
  Transaction transaction;
  transaction.appends.push_back({to, NewRecord{{}, {}, {}, std::move(body)}});
  const auto result = transact(world, std::move(transaction));
  EXPECT_TRUE(result) << result.error().text;
  return result ? result->places.at(0) : Committed::Place{};
}

std::vector<std::string> read_all(World& world, TopicPartition partition, From from) {
  std::vector<std::string> out;
  auto cursor = world.log().open(partition, from);
  EXPECT_TRUE(cursor);
  for (;;) {
    const auto batch = (*cursor)->next(1 << 20);
    EXPECT_TRUE(batch) << batch.error().text;
    if (!batch || batch->records.empty()) return out;
    for (const auto& record : batch->records) out.emplace_back(record.body);
  }
}

}  // namespace meterhub::log::contract
