#include "notices.h"

#include <gtest/gtest.h>

#include "folder.h"

namespace meterhub::app {
namespace {

class NoticesTest : public testing::Test {
 protected:
  NoticesTest() {
    registry::Store::Options how;
    how.file = folder_.path() + "/registry.sqlite";
    how.master_key.fill(7);
    store_ = std::move(*registry::Store::open(how, clock_));
    for (const auto* const tenant : {"Chongqing Gas", "Wuhan Gas"}) EXPECT_TRUE(store_->add_tenant("test", tenant));
    registry::MeterSpec meter;
    meter.eui = base::Eui64(1);
    meter.tenant = "Wuhan Gas";
    meter.district = "Hankou";
    meter.building = "Tower W";
    meter.floor = "3";
    meter.unit = "302";
    EXPECT_TRUE(store_->add_meter("test", meter));
    EXPECT_TRUE(directory_.load(*store_));
  }
  notify::Notice of(std::string_view tenant, alarm::Event event = alarm::Event::kCleared) {
    alarm::Changes changes;
    changes.notices.push_back({.event = event,
                               .episode = alarm::EpisodeId(1),
                               .rule = alarm::Rule::kLeak,
                               .tenant = store_->tenant(tenant)->number,
                               .subject = alarm::Subject::meter(base::Eui64(1))});
    auto notices = notices_of(changes, directory_);
    return notices.empty() ? notify::Notice{} : notices.front();
  }

  base::ManualClock clock_;
  const Folder folder_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
};

TEST_F(NoticesTest, SayWhereTheMeterHangs) {
  const auto notice = of("Wuhan Gas");
  EXPECT_EQ(notice.subject, "0000000000000001");
  EXPECT_EQ(notice.rule, "leak");
  EXPECT_EQ(notice.place.district, "Hankou");
  EXPECT_EQ(notice.place.building, "Tower W");
  EXPECT_EQ(notice.place.floor, "3");
  EXPECT_EQ(notice.place.unit, "302");
}

TEST_F(NoticesTest, DoNotTellAFormerTenantWhereItHangsNow) {
  const auto notice = of("Chongqing Gas");
  EXPECT_EQ(notice.subject, "0000000000000001");
  EXPECT_EQ(notice.place, notify::PlaceText{});
}

TEST_F(NoticesTest, WhatPeopleDoIsNoNews) {
  EXPECT_EQ(of("Wuhan Gas", alarm::Event::kAcknowledged).subject, "");
}

}  // namespace
}  // namespace meterhub::app
