#include <meterhub/decrypt/session_table.h>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace meterhub::decrypt {
namespace {

using lorawan::Session;

Session session(std::uint32_t meter, std::uint32_t number, std::uint32_t address, std::uint8_t key = 1) {
  Session out;
  out.meter = base::MeterNumber(meter);
  out.number = base::SessionNumber(number);
  out.dev_eui = base::Eui64(1000 + meter);
  out.dev_addr = base::DevAddr(address);
  out.nwk_skey.fill(key);
  out.app_skey.fill(key);
  return out;
}

std::vector<Session> find(const SessionTable& table, std::uint32_t address) {
  std::vector<Session> out;
  table.find(base::DevAddr(address), out);
  return out;
}

TEST(SessionTable, FindsAllSessionsOfAnAddressNewestFirst) {
  SessionTable table;
  ASSERT_TRUE(table.upsert(session(1, 1, 7)));
  ASSERT_TRUE(table.upsert(session(2, 5, 7)));
  ASSERT_TRUE(table.upsert(session(1, 2, 8)));
  const auto found = find(table, 7);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].number.value, 5U);
  EXPECT_EQ(found[1].dev_eui.value, 1001U);
  EXPECT_EQ(table.size(), 3U);
  EXPECT_TRUE(find(table, 9).empty());
}

TEST(SessionTable, FindsTheNewestSessionsOfManyAddresses) {
  SessionTable table;
  for (std::uint32_t number = 1; number <= 40; ++number) ASSERT_TRUE(table.upsert(session(number, number, 7)));
  ASSERT_TRUE(table.upsert(session(50, 1, 8)));
  const std::vector<base::DevAddr> addresses{base::DevAddr(8), base::DevAddr(9), base::DevAddr(7), base::DevAddr(8)};
  SessionTable::Found found;
  for (int turn = 0; turn < 2; ++turn) {
    table.find(addresses, 3, found);
    EXPECT_EQ(found.of(0).size(), 1U);
    EXPECT_TRUE(found.of(1).empty());
    ASSERT_EQ(found.of(2).size(), 3U);
    EXPECT_EQ(found.of(2)[0].number.value, 40U);
    EXPECT_EQ(found.of(2)[2].number.value, 38U);
    ASSERT_EQ(found.of(3).size(), 1U);
    EXPECT_EQ(found.of(3)[0].meter.value, 50U);
  }
  found.clear();
  EXPECT_TRUE(found.sessions.empty());
}

TEST(SessionTable, ReplacesASessionInPlace) {
  SessionTable table;
  ASSERT_TRUE(table.upsert(session(1, 1, 7, 1)));
  ASSERT_TRUE(table.upsert(session(1, 1, 7, 9)));
  ASSERT_EQ(table.size(), 1U);
  EXPECT_EQ(find(table, 7)[0].nwk_skey[0], 9);
}

TEST(SessionTable, DropsOneSessionAndKeepsTheOthersOfItsMeter) {
  SessionTable table;
  for (std::uint32_t number = 1; number <= 3; ++number) ASSERT_TRUE(table.upsert(session(1, number, 10 + number)));
  EXPECT_EQ(table.drop(base::MeterNumber(1), base::SessionNumber(2)), 1U);
  EXPECT_EQ(table.drop(base::MeterNumber(1), base::SessionNumber(2)), 0U);
  EXPECT_EQ(table.drop(base::MeterNumber(77), base::SessionNumber(1)), 0U);
  EXPECT_EQ(find(table, 11).size(), 1U);
  EXPECT_TRUE(find(table, 12).empty());
  EXPECT_EQ(find(table, 13).size(), 1U);
  EXPECT_EQ(table.size(), 2U);
}

TEST(SessionTable, DropsAMeterWithAllItsSessions) {
  SessionTable table;
  for (std::uint32_t number = 1; number <= 3; ++number) ASSERT_TRUE(table.upsert(session(1, number, 10 + number)));
  ASSERT_TRUE(table.upsert(session(2, 1, 11)));
  EXPECT_EQ(table.drop_meter(base::MeterNumber(1)), 3U);
  EXPECT_EQ(table.drop_meter(base::MeterNumber(1)), 0U);
  EXPECT_EQ(table.drop_meter(base::MeterNumber(77)), 0U);
  EXPECT_EQ(find(table, 11).size(), 1U);
  EXPECT_TRUE(find(table, 12).empty());
  EXPECT_EQ(table.size(), 1U);
}

TEST(SessionTable, KeepsAfterASnapshotWhatTheSnapshotNamed) {
  SessionTable table;
  for (std::uint32_t meter = 1; meter <= 1000; ++meter) ASSERT_TRUE(table.upsert(session(meter, 1, meter % 50)));
  table.begin_snapshot();
  for (std::uint32_t meter = 1; meter <= 1000; meter += 10) ASSERT_TRUE(table.upsert(session(meter, 1, meter % 50)));
  EXPECT_EQ(table.size(), 1000U);
  table.end_snapshot();
  EXPECT_EQ(table.size(), 100U);
  for (std::uint32_t address = 0; address < 50; ++address) EXPECT_EQ(find(table, address).size(), address % 10 == 1 ? 20U : 0U);
}

TEST(SessionTable, RefusesMoreThanItsCapacityAndReusesWhatWasFreed) {
  SessionTable table(2);
  ASSERT_TRUE(table.upsert(session(1, 1, 1)));
  ASSERT_TRUE(table.upsert(session(2, 1, 2)));
  EXPECT_EQ(table.upsert(session(3, 1, 3)).error().code, base::Errc::kResourceExhausted);
  table.drop_meter(base::MeterNumber(1));
  EXPECT_TRUE(table.upsert(session(3, 1, 3)));
  EXPECT_FALSE(table.upsert(session(UINT32_MAX, 1, 3)));
}

TEST(SessionTable, GivesReadersWholeEntriesWhileTheWriterChangesThem) {
  SessionTable table;
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::atomic<int> seen{0};
  std::jthread reader([&] {
    std::vector<Session> found;
    while (!stop) {
      table.find(base::DevAddr(7), found);
      for (const Session& one : found) {
        ++seen;
        for (std::size_t i = 0; i < 16; ++i) torn += one.nwk_skey[i] != one.app_skey[0] ? 1 : 0;
      }
    }
  });
  for (int round = 0; round < 20'000 || seen == 0; ++round) {
    ASSERT_TRUE(table.upsert(session(1, 1, 7, static_cast<std::uint8_t>(round))));
    ASSERT_TRUE(table.upsert(session(static_cast<std::uint32_t>(2 + round % 500), 1, 7, static_cast<std::uint8_t>(round))));
    table.drop_meter(base::MeterNumber(static_cast<std::uint32_t>(2 + (round + 250) % 500)));
  }
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace meterhub::decrypt
