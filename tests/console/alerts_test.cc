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
  json read(std::size_t limit, std::optional<std::int64_t> after = {}) {
    return json::parse(alerts_json(*town_.database, limit, after).value());
  }
};

TEST_F(AlertsTest, ARowHasTheNineColumnsAndWhereItComesFrom) {
  town_.alert(3);
  EXPECT_EQ(read(10), json::parse(R"([{"id":1,"DeviceID":"0000000000000003","DateTime":"2023-11-14T22:13:20Z","MeterType":2,
    "FactoryCode":1,"Bought":1000.0,"Remaining":4.5,"TotalUsed":995.5,"MeterStatus":4,"MeterSoftwareVer":"v1.0",
    "Tenant":1,"job":"02"}])"));
}

TEST_F(AlertsTest, NewestFirstOrAfterAnIdOldestFirst) {
  for (std::uint32_t n = 1; n <= 5; ++n) town_.alert(n);
  EXPECT_THAT(ids(read(3).dump()), ElementsAre(5, 4, 3));
  EXPECT_THAT(ids(read(3, 1).dump()), ElementsAre(2, 3, 4));
  EXPECT_THAT(ids(read(3, 5).dump()), ElementsAre());
}

TEST_F(AlertsTest, TheFeedGivesEachNewRowOnce) {
  town_.alert(1);
  AlertFeed feed(*town_.database);
  EXPECT_EQ(feed.take_new(), "");
  town_.alert(2);
  town_.alert(3);
  EXPECT_THAT(ids(feed.take_new()), ElementsAre(3, 2));
  EXPECT_EQ(feed.take_new(), "");
}

TEST_F(AlertsTest, AFloodGivesTheNewestHundred) {
  AlertFeed feed(*town_.database);
  feed.take_new();
  for (std::uint32_t n = 1; n <= 130; ++n) town_.alert(n);
  const auto rows = ids(feed.take_new());
  EXPECT_EQ(rows.size(), 100u);
  EXPECT_EQ(rows.front(), 130);
  EXPECT_EQ(feed.take_new(), "");
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
