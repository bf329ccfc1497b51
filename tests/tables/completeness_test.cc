#include <meterhub/tables/completeness.h>

#include <gtest/gtest.h>

#include <meterhub/tables/database.h>

#include "temporary_directory.h"

namespace meterhub::tables {
namespace {

constexpr std::int32_t kDay = 20'777;  // 2026-11-20
constexpr base::TenantNumber kTenant(3);
constexpr base::Eui64 kMeter(0x11);

class CompletenessTableTest : public testing::Test {
 protected:
  template <class Work>
  void transact(Work work) {
    const auto done = database_->transact(work);
    ASSERT_TRUE(done) << done.error().text;
  }
  static CompletenessRow row(std::string_view kind, std::string subject, std::uint64_t lost = 10,
                             std::int32_t day = kDay) {
    CompletenessRow out{.day = day,
                        .tenant = kTenant,
                        .kind = kind,
                        .subject = std::move(subject),
                        .tenant_name = "Gas",
                        .district = "Yuzhong"};
    out.received = 90;
    out.missing[static_cast<std::size_t>(MissingColumn::kLost)] = lost;
    return out;
  }
  std::vector<CompletenessRow> town() {
    return {row("meter", kMeter.text()), row("building", "7"), row("district", "Yuzhong"), row("tenant", "Gas"),
            row("gateway", "gw-a")};
  }
  void write(std::vector<CompletenessRow> rows) {
    transact([&](db::Connection& connection) { return write_completeness(connection, rows); });
  }
  void late(LateReading reading) {
    transact([&](db::Connection& connection) { return add_late(connection, reading); });
  }
  static LateReading reading() {
    return {.day = kDay,
            .tenant = kTenant,
            .meter = kMeter,
            .building = 7,
            .gateway = "gw-a",
            .from = MissingColumn::kLost};
  }
  std::string text(const std::string& sql) {
    std::string out;
    EXPECT_TRUE(database_->read([&](db::Connection& connection) -> base::Result<void> {
      auto row = MH_TRY(connection.prepare(sql));
      while (MH_TRY(row.step())) out += (out.empty() ? "" : ";") + std::string(row.text(0));
      return {};
    }));
    return out;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Database> database_ = std::move(*Database::open(directory_ / "database.sqlite", clock_));
};

TEST_F(CompletenessTableTest, ARowAddsUp) {
  auto one = row("building", "7");
  one.missing = {1, 2, 3, 4, 5};
  one.late = 8;
  write({one});
  EXPECT_EQ(
      text(
          "SELECT Day || ' ' || Tenant || ' ' || Expected || ' ' || Received || ' ' || Late || ' ' || Silent || GatewayDown || "
          "DecryptFailed || Rejected || Lost || ' ' || round(Percent, 2) FROM completeness_day"),
      "2026-11-20 Gas 105 90 8 12345 85.71");
  one.received = 105;
  one.missing = {};
  write({one});
  EXPECT_EQ(text("SELECT Percent FROM completeness_day"), "100.0") << "replaced";
}

TEST_F(CompletenessTableTest, ALateReadingMovesInAllRowsOfItsMeter) {
  write(town());
  late(reading());
  EXPECT_EQ(
      text("SELECT Expected || ' ' || Received || ' ' || Late || ' ' || Lost || ' ' || Percent FROM completeness_day"),
      "100 91 1 9 91.0;100 91 1 9 91.0;100 91 1 9 91.0;100 91 1 9 91.0;100 91 1 9 91.0");
  auto garbage = reading();
  garbage.received = false;
  late(garbage);
  EXPECT_EQ(text("SELECT Received || ' ' || Rejected || ' ' || Lost FROM completeness_day WHERE Kind = 'meter'"),
            "91 1 8");
}

TEST_F(CompletenessTableTest, ItTakesThePlaceOfWhatIsMissingThere) {
  write({row("meter", kMeter.text())});
  auto from_silence = reading();
  from_silence.from = MissingColumn::kSilent;
  late(from_silence);
  EXPECT_EQ(text("SELECT Expected || ' ' || Lost FROM completeness_day"), "100 9");
}

TEST_F(CompletenessTableTest, AMeterThatMissedNothingIsReadOnceMore) {
  auto rows = town();
  rows.erase(rows.begin());
  write(rows);
  late(reading());
  EXPECT_EQ(text("SELECT DISTINCT Expected || ' ' || Received || ' ' || Lost FROM completeness_day"), "101 91 10");
}

TEST_F(CompletenessTableTest, OtherDaysAndTenantsAreNotTouched) {
  auto others = town();
  for (auto& one : others) one.tenant = base::TenantNumber(4);
  write(others);
  write({row("meter", kMeter.text(), 10, kDay - 1)});
  late(reading());
  EXPECT_EQ(text("SELECT DISTINCT Received FROM completeness_day"), "90");
  transact([](db::Connection& connection) { return remove_completeness(connection, kTenant, kDay - 1); });
  EXPECT_EQ(text("SELECT count(*) FROM completeness_day"), "5");
}

TEST_F(CompletenessTableTest, RowsOfMetersGoFirst) {
  for (std::int32_t day = kDay - 5; day <= kDay; ++day)
    write({row("meter", kMeter.text(), 1, day), row("tenant", "Gas", 1, day)});
  transact([](db::Connection& connection) { return expire_completeness(connection, kTenant, kDay - 1, kDay - 3); });
  EXPECT_EQ(text("SELECT group_concat(Kind || ' ' || Day) FROM completeness_day WHERE Kind = 'meter'"),
            "meter 2026-11-19,meter 2026-11-20");
  EXPECT_EQ(text("SELECT count(*) FROM completeness_day WHERE Kind = 'tenant'"), "4");
}

TEST_F(CompletenessTableTest, ReadsBlockByBlockWhatAFilterAdmits) {
  for (std::int32_t day = kDay - 2; day <= kDay; ++day) {
    auto rows = town();
    for (auto& one : rows) one.day = day;
    rows.front().building = "Tower A";
    auto other = row("tenant", "Other", 1, day);
    other.tenant = base::TenantNumber(4);
    rows.push_back(other);
    write(rows);
  }
  const auto found = [&](const CompletenessFilter& filter, std::size_t most) {
    std::string out;
    EXPECT_TRUE(database_->read([&](db::Connection& connection) -> base::Result<void> {
      std::optional<StoredCompleteness> last;
      std::int64_t count = 0;
      for (;;) {
        const auto block = MH_TRY(read_completeness(connection, filter, last ? &*last : nullptr, most));
        for (const auto& one : block) out += one.kind + ' ' + one.day.substr(8) + ' ' + one.subject + ';';
        count += static_cast<std::int64_t>(block.size());
        if (block.empty()) break;
        last = block.back();
      }
      EXPECT_EQ(MH_TRY(count_completeness(connection, filter)), count);
      return {};
    }));
    return out;
  };
  for (const std::size_t most : {1U, 2U, 100U}) {
    EXPECT_EQ(found({.tenants = std::vector{kTenant}, .kinds = {"tenant", "district"}}, most),
              "district 18 Yuzhong;district 19 Yuzhong;district 20 Yuzhong;tenant 18 Gas;tenant 19 Gas;tenant 20 Gas;");
    EXPECT_EQ(found({.kinds = {"tenant"}, .from = "2026-11-19", .to = "2026-11-19"}, most),
              "tenant 19 Gas;tenant 19 Other;");
  }
  EXPECT_EQ(found({.tenants = std::vector<base::TenantNumber>{}}, 100), "") << "whoever sees nobody";
  EXPECT_EQ(found({.from = "2026-11-20", .building = "Tower A"}, 100), "meter 20 " + kMeter.text() + ';');
  EXPECT_EQ(found({.kinds = {"gateway"}, .to = "2026-11-18", .subject = "gw-a", .district = "Yuzhong"}, 100),
            "gateway 18 gw-a;");
  EXPECT_EQ(found({.district = "' OR 1=1 --"}, 100), "");
}

TEST_F(CompletenessTableTest, RemembersWhichDaysAreClosed) {
  transact([](db::Connection& connection) -> base::Result<void> {
    MH_TRY_VOID(set_closed_day(connection, kTenant, kDay - 1));
    MH_TRY_VOID(set_closed_day(connection, kTenant, kDay));
    return set_closed_day(connection, base::TenantNumber(4), 7);
  });
  ClosedDays days;
  ASSERT_TRUE(database_->read([&](db::Connection& connection) -> base::Result<void> {
    days = MH_TRY(closed_days(connection));
    return {};
  }));
  EXPECT_EQ(days, (ClosedDays{{kTenant, kDay}, {base::TenantNumber(4), 7}}));
}

}  // namespace
}  // namespace meterhub::tables
