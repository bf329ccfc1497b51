#include "alerts.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "town.h"

namespace meterhub::console {
namespace {

using nlohmann::json;
using testing::ElementsAre;

class AlertsTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  fleet::test::Town town_{clock_};

  static std::vector<int> ids(const std::string& rows) {
    std::vector<int> out;
    for (const auto& row : json::parse(rows)) out.push_back(row["id"]);
    return out;
  }
  json read(std::size_t limit, std::int64_t after = 0) {
    return json::parse(alerts_json(*town_.database, limit, after).value());
  }
  // Rows since the last look.
  static std::string take_new(AlertFeed& feed) {
    feed.look();
    return feed.fresh();
  }
};

TEST_F(AlertsTest, ARowHasTheNineColumnsAndWhereItComesFrom) {
  town_.alert(3);
  EXPECT_EQ(read(10), json::parse(R"([{"id":1,"DeviceID":"0000000000000003","DateTime":"2023-11-14T22:13:20Z","MeterType":2,
    "FactoryCode":1,"Bought":1000.0,"Remaining":4.5,"TotalUsed":995.5,"MeterStatus":4,"MeterSoftwareVer":"v1.0",
    "Tenant":1,"job":"02"}])"));
}

TEST_F(AlertsTest, AfterAnIdOldestFirst) {
  for (std::uint32_t n = 1; n <= 5; ++n) town_.alert(n);
  EXPECT_THAT(ids(read(3, 1).dump()), ElementsAre(2, 3, 4));
  EXPECT_THAT(ids(read(3, 5).dump()), ElementsAre());
}

TEST_F(AlertsTest, TheFeedGivesEachNewRowOnce) {
  town_.alert(1);
  AlertFeed feed(*town_.database);
  EXPECT_EQ(take_new(feed), "");
  town_.alert(2);
  town_.alert(3);
  EXPECT_THAT(ids(take_new(feed)), ElementsAre(3, 2));
  EXPECT_EQ(take_new(feed), "");
}

TEST_F(AlertsTest, AFloodGivesTheNewestHundred) {
  AlertFeed feed(*town_.database);
  take_new(feed);
  for (std::uint32_t n = 1; n <= 130; ++n) town_.alert(n);
  const auto rows = ids(take_new(feed));
  EXPECT_EQ(rows.size(), 100u);
  EXPECT_EQ(rows.front(), 130);
  EXPECT_EQ(take_new(feed), "");
}

TEST_F(AlertsTest, OneTenantsRowsAreItsOwn) {
  AlertFeed feed(*town_.database);
  feed.look();
  town_.alert(1);
  feed.look();
  EXPECT_THAT(ids(feed.fresh(base::TenantNumber(1))), ElementsAre(1));
  EXPECT_EQ(feed.fresh(base::TenantNumber(2)), "");
  EXPECT_EQ(*alerts_json(*town_.database, 10, 0, base::TenantNumber(2)), "[]");
}

// A clock on which every look takes ten milliseconds, as counting a large table does.
class SlowClock final : public base::Clock {
 public:
  base::Timestamp now() const override { return base::Timestamp(std::chrono::seconds(1'700'000'000)); }
  base::MonotonicTime monotonic() const override { return at_ += std::chrono::milliseconds(10); }

 private:
  mutable base::MonotonicTime at_{};
};

TEST_F(AlertsTest, TheTotalIsRightBetweenTwoCounts) {
  const SlowClock clock;
  AlertFeed feed(*town_.database);
  town_.alert(1);
  EXPECT_EQ(feed.total(clock), 1);
  town_.alert(2);
  town_.alert(3);
  EXPECT_EQ(feed.total(clock), 3);
}

}  // namespace
}  // namespace meterhub::console
